"""The fields that describe the client to an upstream, and the client in the log."""

from __future__ import annotations

from ipaddress import ip_network

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.forwarded import (
    UNKNOWN,
    client_address,
    forwarded,
    only_listed,
    reached_by,
    told_hosts,
    trusted,
)
from corsgate.message.headers import HeaderList, index_headers
from corsgate.message.host import parse_host
from corsgate.message.identity import CLIENT_FIELDS

NETWORKS = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
PIECES = (
    "for=",
    "a",
    '"',
    "\\",
    ";",
    ",",
    " ",
    "=",
    "10.0.0.9",
    "[fd00::1]",
    "proto=https",
    "\xe9",
)
VALUES = st.lists(st.sampled_from(PIECES), max_size=10).map(lambda p: "".join(p).encode("latin-1"))


def told(
    headers: HeaderList,
    *,
    peer: str = "10.0.0.1",
    scheme: bytes = b"http",
    host: bytes = b"gate:5555",
    believed: bool = True,
    prefix: bytes = b"",
) -> HeaderList:
    """Return the fields, by default for a trusted proxy over plain http."""
    return forwarded(headers, peer=peer, scheme=scheme, host=host, trusted=believed, prefix=prefix)


def told_by_name(headers: HeaderList) -> dict[bytes, bytes]:
    """Return the fields for a trusted proxy by lower-cased name, none of them repeated."""
    index = index_headers(told(headers))
    assert all(len(values) == 1 for values in index.values())
    return {name: values[0] for name, values in index.items()}


class UntrustedTests(SynchronousTestCase):
    def test_fields(self) -> None:
        """The upstream gets peer, scheme and Host."""
        self.assertEqual(
            told([], peer="192.0.2.7", scheme=b"https", host=b"gate.example", believed=False),
            [
                (b"Forwarded", b"for=192.0.2.7;host=gate.example;proto=https"),
                (b"X-Forwarded-For", b"192.0.2.7"),
                (b"X-Forwarded-Proto", b"https"),
                (b"X-Forwarded-Host", b"gate.example"),
            ],
        )

    def test_nothing_is_believed(self) -> None:
        """The client's own fields change nothing."""
        spoofed: HeaderList = [(name, b"10.9.9.9") for name in sorted(CLIENT_FIELDS)]
        self.assertEqual(told(spoofed, believed=False), told([], believed=False))

    def test_quotes(self) -> None:
        """An IPv6 address and a Host with a port are not tokens, so they are quoted."""
        fields = dict(told([], peer="2001:DB8::1", host=b"[::1]:80", believed=False))
        self.assertEqual(fields[b"Forwarded"], b'for="[2001:db8::1]";host="[::1]:80";proto=http')
        self.assertEqual(fields[b"X-Forwarded-For"], b"2001:db8::1")

    def test_escapes(self) -> None:
        """No Host can end its quoted string."""
        fields = dict(told([], peer="192.0.2.7", host=b'a"\\;for=x', believed=False))
        self.assertEqual(fields[b"Forwarded"], b'for=192.0.2.7;host="a\\"\\\\;for=x";proto=http')

    def test_zone_and_mapped_address(self) -> None:
        """A zone is dropped, and a mapped IPv4 address becomes an IPv4 address."""
        for peer, expected in ((("fe80::1%eth0"), b"fe80::1"), ("::ffff:192.0.2.7", b"192.0.2.7")):
            fields = dict(told([], peer=peer, believed=False))
            self.assertEqual(fields[b"X-Forwarded-For"], expected)

    def test_no_address_no_host(self) -> None:
        """Without an address the peer is unknown; without a Host none is sent."""
        self.assertEqual(
            told([], peer=UNKNOWN, host=b"", believed=False),
            [
                (b"Forwarded", b"for=unknown;proto=http"),
                (b"X-Forwarded-For", b"unknown"),
                (b"X-Forwarded-Proto", b"http"),
            ],
        )


