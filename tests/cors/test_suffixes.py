"""Tests of `corsgate.cors.suffixes`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cors.suffixes import public_suffix, suffix_within


class SuffixTests(SynchronousTestCase):
    """Whose names there are below a host."""

    def test_themselves(self) -> None:
        """A public suffix is within itself, by a wildcard of the list's too, or in Punycode."""
        for host in ("com", "co.uk", "github.io", "kobe.jp", "x.kobe.jp", "ck", "xn--55qx5d.cn"):
            self.assertEqual(suffix_within(host), host)

    def test_below(self) -> None:
        """A name that somebody owns may have public suffixes below."""
        for host in ("amazonaws.com", "windows.net", "core.windows.net"):
            found = suffix_within(host)
            assert found is not None
            self.assertTrue(found.endswith(f".{host}"), found)
            self.assertEqual(public_suffix(found), found)
            self.assertNotEqual(public_suffix(host), host)

    def test_none(self) -> None:
        """An owner's name, an exception of the list's, and a private network's name have none."""
        for host in ("example.com", "a.s3.amazonaws.com", "city.kobe.jp", "corp", "localhost"):
            self.assertIsNone(suffix_within(host), host)
