"""A server's addresses are mapped to the gate's, and nothing else is."""

from __future__ import annotations

import attrs
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Server
from corsgate.message.uri_mapping import (
    MAX_REFERENCE_BYTES,
    Mount,
    endpoint,
    parse_origin,
    show_endpoint,
)
from tests.message.mounts import BASED, BOTH, BOX, GATE, NAMELESS, PLAIN, STRIPPED, Mounted

PIECES = ("/", "//", "\\", "..", ".", "%2e", "api", "v1", "x", "evil.com", "?", "#", ":", "\t", "@")
REFERENCES = st.lists(st.sampled_from(PIECES), max_size=8).map(lambda p: "".join(p).encode())
PATHS = st.lists(
    st.sampled_from(("/a", "/b%2Fc", "/", "/v1", "/api", "?q=/", "#f")), max_size=5
).map(lambda pieces: "/" + "".join(pieces).lstrip("/"))


class NamelessTests(SynchronousTestCase):
    def test_location(self) -> None:
        """If the gate's origin is unknown, a URL becomes a path, and never another host."""
        for value, mapped in (
            (b"http://box:8000/a", b"/a"),
            (b"http://box:8000//evil.example/a", b"/.//evil.example/a"),
            (b"http://evil.example/", b"http://evil.example/"),
        ):
            self.assertEqual(NAMELESS.location(value), mapped)
        based = attrs.evolve(BASED, gate_origin=b"")
        self.assertEqual(based.location(b"/api//evil.example"), b"/.//evil.example")


