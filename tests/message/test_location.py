"""An upstream's Location and Set-Cookie are rewritten to work at the gate."""

from __future__ import annotations

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Server
from corsgate.message.headers import HeaderList
from corsgate.message.location import REWRITTEN, rewrite

GATE = b"http://localhost:5555"
PIECES = ("/", "//", "\\", "..", ".", "%2e", "api", "v1", "x", "evil.com", "?", "#", ":", "\t", "@")
REFERENCES = st.lists(st.sampled_from(PIECES), max_size=8).map(lambda p: "".join(p).encode())


@attrs.frozen(kw_only=True)
class Mount:
    """How a server is mounted, with defaults for most tests."""

    server: Server = Server(scheme="http", host="box", port=8000)  # noqa: RUF009 a frozen value
    sent_host: bytes = b"box:8000"
    prefix: bytes = b""
    strip_prefix: bool = True
    gate_origin: bytes = GATE

    def rewrite(self, headers: HeaderList) -> HeaderList:
        """Rewrite fields."""
        return rewrite(
            headers,
            server=self.server,
            sent_host=self.sent_host,
            prefix=self.prefix,
            strip_prefix=self.strip_prefix,
            gate_origin=self.gate_origin,
        )

    def location(self, value: bytes) -> bytes:
        """Rewrite a Location."""
        return self.rewrite([(b"Location", value)])[0][1]

    def cookie(self, value: bytes) -> bytes:
        """Rewrite a Set-Cookie."""
        return self.rewrite([(b"Set-Cookie", value)])[0][1]


PLAIN = Mount()
NAMELESS = Mount(gate_origin=b"")
BASED = Mount(server=Server(scheme="http", host="box", port=8000, base_path="/api"))
STRIPPED = Mount(prefix=b"/v1")
BOTH = attrs.evolve(BASED, prefix=b"/v1")


class NamelessTests(SynchronousTestCase):
    def test_location(self) -> None:
        """If the gate's origin is unknown, a URL becomes a path, and never another host."""
        for value, mapped in (
            (b"http://box:8000/a", b"/a"),
            (b"http://box:8000//evil.example/a", b"/.//evil.example/a"),
            (b"http://evil.example/", b"http://evil.example/"),
        ):
            self.assertEqual(NAMELESS.location(value), mapped)
        based = attrs.evolve(BASED, prefix=b"/", gate_origin=b"")
        self.assertEqual(based.location(b"/api//evil.example"), b"/.//evil.example")


class RewriteTests(SynchronousTestCase):
    def test_only_what_names_a_place(self) -> None:
        """Location, Content-Location and Set-Cookie change; the order and other fields do not."""
        headers: HeaderList = [
            (b"location", b"http://box:8000/a"),
            (b"X-Location", b"http://box:8000/a"),
            (b"Content-Location", b"/b"),
            (b"Set-Cookie", b"a=1; Domain=box"),
            (b"set-cookie", b"b=2; Path=/"),
        ]
        self.assertEqual(
            STRIPPED.rewrite(headers),
            [
                (b"location", b"http://localhost:5555/v1/a"),
                (b"X-Location", b"http://box:8000/a"),
                (b"Content-Location", b"/v1/b"),
                (b"Set-Cookie", b"a=1"),
                (b"set-cookie", b"b=2; Path=/v1"),
            ],
        )

    def test_nothing_to_do(self) -> None:
        """Without any of these, a new list with the same fields is returned."""
        headers = [(b"Content-Type", b"a/b"), (b"Link", b"</x>")]
        answer = STRIPPED.rewrite(headers)
        self.assertEqual(answer, headers)
        self.assertIsNot(answer, headers)
        self.assertEqual(REWRITTEN, {b"location", b"content-location", b"set-cookie"})

    def test_prefix_that_stays(self) -> None:
        """A prefix that isn't stripped, or is the whole path, isn't put back."""
        for mount in (Mount(prefix=b"/v1", strip_prefix=False), Mount(prefix=b"/")):
            self.assertEqual(mount.location(b"/v1/x"), b"/v1/x")
            self.assertEqual(mount.location(b"http://box:8000/v1/x"), GATE + b"/v1/x")
            self.assertEqual(mount.cookie(b"a=1; Path=/v1"), b"a=1; Path=/v1")


