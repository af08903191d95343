"""Hosts of origins and patterns; `tests.cors.test_origin` has the whole entries."""

from __future__ import annotations

from ipaddress import IPv6Address

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cors.origin_host import check_host, ip_text
from corsgate.errors import BadValue


class HostTests(SynchronousTestCase):
    """`check_host` and `ip_text`."""

    def test_star(self) -> None:
        """It may be once, within a label that is not the last, and not below another star."""
        for host, subdomains, is_fine in (
            ("a*.b", False, True),
            ("*a.b", False, True),
            ("x.a*a.b.c", False, True),
            ("a.b", True, True),
            ("a*.b", True, False),
            ("*.b", False, False),
            ("x.*.b", False, False),
            ("a*b*.c", False, False),
            ("a*.b*.c", False, False),
            ("a*", False, False),
            ("x.a*", False, False),
            ("10.0.1*.1", False, False),
            ("[::*]", False, False),
            (("a" * 62) + "*.b", False, True),
            (("a" * 63) + "*.b", False, False),
        ):
            try:
                check_host("https://" + host, "https", host, subdomains)
            except BadValue:
                self.assertFalse(is_fine, host)
            else:
                self.assertTrue(is_fine, host)

    def test_opaque_hosts(self) -> None:
        """Only web origins have IP addresses and Punycode in one form."""
        for host in ("1.2", "xn--a"):
            check_host(f"app://{host}", "app", host, False)
            with self.assertRaises(BadValue):
                check_host(f"http://{host}", "http", host, False)

    def test_addresses(self) -> None:
        """An address is in its shortest form; a mapped one is the IPv4 address."""
        for address, text in (
            ("0:0:0:0:0:0:0:1", "[::1]"),
            ("2001:db8:0:0:1::1", "[2001:db8::1:0:0:1]"),
            ("::ffff:127.0.0.1", "127.0.0.1"),
        ):
            self.assertEqual(ip_text(IPv6Address(address)), text)
