"""What clients sent, as lines of the log show it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.log_text import MAX_SHOWN, shown, shown_bytes


class ShownTests(SynchronousTestCase):
    """`shown` and `shown_bytes`."""

    @given(st.text())
    def test_one_line(self, text: str) -> None:
        """Nothing ends a line or leaves ASCII, and no text is long."""
        found = shown(text)
        self.assertTrue(found.isascii() and (found.isprintable() or not found))
        self.assertLessEqual(len(found), MAX_SHOWN * len("\\U0010ffff"))

    def test_bytes(self) -> None:
        """All fields of a name are one list; where there is none, a hyphen says so."""
        self.assertEqual(shown_bytes([b"a", b"b\n"]), "a, b\\n")
        for nothing in (None, [], [b""]):
            self.assertEqual(shown_bytes(nothing), "-")