class TrustedTests(SynchronousTestCase):
    def test_appends(self) -> None:
        """The peer is appended to X-Forwarded-For; Proto and Host are kept."""
        fields = told_by_name(
            [
                (b"x-forwarded-for", b"192.0.2.7"),
                (b"X-Forwarded-For", b"10.0.0.9"),
                (b"X-Forwarded-Proto", b"https"),
                (b"X-Forwarded-Host", b"shop.example"),
            ]
        )
        self.assertEqual(fields[b"x-forwarded-for"], b"192.0.2.7, 10.0.0.9, 10.0.0.1")
        self.assertEqual(fields[b"x-forwarded-proto"], b"https")
        self.assertEqual(fields[b"x-forwarded-host"], b"shop.example")
        self.assertEqual(
            fields[b"forwarded"],
            b"for=192.0.2.7;host=shop.example;proto=https, for=10.0.0.9, "
            b'for=10.0.0.1;host="gate:5555";proto=http',
        )

    def test_appends_to_forwarded(self) -> None:
        """A Forwarded that agrees is kept and extended."""
        for extra in ([], [(b"X-Forwarded-For", b"2001:db8::1, 10.0.0.9")]):
            fields = told_by_name(
                [
                    (b"Forwarded", b'For="[2001:db8::1]:99";proto=https;host="a:1";by=_x'),
                    (b"Forwarded", b'for=10.0.0.9;secret="a\\",b"'),
                    *extra,
                ]
            )
            self.assertEqual(
                fields[b"forwarded"],
                b'For="[2001:db8::1]:99";proto=https;host="a:1";by=_x, '
                b'for=10.0.0.9;secret="a\\",b", for=10.0.0.1;host="gate:5555";proto=http',
            )
            self.assertEqual(fields[b"x-forwarded-for"], b"2001:db8::1, 10.0.0.9, 10.0.0.1")
            self.assertEqual(fields[b"x-forwarded-proto"], b"https")
            self.assertEqual(fields[b"x-forwarded-host"], b"a:1")

    def test_contradiction(self) -> None:
        """A Forwarded that contradicts X-Forwarded-For came from the client and is rebuilt."""
        fields = told_by_name(
            [(b"Forwarded", b"for=127.0.0.1;proto=https"), (b"X-Forwarded-For", b"192.0.2.7")]
        )
        self.assertEqual(
            fields[b"forwarded"],
            b'for=192.0.2.7;host="gate:5555";proto=http, for=10.0.0.1;host="gate:5555";proto=http',
        )
        self.assertEqual(fields[b"x-forwarded-proto"], b"http")

    def test_malformed(self) -> None:
        """A malformed Forwarded is not passed on."""
        for value in (b"for", b'for="x', b"for=a b", b"=x", b"for=a;;=,", b'for="a"b', b""):
            fields = told_by_name([(b"Forwarded", value)])
            self.assertEqual(
                fields[b"forwarded"], b'for=10.0.0.1;host="gate:5555";proto=http', value
            )

    def test_first_proxy_without_a_chain(self) -> None:
        """If only the scheme is reported, the peer is the client that used it."""
        fields = told_by_name([(b"X-Forwarded-Proto", b"https")])
        self.assertEqual(fields[b"forwarded"], b'for=10.0.0.1;host="gate:5555";proto=https')
        self.assertEqual(fields[b"x-forwarded-proto"], b"https")

    def test_prefix(self) -> None:
        """What is stripped here stands behind what the proxies have stripped, as one path."""
        name = b"X-Forwarded-Prefix"
        for theirs, wanted in (
            ([], b"/v1"),
            ([b"/api"], b"/api/v1"),
            ([b"/api/"], b"/api/v1"),
            ([b"/"], b"/v1"),
            ([b"/outer, /inner"], b"/outer/inner/v1"),
            ([b"/outer", b"/inner/a"], b"/outer/inner/a/v1"),
            ([b"//evil.example"], b"/v1"),
            ([b"/a//b"], b"/v1"),
            ([b"https://evil.example"], b"/v1"),
            ([b"/a\\b"], b"/v1"),
            ([b"evil"], b"/v1"),
        ):
            fields = told([(name, value) for value in theirs], prefix=b"/v1")
            self.assertEqual([v for n, v in fields if n == name], [wanted], theirs)
        self.assertIn((name, b"/api"), told([(name, b"/api")]))

    def test_prefix_of_a_client(self) -> None:
        """A client's own prefix counts for nothing."""
        fields = told([(b"X-Forwarded-Prefix", b"/evil")], believed=False, prefix=b"/v1")
        self.assertIn((b"X-Forwarded-Prefix", b"/v1"), fields)
        self.assertNotIn(b"/evil", [value for _, value in fields])
        self.assertNotIn(b"x-forwarded-prefix", index_headers(told([], believed=False)))

    def test_only_listed(self) -> None:
        """Of Forwarded and X-Forwarded-*, only the listed ones are sent; others stay."""
        sent: HeaderList = [(b"X-Real-IP", b"192.0.2.7"), (b"X-Forwarded-Port", b"443")]
        fields = told(sent, prefix=b"/v1")
        for listed, wanted in (
            (frozenset[bytes](), [b"X-Real-IP"]),
            (frozenset((b"forwarded",)), [b"X-Real-IP", b"Forwarded"]),
            (
                frozenset((b"x-forwarded-for", b"x-forwarded-prefix")),
                [b"X-Real-IP", b"X-Forwarded-Prefix", b"X-Forwarded-For"],
            ),
        ):
            self.assertEqual([name for name, _ in only_listed(fields, listed)], wanted)

    def test_other_fields_are_kept(self) -> None:
        """A trusted proxy's other fields about the client are passed on."""
        headers: HeaderList = [(b"X-Real-IP", b"192.0.2.7"), (b"Accept", b"*/*")]
        headers.append((b"x-forwarded-port", b"443"))
        fields = told(headers)
        self.assertEqual(fields[:2], [headers[0], headers[2]])
        self.assertNotIn(headers[1], fields)

    def test_empty_members(self) -> None:
        """An X-Forwarded-For of only commas counts as missing."""
        fields = told_by_name([(b"X-Forwarded-For", b","), (b"Forwarded", b"for=192.0.2.7")])
        self.assertEqual(fields[b"x-forwarded-for"], b"192.0.2.7, 10.0.0.1")

    @given(VALUES, VALUES)
    @settings(max_examples=200)
    def test_ends_with_the_peer(self, forwarded_value: bytes, chain: bytes) -> None:
        """Both lists always end with the peer, and can be parsed again to the same result."""
        fields = told([(b"Forwarded", forwarded_value), (b"X-Forwarded-For", chain)])
        index = index_headers(fields)
        self.assertTrue(index[b"x-forwarded-for"][0].endswith(b"10.0.0.1"))
        ours = b'for=10.0.0.1;host="gate:5555";proto=http'
        self.assertTrue(index[b"forwarded"][0].endswith(ours))
        again = index_headers(told(fields))
        self.assertEqual(again[b"forwarded"][0], index[b"forwarded"][0] + b", " + ours)