class LocationTests(SynchronousTestCase):
    def check(self, mount: Mounted, *cases: tuple[bytes, bytes]) -> None:
        """Assert how a mount maps values (before, after)."""
        for value, expected in cases:
            self.assertEqual(mount.location(value), expected, value)

    def test_own_url(self) -> None:
        """A URL of the server becomes the gate's; everything after the authority is unchanged."""
        self.check(
            PLAIN,
            (b"http://box:8000/a%2Fb;c?d#e", GATE + b"/a%2Fb;c?d#e"),
            (b"HTTP://BOX.:8000/A", GATE + b"/A"),
            (b"http://box:8000//x/../y", GATE + b"//x/../y"),
            (b"http://box:8000", GATE + b"/"),
            (b"http://box:8000?q=/", GATE + b"/?q=/"),
            (b"http://box:8000#f", GATE + b"/#f"),
            (b"//box:8000/x", GATE + b"/x"),
        )

    def test_default_ports(self) -> None:
        """A scheme's default port may be written or not."""
        server = Server(scheme="https", host="box", port=443)
        mount = Mounted(server=server, sent_host=b"box")
        for url in (b"https://box/x", b"https://box:443/x", b"https://box:/x", b"//box/x"):
            self.assertEqual(mount.location(url), GATE + b"/x")
        ipv6 = Mounted(
            server=Server(scheme="http", host="fd00::1", port=80), sent_host=b"[fd00::1]"
        )
        self.assertEqual(ipv6.location(b"http://[FD00:0::1]:80/x"), GATE + b"/x")

    def test_sent_host(self) -> None:
        """A URL with the sent Host is the server's, in its scheme or the gate's."""
        mount = Mounted(sent_host=b"shop.example", gate_origin=b"https://shop.example")
        for url in (b"http://shop.example/x", b"https://shop.example/x", b"http://box:8000/x"):
            self.assertEqual(mount.location(url), b"https://shop.example/x")

    def test_https_instead(self) -> None:
        """Plain http that is sent to https by its server must not come back to plain http."""
        mount = Mounted(sent_host=b"shop.example", gate_origin=b"http://shop.example")
        self.check(mount, (b"https://shop.example/x", b"https://shop.example/x"))

    def test_untouched(self) -> None:
        """Other hosts, relative references and malformed values are unchanged."""
        for mount in (PLAIN, BASED, STRIPPED, BOTH):
            for value in (
                b"",
                b"http://other/x",
                b"http://box:8001/x",
                b"http://box:443/x",
                b"http://box:8000.evil.com/x",
                b"http://box:8000@evil.com/x",
                b"http://user@box:8000/x",
                b"http://box:8000\\x",
                b"ftp://box:8000/x",
                b"http:/x",
                b"http:x",
                b"//other/x",
                b"///box:8000/x",
                b"/\\box:8000/x",
                b"\\/x",
                b"x/y",
                b"./x",
                b"../x",
                b"?q",
                b"#f",
                b"/a\tb",
                b"http://box:8000/\x00",
            ):
                self.assertEqual(mount.location(value), value)

    def test_base_path(self) -> None:
        """The base path is removed; a path outside it can't be reached and is unchanged."""
        self.check(
            BASED,
            (b"/api/x?q", b"/x?q"),
            (b"/api", b"/"),
            (b"/api?q", b"/?q"),
            (b"/api/", b"/"),
            (b"http://box:8000/api/x", GATE + b"/x"),
            (b"http://box:8000/api", GATE + b"/"),
            (b"/apix", b"/apix"),
            (b"/other", b"/other"),
            (b"http://box:8000/other", b"http://box:8000/other"),
            (b"http://box:8000", b"http://box:8000"),
        )

    def test_stripped_prefix(self) -> None:
        """A prefix that was stripped is put back."""
        self.check(
            STRIPPED,
            (b"/x", b"/v1/x"),
            (b"/", b"/v1/"),
            (b"/v1/x", b"/v1/x"),
            (b"/v1x", b"/v1/v1x"),
            (b"http://box:8000?q", GATE + b"/v1?q"),
            (b"http://box:8000/", GATE + b"/v1/"),
        )

    def test_base_path_and_prefix(self) -> None:
        """The base path is removed before the prefix is added."""
        self.check(
            BOTH,
            (b"/api/x", b"/v1/x"),
            (b"/api", b"/v1"),
            (b"//box:8000/api//x", GATE + b"/v1//x"),
        )

    def test_open_redirect(self) -> None:
        """A path that would name another host without the base path gets the gate's origin."""
        self.check(
            BASED,
            (b"/api//evil.com/x", GATE + b"//evil.com/x"),
            (b"/api/\\evil.com", b"/api/\\evil.com".replace(b"/api", GATE)),
            (b"/api/.//evil.com", GATE + b"//evil.com"),
            (b"/api/x/..//evil.com", GATE + b"//evil.com"),
        )

    def test_dot_segments(self) -> None:
        """Dot segments are resolved first, so that no path leaves its base or prefix."""
        self.check(
            BOTH,
            (b"/api/a/../b", b"/v1/b"),
            (b"/api/a/.", b"/v1/a/"),
            (b"/api/a/%2E%2e?../q", b"/v1/?../q"),
            (b"/x/../api/b", b"/v1/b"),
            (b"/api/../other", b"/api/../other"),
            (b"/api\\..\\other", b"/api\\..\\other"),
            (b"/../../api/b", b"/v1/b"),
        )
        self.check(STRIPPED, (b"/../../other", b"/v1/other"))
        self.check(PLAIN, (b"/a/../b", b"/a/../b"))

    @given(REFERENCES, st.sampled_from((PLAIN, BASED, STRIPPED, BOTH)))
    @settings(max_examples=400)
    def test_never_makes_another_host(self, value: bytes, mount: Mounted) -> None:
        """A changed value is a path or URL of the gate, and never names another host."""
        answer = mount.location(value)
        if answer == value:
            return
        if answer.startswith(GATE):
            self.assertIn(answer[len(GATE) :][:1], (b"/", b"?", b"#"))
        else:
            self.assertTrue(answer.startswith(b"/"))
            self.assertFalse(answer.startswith((b"//", b"/\\")))

    @given(REFERENCES)
    @settings(max_examples=200)
    def test_stays_below_the_prefix(self, value: bytes) -> None:
        """A changed value on a stripped route leads back to that route."""
        answer = BOTH.location(value)
        if answer != value:
            path = answer.removeprefix(GATE)
            self.assertRegex(path, rb"\A/v1(?:[/?#]|\Z)")
            self.assertNotRegex(path, rb"\A[^?#]*[/\\](?:\.|%2e){1,2}(?:[/\\?#]|\Z)")


