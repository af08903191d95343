"""Makes the head that a server gets from the head of a client's request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from functools import lru_cache
from typing import Self, TypeAlias

from corsgate.config.model.header_rules import normal_name
from corsgate.config.model.path_rules import judges_methods
from corsgate.config.model.values import Route, Server
from corsgate.cors.vouching import KEEP, SERVER
from corsgate.gate.header_rules import FieldMaker
from corsgate.message.client import Client, gate_origin, serialized_origin
from corsgate.message.forwarded import forwarded, only_listed
from corsgate.message.head import RequestHead, field_lines
from corsgate.message.headers import (
    HOP_BY_HOP,
    Header,
    HeaderList,
    HeadNames,
    forget_names,
    forwardable_trailers,
    head_names,
    passing,
)
from corsgate.message.identity import (
    CLIENT_FIELDS,
    FORWARDED_FIELDS,
    METHOD_OVERRIDES,
    DroppedFields,
)
from corsgate.message.loops import loop_mark, via
from corsgate.message.request_id import REQUEST_ID, REQUEST_ID_NAME
from corsgate.message.target import join_base, segments, strip_segments
from corsgate.message.webdav import ResourceMap
from corsgate.shortcuts import ALL, Shortcuts

# Expect is written again if the gate passes the client's wait on to the server.
_OF_THIS_HOP = HOP_BY_HOP | CLIENT_FIELDS | {b"host", b"content-length", b"expect", REQUEST_ID_NAME}
_OF_PAGE = frozenset((b"origin", b"referer", b"sec-fetch-site"))
_LONGEST_REMEMBERED = 256

_line = b": ".join

IsServed: TypeAlias = Callable[[bytes, Sequence[bytes]], bool]
"""Returns whether a route serves a Host value and the segments of a path."""


class RequestShape:
    """Makes heads for servers from the requests of one route. Constant parts are computed once.

    Args:
        route: Its configuration.
        depth: How many segments the route's prefix has, all of which are removed if it is stripped.
        prefix: The prefix, percent-encoded; empty for ``/``.
        label: The route's host and prefix, percent-encoded.
        own_fields: The lower-case names of fields that the upstream's credentials set.
        fixed: The fields that sign every request in the same way.
        pseudonym: The name of this process in Via.
        is_served: Returns whether the route serves a Host value and the segments of a path.
        shortcuts: Which shortcuts to take.

    Attributes:
        maps_target: Whether every server gets a target that differs from the client's.
        by_route: Whether heads depend on the route's host or prefix.
        by_request: Whether heads differ between requests.
        added: The fields that the operator adds, the same for every request.
        identifies: Whether servers get the request's id.
    """

    __slots__ = (
        "_closes",
        "_depth",
        "_dropped",
        "_dropped_with_page",
        "_ending",
        "_ending_lines",
        "_fixed",
        "_is_served",
        "_listed",
        "_maker",
        "_mark",
        "_names_of",
        "_passed",
        "_prefix",
        "_preserves_host",
        "_strips_prefix",
        "added",
        "by_request",
        "by_route",
        "identifies",
        "maps_target",
    )

    def __init__(
        self,
        route: Route,
        depth: int,
        *,
        prefix: bytes = b"",
        label: bytes = b"/",
        own_fields: frozenset[bytes] = frozenset(),
        fixed: Sequence[Header] = (),
        pseudonym: bytes = b"corsgate",
        is_served: IsServed = lambda _host, _path: False,
        shortcuts: Shortcuts = ALL,
    ) -> None:
        self._depth = depth
        self._is_served = is_served
        self._strips_prefix = route.strip_prefix
        self.maps_target = route.strip_prefix and depth > 0
        self._preserves_host = route.upstream.preserve_host
        rules = route.upstream.request_rules
        self._maker = maker = FieldMaker(rules.request_headers, label)
        self.added, self.by_request = maker.fixed, maker.by_request
        passed = (name for name in route.pass_headers if normal_name(name) not in maker.dropped)
        self._passed = frozenset(name.lower().encode("ascii") for name in passed)
        # By this, the process recognizes its own requests if they return in a loop.
        self._mark = via(pseudonym=pseudonym) if rules.via else loop_mark(pseudonym)
        self._listed = (
            None
            if rules.forwarded == FORWARDED_FIELDS
            else frozenset(name.encode("ascii") for name in rules.forwarded)
        )
        sends_prefix = (
            self.maps_target
            and not route.by_url
            and "x-forwarded-prefix" in rules.forwarded
            and b"x-forwarded-prefix" not in self._passed | maker.dropped
        )
        self._prefix = prefix if sends_prefix else b""
        self.by_route = sends_prefix or maker.by_route
        self._fixed = (*maker.fixed, *fixed)
        # RFC 9112 9.6: a client that sends no further request sends Connection: close.
        self._closes = () if route.upstream.pool.keep_alive else ((b"Connection", b"close"),)
        self._ending: Sequence[Header] = (self._mark, *self._closes, *self._fixed)
        self._ending_lines = field_lines(self._ending)
        # The check of the route's methods considered only the request line.
        is_judged = route.methods is not None or judges_methods(route.allow_paths)
        self.identifies = REQUEST_ID_NAME not in self._passed | rules.request_headers.named
        gone = own_fields | maker.dropped | (METHOD_OVERRIDES if is_judged else frozenset())
        if not rules.via:
            gone |= {b"via"}
        cookies = {b"cookie"} if route.upstream.addresses.cookies == "drop" else set()
        gone |= cookies
        self._dropped = _dropped(gone, self._passed - cookies)
        self._dropped_with_page = _dropped(gone | _OF_PAGE, self._passed - cookies - _OF_PAGE)
        self._names_of: Callable[[Iterable[Header]], HeadNames] = (
            head_names if shortcuts.head_names else forget_names
        )

    def upstream_head(
        self,
        head: RequestHead,
        server: Server,
        client: Client,
        *,
        offers: Sequence[bytes] = (),
        trailers: bool = False,
        expect: bool = False,
        framing: bytes | None = None,
        origin_mode: str = KEEP,
        request_id: str = "",
    ) -> RequestHead:
        """Return the head for a server, signed if all requests are signed in the same way.

        Args:
            head: The head of the client's request.
            server: The server.
            client: The client.
            offers: The protocols that the server may switch to.
            trailers: Whether the client accepts trailers.
            expect: Whether the client waits for the server's 100 Continue.
            framing: The framing line of a head to remember, without body and id; else None.
            origin_mode: Which Origin and Referer the server gets.
            request_id: The id of the request.

        Returns:
            A head without hop-by-hop and framing fields, with its target mapped to the server, and
            with Host, Forwarded, X-Forwarded-* and Via (RFC 9110 7.2 and 7.6). Its lines are ready.
        """
        host = self.host_for(server, client.authority)
        names = head.names or self._names_of(head.headers)
        about, about_lines = self._client_fields(head, client)
        if origin_mode == KEEP:
            passed = passing(head.headers, names, self._dropped)
        else:
            passed = passing(head.headers, names, self._dropped_with_page)
            page, page_lines = (
                _page_of(server.scheme, host, names.names & _OF_PAGE)
                if origin_mode == SERVER and len(host) <= _LONGEST_REMEMBERED
                else self._page(origin_mode, head, names, server.scheme, host, client)
            )
            about, about_lines = [*about, *page], about_lines + page_lines
        if names.resources:
            passed = self._map_resources(head, passed, server, client)
        ending = self._ending
        if offers or trailers or expect:
            ending = self._ending_with(offers, trailers=trailers, expect=expect)
        if self._maker.varies:
            ending = [*ending, *self._maker.varying(client, head, request_id)]
        if framing is None and self.identifies:
            ending = [*ending, (REQUEST_ID, request_id.encode("ascii"))]
        ending_lines = self._ending_lines if ending is self._ending else field_lines(ending)
        lines = b"\r\n".join([b"Host: " + host, *map(_line, passed), about_lines + ending_lines])
        maps = self.maps_target or server.base_path
        target = self.upstream_target(head.target, server) if maps else head.target
        made = RequestHead(head.method, target, [(b"Host", host), *passed, *about, *ending], lines)
        if framing is not None:
            made.wire = b"%b %b HTTP/1.1\r\n%b%b" % (made.method, target, lines, framing)
        return made

    def signed(self, fixed: Sequence[Header]) -> Self:
        """Return the same shape with other fields that sign every request in the same way."""
        made = copy(self)
        made._fixed = (*self._maker.fixed, *fixed)
        made._ending = (self._mark, *self._closes, *made._fixed)
        made._ending_lines = field_lines(made._ending)
        return made

    def upstream_target(self, target: bytes, server: Server) -> bytes:
        """Return the target for a server, given the client's."""
        if self._strips_prefix:
            target = strip_segments(target, self._depth)
        return join_base(server.base_path, target) if server.base_path else target

    def request_trailers(self, trailers: HeaderList) -> HeaderList:
        """Return the trailers for a server, without the fields that are dropped from heads."""
        return forwardable_trailers(trailers, self._dropped)

    def host_for(self, server: Server, authority: bytes) -> bytes:
        """Return the Host value for a server, given the client's."""
        return authority if self._preserves_host and authority else server.host_value

    def _map_resources(
        self, head: RequestHead, passed: HeaderList, server: Server, client: Client
    ) -> HeaderList:
        """Return a request's fields with the resources in them mapped to the server."""
        reached = gate_origin(client, head.headers).partition(b"://")[2]
        host = self.host_for(server, client.authority)
        resources = ResourceMap(
            target=head.target,
            authorities=(client.authority, reached),
            server_origin=b"%b://%b" % (server.scheme.encode(), host),
            is_served=lambda target: self._is_served(client.authority, segments(target)),
            to_server=lambda target: self.upstream_target(target, server),
        )
        return resources.map_fields(head.method, passed)

    def _client_fields(self, head: RequestHead, client: Client) -> tuple[Sequence[Header], bytes]:
        """Return the fields about the client, such as Forwarded, and their lines."""
        if client.trusted:
            found = forwarded(
                head.headers,
                peer=client.peer,
                scheme=client.scheme,
                host=client.authority,
                trusted=True,
                passed=self._passed,
                prefix=self._prefix,
            )
            dropped = self._maker.dropped
            if dropped:
                found = [field for field in found if field[0].lower() not in dropped]
            if self._listed is not None:
                found = only_listed(found, self._listed)
            return found, field_lines(found)
        is_short = len(client.authority) <= _LONGEST_REMEMBERED
        make = _client_fields_of if is_short else _client_fields_of.__wrapped__
        return make(client.peer, client.scheme, client.authority, self._prefix, self._listed)

    def _page(
        self,
        mode: str,
        head: RequestHead,
        names: HeadNames,
        scheme: str,
        host: bytes,
        client: Client,
    ) -> tuple[Sequence[Header], bytes]:
        """Return the fields about the page that sent the request, and their lines.

        Args:
            mode: Which Origin the server gets; not `KEEP`.
            head: The head of the client's request.
            names: What the names of its fields imply.
            scheme: The scheme of the server's URL.
            host: The Host value for the server.
            client: The client.
        """
        sent = names.names & _OF_PAGE
        if mode == SERVER:
            return _page_of.__wrapped__(scheme, host, sent)
        if mode == "gate":
            # Without Host this origin is unknown, but then the client is not a browser.
            return _page_fields(gate_origin(client, head.headers), sent)
        return _page_fields(b"" if mode == "drop" else mode.encode("ascii"), sent)

    def _ending_with(
        self, offers: Sequence[bytes], *, trailers: bool, expect: bool
    ) -> Sequence[Header]:
        """Return the last fields of a head that asks for more than a plain response."""
        ending = [self._mark]
        if expect:
            ending.append((b"Expect", b"100-continue"))
        options = []
        if trailers:
            ending.append((b"TE", b"trailers"))
            options.append(b"TE")
        if offers:
            ending.append((b"Upgrade", b", ".join(offers)))
            options.append(b"Upgrade")
        elif self._closes:
            options.append(b"close")
        if options:
            ending.append((b"Connection", b", ".join(options)))
        return (*ending, *self._fixed)


