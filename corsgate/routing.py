"""Host and path prefix to route: a tree of path segments, the longest prefix wins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar
from urllib.parse import quote

import attrs

from corsgate.config.model.values import Route
from corsgate.errors import BadValue
from corsgate.message.host import parse_host
from corsgate.message.target import segments

# What may stand in a path as it is, beside letters and digits (RFC 3986 3.3).
_PATH_CHARACTERS = "/:@!$&'()*+,;="


T = TypeVar("T")


class Node(Generic[T]):
    """A place in the tree of paths.

    Attributes:
        route: What stands at or above this place, or None.
        children: The places below it that some route passes through, by segment.
        leaf: The place of all other segments below; nothing but itself is below a leaf.
    """

    __slots__ = ("children", "leaf", "route")

    def __init__(self, route: T | None, children: Mapping[bytes, Node[T]]) -> None:
        self.route = route
        self.children = children
        self.leaf: Node[T] = Node(route, {}) if children else self

    def child(self, segment: bytes) -> Node[T]:
        """Return the place one segment below.

        Args:
            segment: A percent-decoded segment.

        Returns:
            A node, the same one each time.
        """
        return self.children.get(segment, self.leaf)


@attrs.frozen(kw_only=True, eq=False)
class _Entry(Generic[T]):
    """A route on its way into a tree."""

    route: T
    path: tuple[bytes, ...]
    own: bool

    @property
    def rank(self) -> tuple[bool, int]:
        """The host's own routes go before those without a host, then the longest prefix."""
        return self.own, len(self.path)


@attrs.frozen(kw_only=True, eq=False)
class RouteTable(Generic[T]):
    """All routes: a tree for each host that some route names, and one for the other hosts.

    What stands in it for a route is the caller's: a gate has what it serves the route with.

    A host's tree holds the routes without a host too, for the paths where none of its own
    matches; so a lookup is one walk down one tree.

    Attributes:
        routes: What stands for each route, once.
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
            compiled: Returns what stands for a route. It is called with the route, with its prefix
                as it stands in a target, percent-encoded and empty for ``/``, and with how many
                segments that has, which are what `strip_prefix` takes off.

        Returns:
            The table.

        Raises:
            BadValue: Two routes have the same host and prefix, however spelled, or a host is
                none.
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
            host: The Host value: its case, port and last dot don't matter.

        Returns:
            The host's own tree, or the one of all other hosts.
        """
        if not self._trees:
            return self._shared
        value = parse_host(host)
        return self._shared if value is None else self._trees.get(value.name, self._shared)

    def find(self, host: bytes, segments: Sequence[bytes]) -> T | None:
        """Return what stands for the route of a request.

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
    """Return a route's prefix as it stands in a target, and its segments percent-decoded."""
    prefix = quote(route.prefix, safe=_PATH_CHARACTERS).encode().rstrip(b"/")
    return prefix, tuple(segments(prefix)) if prefix else ()


def _host_key(host: str | None) -> bytes | None:
    if host is None:
        return None
    value = parse_host(host.encode())
    if value is None or value.port is not None:
        raise BadValue(f'"{host}" is no host name', "write a name or an IP address, no port")
    return value.name


def _grow(entries: Sequence[_Entry[T]], depth: int, above: _Entry[T] | None) -> Node[T]:
    """Make the node that entries share at a depth, and all below it."""
    here = [entry for entry in entries if len(entry.path) == depth]
    best = max([*here, above] if above else here, key=lambda entry: entry.rank, default=None)
    deeper: dict[bytes, list[_Entry[T]]] = {}
    for entry in entries:
        if len(entry.path) > depth:
            deeper.setdefault(entry.path[depth], []).append(entry)
    children = {segment: _grow(group, depth + 1, best) for segment, group in deeper.items()}
    return Node(best.route if best else None, children)