class NameTests(SynchronousTestCase):
    """By which names a server is known."""

    def check(self, mounted: Mounted, known: tuple[bytes, ...], unknown: tuple[bytes, ...]) -> None:
        """Assert which origins are the server's."""
        for origin in known:
            self.assertEqual(mounted.location(origin + b"/x"), GATE + b"/x", origin)
        for origin in unknown:
            self.assertEqual(mounted.location(origin + b"/x"), origin + b"/x", origin)

    def test_other_scheme_and_no_port(self) -> None:
        """A server's other scheme and its name without a port are the server."""
        self.check(
            PLAIN,
            (b"https://box:8000", b"https://box", b"http://box"),
            (b"http://box:8001", b"http://box:443", b"https://box:80", b"http://boxes"),
        )

    def test_foreign(self) -> None:
        """A server of another upstream is not assumed to be this one."""
        other = parse_origin(b"http://box")
        mount = Mount(is_foreign=lambda found: found == other)
        self.check(Mounted(mount=mount), (b"https://box",), (b"http://box",))

    def test_aliases(self) -> None:
        """What the server is said to call itself is the server, in that scheme only."""
        named = parse_origin(b"https://10.0.0.11")
        assert named is not None
        mount = Mount(aliases=frozenset((named,)))
        known = (b"https://10.0.0.11", b"https://10.0.0.11:443")
        self.check(Mounted(mount=mount), known, (b"http://10.0.0.11", b"https://10.0.0.12"))

    def test_discovered(self) -> None:
        """A server that DNS knows is known by its name and by its address."""
        server = Server(scheme="http", host="fd00::1", port=8000, name="box")
        self.check(Mounted(server=server), (b"http://box:8000", b"http://[fd00::1]:8000"), ())

    def test_other_servers(self) -> None:
        """Another server of the upstream is known as well, with its own base path."""
        other = Server(scheme="http", host="box2", port=8000, base_path="/two")
        mounted = attrs.evolve(BASED, mount=Mount(servers=lambda: (BASED.server, other)))
        for value, mapped in (
            (b"http://box2:8000/two/x", GATE + b"/x"),
            (b"http://box2:8000/api/x", b"http://box2:8000/api/x"),
            (b"http://box:8000/api/x", GATE + b"/x"),
        ):
            self.assertEqual(mounted.location(value), mapped)

    def test_gate(self) -> None:
        """A URL that a server built from X-Forwarded-Host gets the prefix, but never twice."""
        for value, mapped in (
            (GATE + b"/x", GATE + b"/v1/x"),
            (GATE + b"/v1/x", GATE + b"/v1/x"),
            (GATE + b"/v1", GATE + b"/v1"),
            (GATE, GATE + b"/v1"),
            (GATE + b"/", GATE + b"/v1/"),
            (b"http://localhost:5556/x", b"http://localhost:5556/x"),
        ):
            self.assertEqual(STRIPPED.location(value), mapped)
        secure = attrs.evolve(STRIPPED, gate_origin=b"https://shop.example")
        for value in (b"http://shop.example/x", b"https://shop.example:443/x"):
            self.assertEqual(secure.location(value), b"https://shop.example/v1/x")

    def test_prefix_before_the_base_path(self) -> None:
        """A server that put X-Forwarded-Prefix before its base path, or in its place, is right."""
        for origin in (b"", GATE):
            for value in (b"/v1/api/x", b"/v1/x", b"/api/x"):
                self.assertEqual(BOTH.location(origin + value), origin + b"/v1/x")

    def test_elsewhere_at_the_gate(self) -> None:
        """A URL of another route stays: the server was told where to return to."""
        mount = Mount(
            prefix=b"/v1",
            is_elsewhere=lambda host, path: (host, path) == (b"localhost:5555", b"/app/back"),
        )
        mounted = Mounted(mount=mount)
        self.assertEqual(mounted.location(GATE + b"/app/back?a"), GATE + b"/app/back?a")
        self.assertEqual(mounted.location(GATE + b"/app"), GATE + b"/v1/app")

    def test_to_https_at_the_gate(self) -> None:
        """A server that leads from http to https at the gate is not led back to http."""
        server = attrs.evolve(BOX, scheme="https")
        for mounted in (STRIPPED, attrs.evolve(STRIPPED, server=server)):
            secure = GATE.replace(b"http:", b"https:")
            self.assertEqual(mounted.location(secure + b"/x"), secure + b"/v1/x")

    def test_too_long(self) -> None:
        """A reference that is longer than any real one is unchanged."""
        for piece in (b"/.", b"/..", b"/a", b"\\"):
            value = (b"/" + piece * MAX_REFERENCE_BYTES)[: MAX_REFERENCE_BYTES + 1]
            self.assertEqual(STRIPPED.location(value), value)

    def test_moved_to(self) -> None:
        """A redirect to another of the server's names is told from one to the same name."""
        for value, moved in (
            (b"https://box/x", b"https://box"),
            (b"http://box/x", b"http://box"),
            (b"http://box:8000/x", None),
            (b"/x", None),
            (GATE + b"/x", None),
            (b"https://other/x", None),
            (b"https://box\x00/x", None),
        ):
            found = PLAIN.addresses.moved_to(value)
            self.assertEqual(found, None if moved is None else parse_origin(moved))
        # The leader of a cluster, to which a follower leads, may get the next request.
        leader = attrs.evolve(BOX, host="box2")
        cluster = Mounted(mount=Mount(servers=lambda: (BOX, leader)))
        self.assertIsNone(cluster.addresses.moved_to(b"http://box2:8000/x"))

    def test_endpoints(self) -> None:
        """An endpoint has the scheme's default port; it is shown without."""
        for scheme, authority, shown in (
            (b"http", b"Box", "http://box"),
            (b"https", b"box:443", "https://box"),
            (b"https", b"[::1]:80", "https://[::1]:80"),
        ):
            found = endpoint(scheme, authority)
            assert found is not None
            self.assertEqual(show_endpoint(found), shown)
        self.assertIsNone(endpoint(b"http", b"u@box"))
        self.assertIsNone(parse_origin(b"ftp://box"))


