"""The grammar of Host values, and the rules for serving them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadValue
from corsgate.message.host import HostRules, HostValue, is_loopback_name, parse_host

GOOD = (
    (b"example.com", b"example.com", None),
    (b"Example.COM.", b"example.com", None),
    (b"example.com.:80", b"example.com", 80),
    (b"a_b-c.d~e", b"a_b-c.d~e", None),
    (b"localhost:5555", b"localhost", 5555),
    (b"localhost:", b"localhost", None),
    (b"x:65535", b"x", 65535),
    (b"127.0.0.1", b"127.0.0.1", None),
    (b"[::1]:8443", b"::1", 8443),
    (b"[0:0:0:0:0:0:0:1]", b"::1", None),
    (b"[2001:DB8::A]", b"2001:db8::a", None),
    (b"[::ffff:10.0.0.1]", b"::ffff:a00:1", None),
)
BAD = (
    b"",
    b" ",
    b".",
    b":80",
    b"a b",
    b"a\tb",
    b"a\n",
    b"a,b",
    b"a, b",
    b"user@host",
    b"user:pass@host",
    b"a..b",
    b".a",
    b"a..",
    b"a:0",
    b"a:65536",
    b"a:-1",
    b"a:+1",
    b"a:1:2",
    b"a:000080",
    b"a/b",
    b"a?b",
    b"a#b",
    b"a\\b",
    b"a%41",
    b"a;b",
    b'a"b',
    b"::1",
    b"[::1",
    b"::1]",
    b"[]",
    b"[::1%25eth0]",
    b"[::1%eth0]",
    b"[v1.x]",
    b"[1.2.3.4]",
    b"[::1]x",
    b"\xe9.com",
    b"a" * 300,
)


class ParseTests(SynchronousTestCase):
    def test_takes_apart(self) -> None:
        """Names, IPv4 and bracketed IPv6 addresses are normalized."""
        for value, name, port in GOOD:
            self.assertEqual(parse_host(value), HostValue(name, port), value)

    def test_refuses(self) -> None:
        """User info, white space, lists, escapes, zones and bad ports are rejected."""
        for value in BAD:
            self.assertIsNone(parse_host(value), value)

    @given(st.binary(max_size=40) | st.text("aZ.:[]1f-@, %", max_size=12).map(str.encode))
    def test_parse_undoes_print(self, value: bytes) -> None:
        """An accepted value is parsed again to the same result; nothing raises."""
        host = parse_host(value)
        if host is None:
            return
        name = b"[" + host.name + b"]" if b":" in host.name else host.name
        printed = name if host.port is None else b"%b:%d" % (name, host.port)
        self.assertEqual(parse_host(printed), host)


class LoopbackNameTests(SynchronousTestCase):
    def test_loopback(self) -> None:
        """Loopback names and addresses are recognized."""
        for name in (b"localhost", b"app.localhost", b"127.0.0.1", b"127.255.0.9", b"::1"):
            self.assertTrue(is_loopback_name(name), name)

    def test_others(self) -> None:
        """Names that only look like loopback are not."""
        for name in (
            b"127.example.com",
            b"127.0.0.1.example.com",
            b"127.1",
            b"127.0.0.01",
            b"localhost.example.com",
            b"notlocalhost",
            b"128.0.0.1",
            b"0.0.0.0",
            b"::2",
        ):
            self.assertFalse(is_loopback_name(name), name)


class RulesTests(SynchronousTestCase):
    def check(
        self, rules: HostRules, served: tuple[bytes, ...], refused: tuple[bytes, ...]
    ) -> None:
        """Assert which Host values the rules allow."""
        for value in served:
            self.assertTrue(rules.allows(value), value)
        for value in refused:
            self.assertFalse(rules.allows(value), value)

    def test_loopback_default(self) -> None:
        """By default a loopback listener serves loopback names on any port, and no other."""
        self.check(
            HostRules.build(None, loopback=True),
            (b"localhost", b"LOCALHOST:1", b"a.localhost.:5", b"127.0.0.9:80", b"[::1]:5555"),
            (b"example.com", b"127.example.com", b"10.0.0.1", b"[::2]", b"", b"a@localhost"),
        )

    def test_open_default(self) -> None:
        """By default any other listener serves every valid Host."""
        self.check(
            HostRules.build(None, loopback=False),
            (b"example.com", b"10.0.0.1:99", b"localhost"),
            (b"a b", b"a,b", b"u@h"),
        )

    def test_no_host(self) -> None:
        """A request without a host, as of health checkers, is served if all hosts are."""
        self.assertTrue(HostRules.build(None, loopback=False).allows(b""))
        for hosts in (["example.com"], ["*.example.com"], ["example.com:80"], []):
            self.assertFalse(HostRules.build(hosts, loopback=False).allows(b""), hosts)

    def test_name(self) -> None:
        """A name covers itself on any port, in any case."""
        self.check(
            HostRules.build(["Api.Example.com"], loopback=True),
            (b"api.example.com", b"API.example.com.:1"),
            (b"example.com", b"x.api.example.com", b"localhost"),
        )

    def test_name_with_port(self) -> None:
        """A name with a port covers only that port."""
        self.check(
            HostRules.build(["localhost:5555", "[::1]:5555"], loopback=True),
            (b"localhost:5555", b"[0::1]:5555"),
            (b"localhost", b"localhost:5556", b"127.0.0.1:5555", b"[::1]"),
        )

    def test_default_ports(self) -> None:
        """A value without a port has the default port of either scheme."""
        for entry in ("example.com:443", "example.com:80"):
            rules = HostRules.build([entry], loopback=False)
            self.assertTrue(rules.allows(b"example.com"), entry)
        self.assertFalse(rules.allows(b"example.com:443"))

    def test_subdomains(self) -> None:
        """A wildcard covers all subdomains, but not the name or a name with the same ending."""
        self.check(
            HostRules.build(["*.example.com"], loopback=False),
            (b"a.example.com", b"B.a.Example.com:9"),
            (b"example.com", b"badexample.com", b"a.example.com.evil", b".example.com"),
        )

    def test_none_listed(self) -> None:
        """An empty list serves nothing."""
        self.assertFalse(HostRules.build([], loopback=True).allows(b"localhost"))

    def test_refuses_other_forms(self) -> None:
        """An entry of an unknown form is a fault, and the message shows it."""
        for entry in ("", "*", "*.", "*.a:80", "a.*", "http://a", "a b", "::1", "é.com"):
            with self.assertRaises(BadValue, msg=entry) as caught:
                HostRules.build([entry], loopback=True)
            self.assertIn(f'"{entry}"', caught.exception.problem)
