"""Labels in Punycode that stand for names, and those that no browser takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.cors.punycode import bad_label

BAD = (
    *("xn--", "xn--a", "xn--a-", "xn---", "xn--99999999", "xn--abc"),
    # Of an upper-case letter, of a letter that NFC composes, of a lone surrogate.
    *("xn--bcher-2pa", "xn--ux-uub", "xn--a-qc4g"),
)
GOOD = (
    *("example", "xn", "xn-a", "axn--a", "xn--bcher-kva", "xn--mnchen-3ya", "xn--fiqs8s"),
    # A letter that older rules mapped to "ss", and symbols that registries don't take.
    *("xn--strae-oqa", "xn--i-7iq", "xn--ls8h"),
)


class LabelTests(SynchronousTestCase):
    """`bad_label`."""

    def test_bad(self) -> None:
        """The first label that can't be is returned."""
        for label in BAD:
            self.assertEqual(bad_label(["www", label, "xn--a"]), label)

    def test_good(self) -> None:
        """Names, symbols and labels without the prefix are fine."""
        self.assertEqual(bad_label(GOOD), "")

    @given(st.text("abc-\xe4\xf6\xfc\u4e2d\U0001f600", min_size=1, max_size=12))
    def test_what_is_encoded_is_good(self, name: str) -> None:
        """Every name in lower case has an encoding that is taken."""
        if not name.isascii():
            self.assertEqual(bad_label([f"xn--{name.encode('punycode').decode()}"]), "")

    @given(st.text("abcxyz019-", max_size=20))
    def test_any(self, text: str) -> None:
        """Any text is taken or not, but never an error."""
        self.assertIn(bad_label([f"xn--{text}"]), ("", f"xn--{text}"))