class TrustTests(SynchronousTestCase):
    def test_trusted(self) -> None:
        """A peer in one of the networks is trusted, in any form of its address."""
        for peer in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "fd00::1%eth0"):
            self.assertTrue(trusted(peer, NETWORKS), peer)

    def test_untrusted(self) -> None:
        """Other peers, and those without an address, are not trusted."""
        for peer in ("192.0.2.7", "::1", "fe80::1", UNKNOWN, ""):
            self.assertFalse(trusted(peer, NETWORKS), peer)
        self.assertFalse(trusted("10.1.2.3", ()))


class ClientAddressTests(SynchronousTestCase):
    def check(self, chain: bytes, expected: str) -> None:
        """Assert the client's address for values of X-Forwarded-For of a trusted proxy."""
        headers = [(b"X-Forwarded-For", chain)]
        self.assertEqual(client_address(headers, "10.0.0.1", NETWORKS), expected, chain)

    def test_untrusted_peer(self) -> None:
        """An untrusted peer is the client, with any fields."""
        headers = [(b"X-Forwarded-For", b"198.51.100.1")]
        for networks in (NETWORKS, ()):
            self.assertEqual(client_address(headers, "192.0.2.7", networks), "192.0.2.7")
        self.assertEqual(client_address(headers, UNKNOWN, NETWORKS), UNKNOWN)

    def test_walks_past_trusted_proxies(self) -> None:
        """The nearest untrusted address is the client's; those further left may be spoofed."""
        self.check(b"198.51.100.1, 192.0.2.7, 10.0.0.9, fd00::2", "192.0.2.7")
        self.check(b"192.0.2.7:4711", "192.0.2.7")
        self.check(b"[2001:db8::1]:4711", "2001:db8::1")
        self.check(b"::ffff:10.0.0.9", "10.0.0.9")

    def test_all_trusted(self) -> None:
        """If all are trusted, the farthest is the client."""
        self.check(b"10.0.0.7, 10.0.0.8", "10.0.0.7")
        self.check(b"", "10.0.0.1")

    def test_no_address(self) -> None:
        """A node that is not an address ends the search and never gets into the log."""
        for chain in (
            b"192.0.2.7, unknown",
            b"<script>",
            b'192.0.2.7, "',
            b"1.2.3",
            b"[::1",
            b"a:b:c",
        ):
            self.check(chain, "10.0.0.1")
        self.check(b"192.0.2.7, _hidden, 10.0.0.9", "10.0.0.9")

    def test_forwarded(self) -> None:
        """Forwarded is read if there is no X-Forwarded-For."""
        headers = [(b"Forwarded", b'for=198.51.100.1, for="[2001:db8::1]:9", for=10.0.0.9')]
        self.assertEqual(client_address(headers, "10.0.0.1", NETWORKS), "2001:db8::1")

    def test_what_stands_left(self) -> None:
        """Only the proxies' own entries are read, however many a client put before them."""
        for junk in (b"," * 30_000, b"1.1.1.1," * 4000, b"x" * 30_000 + b",", b" ," * 15_000):
            self.check(junk + b" 192.0.2.7, 10.0.0.9", "192.0.2.7")
            headers: HeaderList = [(b"X-Forwarded-For", junk), (b"X-Forwarded-For", b"192.0.2.7")]
            self.assertEqual(client_address(headers, "10.0.0.1", NETWORKS), "192.0.2.7")
            self.assertLess(sum(map(len, told_by_name(headers).values())), 5000)
        for junk in (b"," * 30_000, b"for=1.1.1.1," * 2000, b'for="x";by=a,' * 2000):
            headers = [(b"Forwarded", junk + b"for=192.0.2.7, for=10.0.0.9")]
            self.assertEqual(client_address(headers, "10.0.0.1", NETWORKS), "192.0.2.7")

    def test_a_long_chain(self) -> None:
        """Only the nearest nodes of a very long chain are read."""
        chain = b"192.0.2.7" + b", 10.0.0.9" * 1000
        self.check(chain, "10.0.0.9")
        self.assertLess(len(told_by_name([(b"X-Forwarded-For", chain)])[b"forwarded"]), 2000)


