"""Find the route for a host and path, in a tree of path segments; the longest prefix wins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar
from urllib.parse import quote

import attrs

from corsgate.config.model.values import Route
from corsgate.errors import BadValue
from corsgate.message.host import parse_host
from corsgate.message.target import segments

# Characters that need no encoding in a path, besides letters and digits (RFC 3986 3.3).
_PATH_CHARACTERS = "/:@!$&'()*+,;="


T = TypeVar("T")


class Node(Generic[T]):
    """A node in the tree of paths.

    Attributes:
        route: The compiled route for this node, inherited from above if it has none; or None.
        children: The nodes below it that lead to further routes, by segment.
        leaf: The node for all other segments. Every child of a leaf is the leaf itself.
    """

    __slots__ = ("children", "leaf", "route")

    def __init__(self, route: T | None, children: Mapping[bytes, Node[T]]) -> None:
        self.route = route
        self.children = children
        self.leaf: Node[T] = Node(route, {}) if children else self

    def child(self, segment: bytes) -> Node[T]:
        """Return the node one segment below.

        Args:
            segment: A percent-decoded segment.

        Returns:
            A node, the same one each time.
        """
        return self.children.get(segment, self.leaf)


@attrs.frozen(kw_only=True, eq=False)
class _Entry(Generic[T]):
    """A route to be added to a tree."""

    route: T
    path: tuple[bytes, ...]
    own: bool

    @property
    def rank(self) -> tuple[bool, int]:
        """The sort key: a host's own routes win over those without a host, then longer prefixes."""
        return self.own, len(self.path)


@attrs.frozen(kw_only=True, eq=False)
class RouteTable(Generic[T]):
    """All routes: a tree for each host that is named in a route, and one for all other hosts.

    The caller determines the compiled form of a route; a gate uses the objects that serve it.

    A host's tree also contains the routes without a host, for paths that match none of its own. So
    a lookup is a single walk down one tree.

    Attributes:
        routes: The compiled form of each route.
    """

    _trees: Mapping[bytes, Node[T]]
    _shared: Node[T]
    routes: tuple[T, ...]

    @property
    def roots(self) -> tuple[Node[T], ...]:
        """The root of every tree."""
        return (self._shared, *self._trees.values())

    @classmethod
    def build(
        cls, routes: Iterable[Route], compiled: Callable[[Route, bytes, int], T]
    ) -> RouteTable[T]:
        """Compile routes.

        Args:
            routes: In any order.
            compiled: Returns the compiled form of a route. It is called with the route, its
                percent-encoded prefix, and the number of segments in the prefix. The prefix is
                empty for ``/``. `strip_prefix` removes that many segments.

        Returns:
            The table.

        Raises:
            BadValue: Two routes have the same host and prefix, in any spelling, or a host is not
                valid.
        """
        found: dict[tuple[bytes | None, tuple[bytes, ...]], T] = {}
        for route in routes:
            prefix, path = _path_of(route)
            key = (_host_key(route.host), path)
            if key in found:
                place = f"{route.host or ''}{route.prefix}"
                raise BadValue(f'"{place}" names the same requests as another route', "keep one")
            found[key] = compiled(route, prefix, len(path))

        def tree(host: bytes | None) -> Node[T]:
            entries = [
                _Entry(route=made, path=path, own=owner is not None)
                for (owner, path), made in found.items()
                if owner is None or owner == host
            ]
            return _grow(entries, 0, None)

        hosts = {host for host, _ in found if host is not None}
        return cls(
            trees={host: tree(host) for host in hosts},
            shared=tree(None),
            routes=tuple(found.values()),
        )

    def root(self, host: bytes) -> Node[T]:
        """Return the root of a host's tree.

        Args:
            host: The Host value; its case, port and trailing dot are ignored.

        Returns:
            The root of the host's own tree, or of the tree for all other hosts.
        """
        if not self._trees:
            return self._shared
        value = parse_host(host)
        return self._shared if value is None else self._trees.get(value.name, self._shared)

    def find(self, host: bytes, segments: Sequence[bytes]) -> T | None:
        """Return the compiled route for a request.

        Args:
            host: The Host value.
            segments: The path's segments, percent-decoded.

        Returns:
            The host's own route with the longest prefix of whole segments; else the one
            without a host; else None.
        """
        node = self.root(host)
        for segment in segments:
            if not node.children:
                break
            node = node.child(segment)
        return node.route


def _path_of(route: Route) -> tuple[bytes, tuple[bytes, ...]]:
    """Return a route's prefix percent-encoded, and its segments percent-decoded."""
    prefix = quote(route.prefix, safe=_PATH_CHARACTERS).encode().rstrip(b"/")
    return prefix, tuple(segments(prefix)) if prefix else ()


def _host_key(host: str | None) -> bytes | None:
    if host is None:
        return None
    value = parse_host(host.encode())
    if value is None or value.port is not None:
        raise BadValue(
            f'"{host}" is not a host name', "write a name or an IP address, without a port"
        )
    return value.name


def _grow(entries: Sequence[_Entry[T]], depth: int, above: _Entry[T] | None) -> Node[T]:
    """Return the node that entries share at a depth, with all nodes below it."""
    here = [entry for entry in entries if len(entry.path) == depth]
    best = max([*here, above] if above else here, key=lambda entry: entry.rank, default=None)
    deeper: dict[bytes, list[_Entry[T]]] = {}
    for entry in entries:
        if len(entry.path) > depth:
            deeper.setdefault(entry.path[depth], []).append(entry)
    children = {segment: _grow(group, depth + 1, best) for segment, group in deeper.items()}
    return Node(best.route if best else None, children)
