"""Tests of `corsgate.config.model.rules`: hosts, ports, paths and prefixes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from corsgate.config.model import rules
from corsgate.errors import BadValue
from tests.config.support import TableTestCase, fault_of

_ASK = "write a host name or an IP address"


class HostTests(TableTestCase):
    """Hosts, in the one form that is compared."""

    def test_normal_form(self) -> None:
        """Names are lower-cased; an IPv6 address is shortened and keeps its brackets or none."""
        for text, normal in {
            "EXAMPLE.com": "example.com",
            "0:0::1": "::1",
            "[0:0::1]": "[::1]",
            "FD00::A": "fd00::a",
            "[not]": "[not]",
        }.items():
            self.assertEqual(rules.normal_host(text), normal)

    @given(st.one_of(st.text(), st.ip_addresses().map(str)))
    def test_normal_form_is_final(self, text: str) -> None:
        """To normalize twice is to normalize once."""
        once = rules.normal_host(text)
        self.assertEqual(rules.normal_host(once), once)

    def test_hosts(self) -> None:
        """A name with underscores, or an address; the last label decides which it must be."""
        good = ["a", "a_b.c-d", "1.2.3.4", "::1", "xn--bcher-kva.example", "4.example"]
        bad = {
            "": f'"" is not a host name; {_ASK}',
            "A": f'"A" is not a host name; {_ASK}',
            "a b": f'"a b" is not a host name; {_ASK}',
            "-a": f'"-a" is not a host name; {_ASK}',
            "a..b": f'"a..b" is not a host name; {_ASK}',
            "a.": f'"a." is not a host name; {_ASK}',
            "bücher.example": '"bücher.example" is not an ASCII host name; write its "xn--" form',
            "1.2.3": '"1.2.3" is not an IPv4 address; write four numbers',
            "1.2.3.256": '"1.2.3.256" is not an IPv4 address; write four numbers',
            "::g": f'"::g" is not an IPv6 address; {_ASK}',
            "fe80::1%eth0": '"fe80::1%eth0" has a zone; remove the "%" and everything after it',
        }
        self.assert_checked(rules.check_host, good, bad)

    def test_length(self) -> None:
        """A name has at most 253 characters, and a label 63 (RFC 1035 2.3.4)."""
        label = "a" * 63
        self.assert_checked(rules.check_host, [".".join([label] * 3 + ["a" * 61]), label], {})
        for text in (".".join([label] * 3 + ["a" * 62]), "a" * 64):
            self.assertIn("is not a host name", fault_of(rules.check_host, text))

    def test_bracketed(self) -> None:
        """As in Host: an IPv6 address needs brackets, and a port has no place."""
        bad = {
            "a:80": '"a:80" has a port; write "a"',
            "admin:pass:h": "it has too many colons; write an IPv6 address in brackets",
            "::1": '"::1" has too many colons; write an IPv6 address in brackets',
            "[::1": f'"[::1" is not an IPv6 address; {_ASK}',
            "[a]": f'"a" is not an IPv6 address; {_ASK}',
        }
        self.assert_checked(rules.check_bracketed_host, ["a", "1.2.3.4", "[::1]"], bad)

    def test_served(self) -> None:
        """A name, a name with a port, or all names below one; never any host at all."""
        bad = {
            "*": '"*" serves any host; list the names that clients use',
            "http://a:1/b": '"http://a:1/b" is a URL; write "a:1"',
            "*.a:80": '"a:80" has a port; write "a"',
            "a:0": '"a:0" has a bad port; write a port from 1 to 65535',
            "a*b": f'"a*b" is not a host name; {_ASK}',
            "*.": f'"" is not a host name; {_ASK}',
        }
        good = ["a", "a:80", "[::1]:80", "[::1]", "*.a.example"]
        self.assert_checked(rules.check_served_host, good, bad)

    def test_ports(self) -> None:
        """1 to 65535 in ASCII digits; the message shows the whole that it was part of."""
        self.assert_checked(rules.check_port, [("1", "a:1"), ("65535", "a")], {})
        for port in ("0", "65536", "", "x", "-1", "+1", "1_0", "\u0661", "000080"):
            fault = fault_of(rules.check_port, port, "whole")
            self.assertEqual(fault, '"whole" has a bad port; write a port from 1 to 65535')

    def test_splits_at_the_port(self) -> None:
        """Brackets stay with the host; an empty port is one, and none is None."""
        for text, parts in {
            "a": ("a", None),
            "a:": ("a", ""),
            "a:80": ("a", "80"),
            "[::1]": ("[::1]", None),
            "[::1]:80": ("[::1]", "80"),
            "[::1]x": ("[::1]x", None),
        }.items():
            self.assertEqual(rules.split_port(text), parts)
        self.assertRaises(BadValue, rules.split_port, "::1")


class PathTests(TableTestCase):
    """Paths of servers, sockets and routes."""

    def test_base_paths(self) -> None:
        """What is put before a request's path can't move it elsewhere."""
        good = ["", "/a", "/a/b", "/%C3%A9", "/...", "/a.b"]
        leads = "has a dot segment; write the path that it leads to"
        form = 'is not a base path; write "/base", without a "/" at its end'
        unsafe = "contains characters that are not allowed in a URL; percent-encode them as UTF-8"
        bad = {
            "a": f'"a" {form}',
            "/": f'"/" {form}',
            "/a/": f'"/a/" {form}',
            "/a b": f'"/a b" {unsafe}',
            "/a?b": f'"/a?b" {unsafe}',
            "/%zz": f'"/%zz" {unsafe}',
            "//a": '"//a" has an empty segment; write one "/" only',
            "/..": f'"/.." {leads}',
            "/a/%2E%2e/b": f'"/a/%2E%2e/b" {leads}',
            "/./a": f'"/./a" {leads}',
        }
        self.assert_checked(rules.check_base_path, good, bad)

    def test_prefixes(self) -> None:
        """Whole decoded segments; the fix names the prefix that was probably meant."""
        good = ["/", "/v1", "/a/b", "/é", "/a;b", "/...", "/a*"]
        leads = "has a dot segment; write the path that it leads to"
        bad = {
            "": '"" does not start with a slash; write "/"',
            "v1": '"v1" does not start with a slash; write "/v1"',
            "/v1/": '"/v1/" ends with "/"; write "/v1", which matches /v1 and everything below',
            "/v1/*": '"/v1/*" ends with "/*"; write "/v1", which matches /v1 and everything below',
            "/*": '"/*" ends with "/*"; write "/", which matches everything',
            "/a?b": '"/a?b" has a query or fragment; write "/a"',
            "/#b": '"/#b" has a query or fragment; write "/"',
            "/%61": '"/%61" has a percent-escape; write it decoded',
            "/a\\b": r'"/a\b" has a backslash; write "/" between segments',
            "/a//b": '"/a//b" has an empty segment; write one "/" only',
            "/a/../b": f'"/a/../b" {leads}',
            "/..;x": f'"/..;x" {leads}',
        }
        self.assert_checked(rules.check_prefix, good, bad)
        self.assertIn("contains control characters", fault_of(rules.check_prefix, "/a\n"))

    def test_sockets(self) -> None:
        """An absolute ASCII path that fits into a socket's address (unix(7))."""
        longest = "/" + "a" * (rules.MAX_SOCKET_PATH_BYTES - 1)
        bad = {
            "app.sock": '"app.sock" is not an absolute path; write "/run/app.sock"',
            "/é": '"/é" is not ASCII; give the socket another name',
            "": "it is empty; write a value or remove the key",
        }
        self.assert_checked(rules.check_socket_path, ["/a", longest], bad)
        self.assertIn("is too long", fault_of(rules.check_socket_path, longest + "a"))

    def test_pem(self) -> None:
        """A file that has a certificate in it; a key alone is none, and is never shown."""
        good = b"text\n-----BEGIN CERTIFICATE-----\n"
        self.assert_checked(rules.check_pem, [good], {})
        key = b"-----BEGIN PRIVATE KEY-----\nhunter2\n"
        fault = fault_of(rules.check_pem, key)
        self.assertIn("it contains no certificate", fault)
        self.assertNotIn("hunter2", fault)
