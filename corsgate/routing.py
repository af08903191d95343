"""Host and path prefix to route: a tree of path segments, the longest prefix wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

import attrs

from corsgate.config.model.values import Route
from corsgate.errors import BadValue
from corsgate.message.host import parse_host
from corsgate.message.target import segments

# What may stand in a path as it is, beside letters and digits (RFC 3986 3.3).
_PATH_CHARACTERS = "/:@!$&'()*+,;="


@attrs.frozen(kw_only=True, eq=False)
class Match:
    """A route that was found.

    Attributes:
        route: The route.
        prefix: Its prefix percent-encoded, as it stands in a target; empty for ``/``.
        depth: How many segments the prefix has; so many are stripped, where it is.
    """

    route: Route
    prefix: bytes
    depth: int


class Node:
    """A place in the tree of paths.

    Attributes:
        match: The route that stands at or above this place, or None.
        children: The places below it that some route passes through, by segment.
        leaf: The place of all other segments below; nothing but itself is below a leaf.
    """

    __slots__ = ("children", "leaf", "match")

    def __init__(self, match: Match | None, children: Mapping[bytes, Node]) -> None:
        self.match = match
        self.children = children
        self.leaf: Node = Node(match, {}) if children else self

    def child(self, segment: bytes) -> Node:
        """Return the place one segment below.

        Args:
            segment: A percent-decoded segment.

        Returns:
            A node, the same one each time.
        """
        return self.children.get(segment, self.leaf)


@attrs.frozen(kw_only=True, eq=False)
class _Entry:
    """A route on its way into a tree."""

    match: Match
    path: tuple[bytes, ...]
    own: bool

    @property
    def rank(self) -> tuple[bool, int]:
        """The host's own routes go before those without a host, then the longest prefix."""
        return self.own, self.match.depth


@attrs.frozen(kw_only=True, eq=False)
class RouteTable:
    """All routes: a tree for each host that some route names, and one for the other hosts.

    A host's tree holds the routes without a host too, for the paths where none of its own
    matches; so a lookup is one walk down one tree.

    Attributes:
        matches: Each route once.
    """

    _trees: Mapping[bytes, Node]
    _shared: Node
    matches: tuple[Match, ...]

    @property
    def roots(self) -> tuple[Node, ...]:
        """The root of every tree."""
        return (self._shared, *self._trees.values())

    @classmethod
    def build(cls, routes: Iterable[Route]) -> RouteTable:
        """Compile routes.

        Args:
            routes: In any order.

        Returns:
            The table.

        Raises:
            BadValue: Two routes have the same host and prefix, however spelled, or a host is
                none.
        """
        found: dict[tuple[bytes | None, tuple[bytes, ...]], Match] = {}
        for route in routes:
            match, path = _compile(route)
            key = (_host_key(route.host), path)
            if key in found:
                place = f"{route.host or ''}{route.prefix}"
                raise BadValue(f'"{place}" names the same requests as another route', "keep one")
            found[key] = match

        def tree(host: bytes | None) -> Node:
            entries = [
                _Entry(match=match, path=path, own=owner is not None)
                for (owner, path), match in found.items()
                if owner is None or owner == host
            ]
            return _grow(entries, 0, None)

        hosts = {host for host, _ in found if host is not None}
        return cls(
            trees={host: tree(host) for host in hosts},
            shared=tree(None),
            matches=tuple(found.values()),
        )

    def root(self, host: bytes) -> Node:
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

    def find(self, host: bytes, segments: Sequence[bytes]) -> Match | None:
        """Return the route of a request.

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
        return node.match


def _compile(route: Route) -> tuple[Match, tuple[bytes, ...]]:
    prefix = quote(route.prefix, safe=_PATH_CHARACTERS).encode().rstrip(b"/")
    path = tuple(segments(prefix)) if prefix else ()
    return Match(route=route, prefix=prefix, depth=len(path)), path


def _host_key(host: str | None) -> bytes | None:
    if host is None:
        return None
    value = parse_host(host.encode())
    if value is None or value.port is not None:
        raise BadValue(f'"{host}" is no host name', "write a name or an IP address, no port")
    return value.name


def _grow(entries: Sequence[_Entry], depth: int, above: _Entry | None) -> Node:
    """Make the node that entries share at a depth, and all below it."""
    here = [entry for entry in entries if len(entry.path) == depth]
    best = max([*here, above] if above else here, key=lambda entry: entry.rank, default=None)
    deeper: dict[bytes, list[_Entry]] = {}
    for entry in entries:
        if len(entry.path) > depth:
            deeper.setdefault(entry.path[depth], []).append(entry)
    children = {segment: _grow(group, depth + 1, best) for segment, group in deeper.items()}
    return Node(best.match if best else None, children)