class Laws(SynchronousTestCase):
    """What holds for every address."""

    @given(REFERENCES, st.sampled_from((b"", b"http://box:8000", b"https://box", GATE, b"//box")))
    @settings(max_examples=400)
    def test_twice_is_once(self, rest: bytes, origin: bytes) -> None:
        """Mapping what is mapped changes nothing: a server may have done it itself."""
        for mounted in (PLAIN, STRIPPED):
            once = mounted.location(origin + rest)
            self.assertEqual(mounted.location(once), once)

    @given(PATHS, st.sampled_from(("", "/api")), st.booleans())
    @settings(max_examples=300)
    def test_in_and_out(self, rest: str, base: str, stripped: bool) -> None:
        """A target that is mapped to the server and back is the same again."""
        prefix = "/v1" if stripped else ""
        mounted = Mounted(
            server=attrs.evolve(BOX, base_path=base), mount=Mount(prefix=prefix.encode())
        )
        assume("/v1" not in rest or not stripped)
        to_server = f"http://box:8000{base}{rest}".encode()
        at_gate = mounted.location(to_server)
        self.assertEqual(at_gate, GATE + f"{prefix}{rest}".encode())

    @given(REFERENCES, st.sampled_from((b"http://other", b"https://box:8000.evil", b"ftp://box")))
    def test_others_stay(self, rest: bytes, origin: bytes) -> None:
        """What names another host is unchanged."""
        for mounted in (PLAIN, BASED, STRIPPED, BOTH):
            mapped = mounted.location(origin + b"/" + rest)
            self.assertEqual(mapped, origin + b"/" + rest)
