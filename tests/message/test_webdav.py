"""Destination and If are mapped to a server's addresses, and never past the route."""

from __future__ import annotations

from urllib.parse import quote_from_bytes

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import AddressRefused
from corsgate.message.target import join_base, segments, strip_segments
from corsgate.message.webdav import MAX_TAGS, ResourceMap

GATE = b"https://gate.example"
TOKEN = b"<opaquelocktoken:e71d4fae-5dec-22d6>"

RESOURCES = ResourceMap(
    target=b"/v1/dir/a",
    authorities=(b"gate.example", b"outer.example:8443"),
    server_origin=b"http://box:8000",
    is_served=lambda target: segments(target)[0] == b"v1",
    to_server=lambda target: join_base("/base", strip_segments(target, 1)),
)
BARE = ResourceMap(
    target=b"/v1/dir/a",
    authorities=(b"gate.example",),
    server_origin=b"http://box:8000",
    is_served=RESOURCES.is_served,
    to_server=lambda target: strip_segments(target, 1),
)


class DestinationTests(SynchronousTestCase):
    """RFC 4918 10.3."""

    def destination(
        self, value: bytes, resources: ResourceMap = RESOURCES, method: bytes = b"MOVE"
    ) -> bytes:
        """Return what a Destination becomes."""
        return resources.map_fields(method, [(b"Destination", value)])[0][1]

    def refuse(self, value: bytes, status: int, method: bytes = b"MOVE") -> None:
        """Assert that a Destination is refused."""
        error = self.assertRaises(AddressRefused, self.destination, value, method=method)
        self.assertEqual(error.status, status, value)
        self.assertNotIn("box", error.detail)

    def test_mapped(self) -> None:
        """A URL of the gate, by either scheme, becomes the server's; a path stays a path."""
        for value, mapped in (
            (GATE + b"/v1/b%20c", b"http://box:8000/base/b%20c"),
            (b"http://GATE.example:80/v1/b", b"http://box:8000/base/b"),
            (b"https://gate.example:443/v1/b", b"http://box:8000/base/b"),
            (b"https://outer.example:8443/v1/b", b"http://box:8000/base/b"),
            (b"//gate.example/v1/b?c", b"http://box:8000/base/b?c"),
            (b"/v1/b/", b"/base/b/"),
            (b"/v1", b"/base/"),
        ):
            self.assertEqual(self.destination(value), mapped)

    def test_double_slash(self) -> None:
        """A path that would name a host becomes a URL."""
        self.assertEqual(self.destination(b"/v1//evil/x", BARE), b"http://box:8000//evil/x")

    def test_relative(self) -> None:
        """A reference relative to the target, such as a document of CouchDB, is unchanged."""
        for value in (b"copy", b"copy?rev=1-a", b"_design/x", b"org.couchdb.user:joe", b""):
            self.assertEqual(self.destination(value, method=b"COPY"), value)

    def test_off_the_route(self) -> None:
        """A resource of another route, or of another host, is refused: 502 (RFC 4918 9.9.4)."""
        for value in (
            b"/other/b",
            b"/",
            GATE + b"/other/b",
            GATE,
            b"https://evil.example/v1/b",
            b"http://box:8000/base/b",
            b"http://box:8000/v1/b",
            b"https://gate.example:8443/v1/b",
            b"https://gate.example@evil.example/v1/b",
            b"//evil.example/v1/b",
            b"///v1/b",
            b"http:/v1/b",
            b"http:v1/b",
            b"file:///etc/passwd",
            b"ftp://gate.example/v1/b",
        ):
            self.refuse(value, 502)

    def test_relative_off_the_route(self) -> None:
        """A relative reference must stay on the route, too: next to ``/v1`` it would not."""
        resources = ResourceMap(
            target=b"/v1",
            authorities=(),
            server_origin=b"http://box:8000",
            is_served=RESOURCES.is_served,
            to_server=RESOURCES.to_server,
        )
        error = self.assertRaises(AddressRefused, self.destination, b"other", resources)
        self.assertEqual(error.status, 502)

    def test_another_reading(self) -> None:
        """What some server may read as another path is refused: 400."""
        for value in (
            b"/v1/../other",
            b"/v1/%2e%2e/other",
            b"../../other",
            b"x/%252e%252e/y",
            GATE + b"/v1/..;/other",
            b"/v1\\..\\other",
            b"\\\\evil.example\\x",
            b"/v1/b#/../../x",
            b"/v1/b c",
            b" /other",
            b"/v1/\xc0\xae\xc0\xae/x",
            b"/v1/b\x00",
            b"/v1/%",
        ):
            self.refuse(value, 400)

    def test_methods(self) -> None:
        """Other methods have no Destination; a field that overrides the method may bring one."""
        for method in (b"POST", b"GET", b"PUT"):
            self.assertEqual(self.destination(b"/other", method=method), b"/other")
        self.refuse(b"/other", 502, b"move")
        fields = [(b"destination", b"/other"), (b"X-HTTP-Method-Override", b"MOVE")]
        self.assertRaises(AddressRefused, RESOURCES.map_fields, b"POST", fields)

    def test_twice(self) -> None:
        """Two Destinations are refused: the server might read the other one."""
        fields = [(b"Destination", b"/v1/a"), (b"destination", b"/v1/b")]
        error = self.assertRaises(AddressRefused, RESOURCES.map_fields, b"MOVE", fields)
        self.assertEqual(error.status, 400)

    def test_other_fields(self) -> None:
        """Other fields pass, in order."""
        fields = [(b"A", b"/v1/a"), (b"Destination", b"/v1/b"), (b"Overwrite", b"F")]
        mapped = [(b"A", b"/v1/a"), (b"Destination", b"/base/b"), (b"Overwrite", b"F")]
        self.assertEqual(RESOURCES.map_fields(b"COPY", fields), mapped)

    @given(st.text(min_size=1, max_size=20).map(lambda text: quote_from_bytes(text.encode())))
    def test_like_the_target(self, name: str) -> None:
        """A resource is mapped as the target of a request for it would be."""
        if name.strip(".") == "":
            return
        path = f"/v1/dir/{name}".encode()
        mapped = f"/base/dir/{name}".encode()
        try:
            segments(path)
        except ValueError:
            return
        self.assertEqual(self.destination(path), mapped)
        self.assertEqual(self.destination(GATE + path), b"http://box:8000" + mapped)

    @given(st.text(alphabet="/.\\%2ef?#:@v1x[]", max_size=16))
    def test_never_leaves(self, text: str) -> None:
        """Whatever is not refused stays below the server's base path, or is relative to it."""
        try:
            mapped = self.destination(text.encode())
        except AddressRefused:
            return
        if mapped.startswith((b"/", b"http:")):
            path = mapped.removeprefix(b"http://box:8000")
            self.assertEqual(path[:6], b"/base/")
        self.assertNotRegex(mapped, rb"(?i)(?:\A|[/\\])(?:\.|%2e){1,2}(?:[/\\?#]|\Z)")


