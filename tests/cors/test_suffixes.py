"""Public suffixes at and below a host."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cors.suffixes import public_suffix, suffix_within


class SuffixTests(SynchronousTestCase):
    """`suffix_within`."""

    def test_themselves(self) -> None:
        """A public suffix is within itself, also by a wildcard rule, or in Punycode."""
        for host in ("com", "co.uk", "github.io", "kobe.jp", "x.kobe.jp", "ck", "xn--55qx5d.cn"):
            self.assertEqual(suffix_within(host), host)

    def test_below(self) -> None:
        """A name with an owner may have public suffixes below it."""
        for host in ("amazonaws.com", "windows.net", "core.windows.net"):
            found = suffix_within(host)
            assert found is not None
            self.assertTrue(found.endswith(f".{host}"), found)
            self.assertEqual(public_suffix(found), found)
            self.assertNotEqual(public_suffix(host), host)

    def test_none(self) -> None:
        """Owned names, exceptions of the list and names of private networks have none."""
        for host in ("example.com", "a.s3.amazonaws.com", "city.kobe.jp", "corp", "localhost"):
            self.assertIsNone(suffix_within(host), host)