class ReachedByTests(SynchronousTestCase):
    def test_told(self) -> None:
        """Scheme and host are the outermost that a trusted proxy reports, in either form."""
        cases: list[tuple[list[tuple[bytes, bytes]], tuple[bytes, bytes]]] = [
            ([], (b"http", b"gate:5555")),
            ([(b"X-Forwarded-Proto", b"HTTPS")], (b"https", b"gate:5555")),
            ([(b"X-Forwarded-Host", b"a.example, b.example")], (b"http", b"a.example")),
            (
                [(b"Forwarded", b"for=192.0.2.1;proto=https;host=a.example")],
                (b"https", b"a.example"),
            ),
            ([(b"X-Forwarded-Proto", b"gopher")], (b"http", b"gate:5555")),
            ([(b"Forwarded", b"proto=;;host")], (b"http", b"gate:5555")),
            ([(b"X-Forwarded-Host", b"evil.com/%0d<x>")], (b"http", b"gate:5555")),
            ([(b"Forwarded", b'for=a;host="evil.com#"')], (b"http", b"gate:5555")),
        ]
        for headers, expected in cases:
            with self.subTest(headers=headers):
                self.assertEqual(reached_by(headers, b"http", b"gate:5555"), expected)


class ToldHostTests(SynchronousTestCase):
    """`told_hosts`."""

    HOSTS = st.lists(
        st.sampled_from(("host=", "HOST=", "for=", "a.example", "b.example", *'",; =\\')),
        max_size=9,
    ).map(lambda pieces: "".join(pieces).encode("latin-1"))

    @settings(max_examples=300)
    @given(HOSTS, HOSTS, st.sampled_from((None, b"a.example", b"10.0.0.9")))
    def test_nothing_else_is_believed(
        self, forwarded_value: bytes, listed: bytes, node: bytes | None
    ) -> None:
        """No other host of a proxy's fields is trusted or passed on."""
        headers = [(b"Forwarded", forwarded_value), (b"X-Forwarded-Host", listed)]
        headers += [(b"X-Forwarded-For", node)] if node is not None else []
        known = {host.lower() for host in [*told_hosts(index_headers(headers)), b"gate:5555"]}
        self.assertIn(reached_by(headers, b"http", b"gate:5555")[1].lower(), known)
        passed_on = told_hosts(index_headers(told(headers)))
        self.assertLessEqual({host.lower() for host in passed_on}, known)

    def test_too_long(self) -> None:
        """A list that is too long to split yields an invalid value, since it may be passed on."""
        headers = [(b"X-Forwarded-Host", b"a.example," * 1000)]
        (host,) = told_hosts(index_headers(headers))
        self.assertIsNone(parse_host(host))