class IfTests(SynchronousTestCase):
    """RFC 4918 10.4."""

    def test_tags(self) -> None:
        """Resource tags are mapped; lock tokens and entity tags are not."""
        for value, mapped in (
            (b"(" + TOKEN + b")", b"(" + TOKEN + b")"),
            (
                b"<https://gate.example/v1/a> ("
                + TOKEN
                + b' ["e)<x>"]) </v1/b> (Not <DAV:no-lock>)',
                b"<http://box:8000/base/a> ("
                + TOKEN
                + b' ["e)<x>"]) </base/b> (Not <DAV:no-lock>)',
            ),
            (b'</v1/a>([W/"e"])(["f"])', b'</base/a>([W/"e"])(["f"])'),
            (b"", b""),
            (b"anything", b"anything"),
            (b'(["never', b'(["never'),
            (b"(<never", b"(<never"),
        ):
            self.assertEqual(RESOURCES.condition(value), mapped)
        fields = [(b"if", b"</v1/a> (" + TOKEN + b")")]
        self.assertEqual(
            RESOURCES.map_fields(b"PUT", fields), [(b"if", b"</base/a> (" + TOKEN + b")")]
        )

    def refuse(self, value: bytes, status: int) -> None:
        """Assert that an If is refused."""
        error = self.assertRaises(AddressRefused, RESOURCES.condition, value)
        self.assertEqual(error.status, status)

    def test_off_the_route(self) -> None:
        """A tag of another resource would tell its state: that precondition fails."""
        for value in (b"</other> (%b)", b"(%b) <http://box:8000/base/a> (%b)"):
            self.refuse(value.replace(b"%b", TOKEN), 412)

    def test_another_reading(self) -> None:
        """A tag that is not closed, or that some server may read otherwise, is refused."""
        for value in (b"</v1/a", b"</v1/../x> (<a:b>)", b"< /v1/a> (<a:b>)", b"</v1/a</other> ()"):
            self.refuse(value, 400)

    def test_bound(self) -> None:
        """No more parts than a bound are read, whatever they are."""
        for piece in (b"<", b"(", b'"', b"</v1/a>"):
            self.refuse(piece * 64 * 1024, 400)
        value = b" </v1/a> ([a])" * (MAX_TAGS // 3)
        self.assertEqual(RESOURCES.condition(value), value.replace(b"/v1/", b"/base/"))
