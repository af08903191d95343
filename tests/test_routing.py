"""The routing tree: whole segments, the longest prefix, a host's own routes first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Route, Server, Upstream
from corsgate.errors import BadValue
from corsgate.message.target import segments, strip_segments
from corsgate.routing import RouteTable

UPSTREAM = Upstream(name="u", servers=(Server(scheme="http", host="upstream", port=80),))

NAMES = st.sampled_from(("a", "b", "c"))
PATHS = st.lists(NAMES, max_size=4).map(lambda names: "/" + "/".join(names))
HOSTS = st.sampled_from((None, "one", "two"))
PLACES = st.lists(st.tuples(HOSTS, PATHS), max_size=8, unique=True)


class Made(NamedTuple):
    """What stands for a route."""

    route: Route
    prefix: bytes
    depth: int


def table(*places: str) -> RouteTable[Made]:
    """Make a table of ``prefix`` and ``host/prefix`` texts."""
    routes = []
    for place in places:
        host, _, path = place.partition("/")
        routes.append(Route(host=host or None, prefix="/" + path, upstream=UPSTREAM))
    return RouteTable.build(routes, Made)


def found(match: Made | None) -> str | None:
    """Say which route was found, in the form that `table` takes."""
    return None if match is None else (match.route.host or "") + match.route.prefix


def scan(places: Sequence[tuple[str | None, str]], host: str, path: str) -> str | None:
    """Find a route the slow way: look at each."""
    for owner in (host, None):
        under = [
            prefix
            for place, prefix in places
            if place == owner and (path + "/").startswith(prefix.rstrip("/") + "/")
        ]
        if under:
            return (owner or "") + max(under, key=len)
    return None


class FindTests(SynchronousTestCase):
    def check(self, routes: RouteTable[Made], *cases: tuple[bytes, bytes, str | None]) -> None:
        """Hold lookups (host, target, the route's place) against a table."""
        for host, target, expected in cases:
            match = routes.find(host, segments(target))
            self.assertEqual(found(match), expected, (host, target))

    def test_whole_segments(self) -> None:
        """A prefix matches itself and what is below it, but no longer name."""
        self.check(
            table("/v1"),
            (b"h", b"/v1", "/v1"),
            (b"h", b"/v1/", "/v1"),
            (b"h", b"/v1?q", "/v1"),
            (b"h", b"/v1/x/y", "/v1"),
            (b"h", b"/%761/x", "/v1"),
            (b"h", b"/v10", None),
            (b"h", b"/v", None),
            (b"h", b"/V1", None),
            (b"h", b"/v1%2Fx", None),
            (b"h", b"//v1", None),
            (b"h", b"/", None),
        )

    def test_longest_prefix(self) -> None:
        """The longest prefix wins; a path that leaves it falls back to the one above."""
        self.check(
            table("/a", "/a/b/c"),
            (b"h", b"/a/b/c/d", "/a/b/c"),
            (b"h", b"/a/b/x", "/a"),
            (b"h", b"/a/b", "/a"),
            (b"h", b"/a/x/c", "/a"),
            (b"h", b"/b", None),
        )

    def test_root(self) -> None:
        """The prefix ``/`` matches everything, the asterisk too."""
        self.check(
            table("/", "/a"),
            (b"h", b"/", "/"),
            (b"h", b"*", "/"),
            (b"h", b"//a", "/"),
            (b"h", b"/a/b", "/a"),
        )

    def test_hosts(self) -> None:
        """A host's own route wins, however short; the others serve where none matches."""
        self.check(
            table("one/a", "one/d/e", "/a/b", "/c"),
            (b"one", b"/a/b/x", "one/a"),
            (b"one", b"/c", "/c"),
            (b"one", b"/d/x", None),
            (b"two", b"/a/b/x", "/a/b"),
            (b"two", b"/a", None),
            (b"", b"/c", "/c"),
            (b"a b", b"/c", "/c"),
        )

    def test_host_spelling(self) -> None:
        """A host's case, port and last dot don't matter, nor an IPv6 address's zeros."""
        self.check(
            table("api.example/a", "[2001:db8::1]/a", "/"),
            (b"API.Example.:5555", b"/a", "api.example/a"),
            (b"api.example", b"/a", "api.example/a"),
            (b"[2001:DB8:0::1]:80", b"/a", "[2001:db8::1]/a"),
            (b"x.api.example", b"/a", "/"),
        )

    def test_match(self) -> None:
        """A match says how much to strip, and the prefix as it stands in a target."""
        match = table("/caf\u00e9/a b").find(b"h", segments(b"/caf%C3%A9/a%20b/x"))
        assert match is not None
        self.assertEqual((match.prefix, match.depth), (b"/caf%C3%A9/a%20b", 2))
        self.assertEqual(strip_segments(match.prefix + b"/x", match.depth), b"/x")
        root = table("/").find(b"h", [b""])
        assert root is not None
        self.assertEqual((root.prefix, root.depth), (b"", 0))

    def test_no_routes(self) -> None:
        """A table without routes finds nothing."""
        self.check(table(), (b"h", b"/", None))

    @given(PLACES, st.sampled_from(("one", "two", "three")), PATHS)
    @settings(max_examples=300)
    def test_finds_what_a_scan_finds(
        self, places: list[tuple[str | None, str]], host: str, path: str
    ) -> None:
        """For all tables, the walk down the tree finds what looking at each route finds."""
        routes = table(*((owner or "") + prefix for owner, prefix in places))
        match = routes.find(host.encode(), segments(path.encode()))
        self.assertEqual(found(match), scan(places, host, path))


class BuildTests(SynchronousTestCase):
    def test_same_place_twice(self) -> None:
        """Two routes for the same requests are refused, whatever their spelling."""
        for one, other in (("/a", "/a"), ("h/a", "H/a"), ("[::1]/a", "[0::1]/a")):
            with self.assertRaises(BadValue, msg=other):
                table(one, other)
        table("/a", "h/a", "/b")


class NodeTests(SynchronousTestCase):
    def test_walk(self) -> None:
        """Each node knows the route at or above it, and what stands below."""
        root = table("/a", "/a/b/c").root(b"h")
        self.assertIsNone(root.route)
        self.assertEqual(list(root.children), [b"a"])
        a = root.child(b"a")
        self.assertEqual(found(a.route), "/a")
        self.assertEqual(found(a.child(b"b").route), "/a")
        self.assertEqual(found(a.child(b"b").child(b"c").route), "/a/b/c")

    def test_leaf(self) -> None:
        """All other segments lead to one leaf, below which there is nothing else."""
        root = table("/a").root(b"h")
        leaf = root.child(b"x")
        self.assertIs(leaf, root.leaf)
        self.assertIs(leaf, root.child(b"y"))
        self.assertIs(leaf.child(b"a"), leaf)
        self.assertFalse(leaf.children)
        self.assertIsNone(leaf.route)
        end = root.child(b"a")
        self.assertIs(end.child(b"a"), end)
