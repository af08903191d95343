"""What clients sent, as lines of the log show it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.log_text import MAX_SHOWN, cut, printable, sender, shown, shown_bytes


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


class PrintableTests(SynchronousTestCase):
    """`printable` and `cut`."""

    def test_escapes(self) -> None:
        """What moves a cursor, ends a line or turns text around is escaped; letters are not."""
        for text, found in (
            ("caf\u00e9 \u4e2d", "caf\u00e9 \u4e2d"),
            ("\x1b[2J\x07\x9b", r"\x1b[2J\x07\x9b"),
            ("a\r\nb\u2028", r"a\r\nb\u2028"),
            ("\u202egpj.exe", r"\u202egpj.exe"),
            ("\ud800", r"\ud800"),
        ):
            self.assertEqual(printable(text), found)
        self.assertEqual(printable("caf\u00e9", ascii_only=True), r"caf\xe9")

    def test_cut(self) -> None:
        """A cut is marked, within the bound."""
        self.assertEqual((cut("abcdef", 6), cut("abcdefg", 6)), ("abcdef", "abc..."))


class SenderTests(SynchronousTestCase):
    """`sender`."""

    def test_named_once(self) -> None:
        """The origin is named unless the reason does, or there is none."""
        self.assertEqual(sender([b"http://a"], "origin 'http://a' is not allowed"), "")
        self.assertEqual(sender([b"http://a"], "because of 'PUT'"), " (from http://a)")
        self.assertEqual(sender(None, "because"), "")
        self.assertLess(len(sender([b"\x1b" * 9999], "because")), MAX_SHOWN + 20)
