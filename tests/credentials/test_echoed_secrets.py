"""Tests of `corsgate.credentials.echoed_secrets`."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.echoed_secrets import forms, repeats

SECRET = "pa ss/w:rd~\u00e9?>"
RAW = SECRET.encode()


class RepeatsTests(SynchronousTestCase):
    """`repeats`."""

    @given(st.text(max_size=9), st.text(max_size=9))
    def test_encoded(self, before: str, after: str) -> None:
        """A secret is recognized in each form, whatever is before and after it."""
        left, right = before.encode("utf-8", "replace"), after.encode("utf-8", "replace")
        for form in (SECRET, quote(RAW, safe=""), quote(RAW, safe="").lower(), quote_plus(RAW)):
            self.assertTrue(repeats(f"{before}{form}{after}", [SECRET]))
        self.assertTrue(repeats(RAW.hex().upper(), ["other", SECRET]))
        for encode in (b64encode, urlsafe_b64encode):
            self.assertTrue(repeats(encode(left + RAW + right).decode(), [SECRET]))

    def test_part(self) -> None:
        """Eight characters of a secret are enough, and seven are not."""
        self.assertTrue(repeats("<HUNTER-2>", ["my-hunter-2-of-many"]))
        self.assertFalse(repeats("<HUNTER->", ["my-hunter-2-of-many"]))
        self.assertTrue(repeats("an abc", ["abc"]))

    def test_nothing(self) -> None:
        """Text without the secret is clean, and an empty secret is nowhere."""
        self.assertFalse(repeats("a box with a realm", [SECRET, "hunter2-of-the-box"]))
        self.assertFalse(repeats("a box", [""]))
        self.assertFalse(repeats("", [SECRET]))
        self.assertEqual(set(forms("")), {""})