@lru_cache(maxsize=1024)
def _client_fields_of(
    peer: str, scheme: bytes, authority: bytes, prefix: bytes, listed: frozenset[bytes] | None
) -> tuple[Sequence[Header], bytes]:
    """Return the fields about a client that no trusted proxy vouches for, and their lines."""
    found = forwarded((), peer=peer, scheme=scheme, host=authority, trusted=False, prefix=prefix)
    if listed is not None:
        found = only_listed(found, listed)
    return found, field_lines(found)


@lru_cache(maxsize=1024)
def _page_of(scheme: str, host: bytes, sent: frozenset[bytes]) -> tuple[Sequence[Header], bytes]:
    """Return `_page_fields` for a page that the server itself has served."""
    return _page_fields(serialized_origin(scheme.encode("ascii"), host), sent)


def _page_fields(origin: bytes, sent: frozenset[bytes]) -> tuple[Sequence[Header], bytes]:
    """Return the fields that claim a page of an origin as the sender, and their lines.

    Args:
        origin: The origin; if empty, the result has neither Origin nor Referer.
        sent: Which of `_OF_PAGE` the client sent; the result has no others.
    """
    fields = []
    if origin and b"origin" in sent:
        fields.append((b"Origin", origin))
    if origin and b"referer" in sent:
        fields.append((b"Referer", origin + b"/"))
    if b"sec-fetch-site" in sent:
        fields.append((b"Sec-Fetch-Site", b"same-origin"))
    return fields, field_lines(fields)


# Thousands of routes may have the same few upstreams.
@lru_cache(maxsize=64)
def _dropped(names: frozenset[bytes], passed: frozenset[bytes]) -> DroppedFields:
    """Return the fields that don't pass: these, and those that never do."""
    return DroppedFields(_OF_THIS_HOP | names, passed)