class LocationTests(SynchronousTestCase):
    def check(self, mount: Mount, *cases: tuple[bytes, bytes]) -> None:
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
        mount = Mount(server=server, sent_host=b"box")
        for url in (b"https://box/x", b"https://box:443/x", b"https://box:/x", b"//box/x"):
            self.assertEqual(mount.location(url), GATE + b"/x")
        ipv6 = Mount(server=Server(scheme="http", host="fd00::1", port=80), sent_host=b"[fd00::1]")
        self.assertEqual(ipv6.location(b"http://[FD00:0::1]:80/x"), GATE + b"/x")

    def test_sent_host(self) -> None:
        """A URL with the sent Host is the server's, in its scheme or the gate's."""
        mount = Mount(sent_host=b"shop.example", gate_origin=b"https://shop.example")
        for url in (b"http://shop.example/x", b"https://shop.example/x", b"http://box:8000/x"):
            self.assertEqual(mount.location(url), b"https://shop.example/x")

    def test_https_instead(self) -> None:
        """Plain http that is sent to https by its server must not come back to plain http."""
        mount = Mount(sent_host=b"shop.example", gate_origin=b"http://shop.example")
        self.check(mount, (b"https://shop.example/x", b"https://shop.example/x"))

    def test_untouched(self) -> None:
        """Other hosts, relative references and malformed values are unchanged."""
        for mount in (PLAIN, BASED, STRIPPED, BOTH):
            for value in (
                b"",
                b"http://other/x",
                b"http://box/x",
                b"http://box:8001/x",
                b"https://box:8000/x",
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
            (b"/v1/x", b"/v1/v1/x"),
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
    def test_never_makes_another_host(self, value: bytes, mount: Mount) -> None:
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


class CookieTests(SynchronousTestCase):
    def check(self, mount: Mount, *cases: tuple[bytes, bytes]) -> None:
        """Assert how a mount maps values (before, after)."""
        for value, expected in cases:
            self.assertEqual(mount.cookie(value), expected, value)

    def test_untouched(self) -> None:
        """Attributes that need no mapping are unchanged, including odd ones and white space."""
        for value in (
            b"a=1",
            b"a",
            b"",
            b'a=b=c; Max-Age=5;HttpOnly ;  SameSite=Lax;; X=\xff; Path="/x"; Path; Path=x',
            b"Secure=Domain; expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ):
            self.check(BOTH, (value, value))

    def test_domain(self) -> None:
        """Domain is always removed: the cookie belongs to the gate only."""
        self.check(
            PLAIN,
            (b"a=1; Domain=box; HttpOnly", b"a=1; HttpOnly"),
            (b"a=1;DOMAIN = .other.example", b"a=1"),
            (b"a=1; Domain", b"a=1"),
            (b"domain=box; Domain=box", b"domain=box"),
        )

    def test_path(self) -> None:
        """Path is mapped; one outside the base path becomes the route's prefix."""
        self.check(
            BOTH,
            (b"a=1; Path=/api/x/; B", b"a=1; Path=/v1/x/; B"),
            (b"a=1;path = /api ", b"a=1;path =/v1"),
            (b"a=1; Path=/api/", b"a=1; Path=/v1"),
            (b"a=1; Path=/", b"a=1; Path=/v1"),
            (b"a=1; Path=/apix", b"a=1; Path=/v1"),
        )
        self.check(
            BASED,
            (b"a=1; Path=/api/x", b"a=1; Path=/x"),
            (b"a=1; Path=/api", b"a=1; Path=/"),
            (b"a=1; Path=/", b"a=1; Path=/"),
            (b"a=1; Path=/other", b"a=1; Path=/"),
        )
        self.check(STRIPPED, (b"a=1; Path=/", b"a=1; Path=/v1"), (b"a; Path=/x", b"a; Path=/v1/x"))
        self.check(PLAIN, (b"a=1; Path=/x", b"a=1; Path=/x"))

    def test_plain_http(self) -> None:
        """Over plain http all attributes that need https are removed."""
        self.check(
            PLAIN,
            (b"a=1; Secure; HttpOnly", b"a=1; HttpOnly"),
            (b"a=1; SECURE=x; samesite = none; Partitioned", b"a=1"),
            (b"a=1; SameSite=Strict; Secure", b"a=1; SameSite=Strict"),
        )

    def test_https(self) -> None:
        """Over https they are kept."""
        value = b"a=1; Secure; SameSite=None; Partitioned"
        self.check(attrs.evolve(PLAIN, gate_origin=b"https://gate"), (value, value))

    def test_name_prefixes(self) -> None:
        """Cookies with these prefixes need https: they keep Secure, and __Host- also its Path."""
        host = b"__Host-a=1; Path=/; Secure; SameSite=None"
        self.check(
            BOTH,
            (host, host),
            (host.lower(), host.lower()),
            (
                b"__Secure-a=1; Domain=box; Path=/api/x; Secure; SameSite=None",
                b"__Secure-a=1; Path=/v1/x; Secure; SameSite=None",
            ),
        )
