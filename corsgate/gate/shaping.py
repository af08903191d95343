"""Heads on their way through: a client's made into an upstream's, an upstream's into a client's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import compress

from corsgate.config.model.values import Route, Server
from corsgate.cors.decide import CORS_RESPONSE_HEADERS, Decision, merge_vary
from corsgate.message.client import Client
from corsgate.message.connection_auth import without_connection_challenges
from corsgate.message.forwarded import forwarded, via
from corsgate.message.head import RequestHead, ResponseHead, field_lines
from corsgate.message.headers import (
    HOP_BY_HOP,
    Header,
    HeaderList,
    HeadNames,
    end_to_end,
    forwardable_trailers,
    head_names,
    passing,
    without_named,
)
from corsgate.message.identity import CLIENT_FIELDS, METHOD_OVERRIDES, DroppedFields
from corsgate.message.location import REWRITTEN, rewrite
from corsgate.message.target import join_base, strip_segments
from corsgate.shortcuts import ALL, Shortcuts

MAX_PLANS = 64
"""For how many tuples of a response's names each route keeps what becomes of it. They are its
upstream's: where there are more, none comes often."""

# Expect is made anew where the client's wait is passed on.
_OF_THIS_HOP = HOP_BY_HOP | CLIENT_FIELDS | {b"host", b"content-length", b"expect"}
_NOT_FOR_CLIENTS = HOP_BY_HOP | CORS_RESPONSE_HEADERS | {b"vary"}
# The spellings of a name double with each; no field in use has half as many.
_MOST_HYPHENS = 12
_LONGEST_REMEMBERED = 256

_line = b": ".join


class _ResponsePlan:
    """What becomes of each response to a route whose fields have certain names.

    Attributes:
        mask: Which of the fields pass.
        connection_at: Where the one Connection is; None where there is none, -1 for several.
        rewrites: Whether there is a field that may name one of the upstream's places.
        varies: Whether there is Vary; `vary_at` says where, if there is one alone.
        vary_at: -1 where there is more than one.
        challenges: Whether there is a challenge.
        dated: Whether there is Date.
    """

    __slots__ = (
        "challenges",
        "connection_at",
        "dated",
        "mask",
        "rewrites",
        "varies",
        "vary_at",
    )

    def __init__(self, names: HeadNames, gone: frozenset[bytes]) -> None:
        self.mask = names.mask(gone)
        self.connection_at = names.connection_at if b"connection" in names.names else None
        self.rewrites = not REWRITTEN.isdisjoint(names.names)
        self.varies = b"vary" in names.names
        one = names.lowered.count(b"vary") == 1
        self.vary_at = names.lowered.index(b"vary") if one else -1
        self.challenges = b"www-authenticate" in names.names
        self.dated = b"date" in names.names


class RouteShape:
    """What a route makes of each head; whatever can be worked out once is.

    Args:
        route: How it is configured.
        prefix: Its prefix percent-encoded, as it stands in a target; empty for ``/``.
        depth: How many segments the prefix has; so many are stripped, where it is.
        own_fields: Lower-cased names of fields that the upstream's credentials own.
        credentialed: Whether the gate adds credentials.
        fixed: The fields that sign every request alike.
        pseudonym: What this process calls itself in Via.
        shortcuts: Which ones are taken.

    Attributes:
        route: As above.
        prefix: As above.
        depth: As above.
        credentialed: As above.
        pseudonym: As above.
        maps_target: Whether all servers get other targets than the client sent.
    """

    __slots__ = (
        "_drop_request",
        "_drop_response",
        "_ending",
        "_ending_lines",
        "_fixed",
        "_names_of",
        "_passed",
        "_plans",
        "_preserves_host",
        "_via",
        "credentialed",
        "depth",
        "maps_target",
        "prefix",
        "pseudonym",
        "route",
    )

    def __init__(
        self,
        route: Route,
        prefix: bytes,
        depth: int,
        *,
        own_fields: frozenset[bytes] = frozenset(),
        credentialed: bool = False,
        fixed: Sequence[Header] = (),
        pseudonym: bytes = b"corsgate",
        shortcuts: Shortcuts = ALL,
    ) -> None:
        self.route = route
        self.prefix = prefix
        self.depth = depth
        self.credentialed = credentialed
        self.pseudonym = pseudonym
        self.maps_target = route.strip_prefix and depth > 0
        self._preserves_host = route.upstream.preserve_host
        self._passed = frozenset(name.lower().encode() for name in route.pass_headers)
        self._via = via(pseudonym=pseudonym)
        self._fixed = tuple(fixed)
        self._ending: Sequence[Header] = (self._via, *self._fixed)
        self._ending_lines = field_lines(self._ending)
        # The route's methods were checked against the request line alone.
        overrides = METHOD_OVERRIDES if route.methods is not None else frozenset()
        self._drop_request = DroppedFields(_spelled(own_fields | overrides), self._passed)
        # A browser that sees the upstream's challenge asks its user for a password.
        withheld = {b"www-authenticate", b"authentication-info"} if credentialed else set()
        self._drop_response = _NOT_FOR_CLIENTS | {b"content-length"} | withheld
        self._plans: dict[HeadNames, _ResponsePlan] = {}
        self._names_of: Callable[[Iterable[Header]], HeadNames] = (
            head_names if shortcuts.head_names else _forgotten_names
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
    ) -> RequestHead:
        """Return the head that a server gets, signed where all requests are signed alike.

        Args:
            head: The client's.
            server: Where it goes.
            client: Who asks.
            offers: The protocols that it may switch to.
            trailers: Whether the client takes trailers.
            expect: Whether the client waits for the server's 100 Continue.
            framing: For a request without a body, the line that says so or no line; the head is
                made ready to be written then.

        Returns:
            A head without hop-by-hop and framing fields, its target mapped to the server, with
            Host, Forwarded, X-Forwarded-* and Via (RFC 9110 7.2 and 7.6); its lines are ready.
        """
        host = self.host_for(server, client.authority)
        names = head.names or self._names_of(head.headers)
        passed = passing(head.headers, names, self._drop_request)
        told, told_lines = self._told(head, client)
        ending, ending_lines = self._ending, self._ending_lines
        if offers or trailers or expect:
            ending = self._ending_with(offers, trailers=trailers, expect=expect)
            ending_lines = field_lines(ending)
        lines = b"\r\n".join([b"Host: " + host, *map(_line, passed), told_lines + ending_lines])
        target = head.target
        if self.maps_target or server.base_path:
            target = self.upstream_target(target, server)
        method, headers = head.method, [(b"Host", host), *passed, *told, *ending]
        wire = None
        if framing is not None:
            wire = b"%b %b HTTP/1.1\r\n%b%b\r\n" % (method, target, lines, framing)
        return RequestHead(method, target, headers, lines, None, wire)

    def upstream_target(self, target: bytes, server: Server) -> bytes:
        """Return the target that a server gets for a client's."""
        if self.route.strip_prefix:
            target = strip_segments(target, self.depth)
        return join_base(server.base_path, target) if server.base_path else target

    def client_head(
        self,
        response: ResponseHead,
        server: Server,
        decision: Decision,
        *,
        authority: bytes,
        gate_origin: bytes,
        shared: bool = False,
        cookie: bytes | None = None,
    ) -> ResponseHead:
        """Return the head that the client gets.

        Args:
            response: The upstream's.
            server: Where it came from.
            decision: Whose CORS headers take the place of the upstream's.
            authority: The client's Host value.
            gate_origin: Scheme and authority by which the client reached the gate.
            shared: Whether the client's connection may carry the requests of several users. A
                proxy's next user would be taken for the one who met a challenge that binds it.
            cookie: The value of a Set-Cookie of the gate's own, or None.

        Returns:
            A head without hop-by-hop and framing fields, the upstream's places turned to the
            gate's, and with one Vary for both. Its lines are ready if it has a Date.
        """
        came = response.headers
        names = response.names or self._names_of(came)
        plan = self._plans.get(names) or self._plan_for(names)
        headers = list(compress(came, plan.mask))
        at, dated = plan.connection_at, plan.dated
        if at is not None and (at < 0 or came[at][1] not in names.harmless):
            headers = without_named(headers, came, names)
            # Connection may name any field, even Date.
            dated = any(name.lower() == b"date" for name, _ in headers)
        if plan.rewrites:
            headers = rewrite(
                headers,
                server=server,
                sent_host=self.host_for(server, authority),
                prefix=self.prefix,
                strip_prefix=self.route.strip_prefix,
                gate_origin=gate_origin,
            )
        if decision.exposes_all:
            decision = decision.exposing(headers)
        if plan.challenges and shared:
            headers = without_connection_challenges(headers)
        ours, our_lines = decision.headers, decision.lines
        if plan.varies:
            ours, our_lines = _with_vary(decision, _vary_of(came, plan.vary_at, decision.vary))
        if cookie is not None:
            field = (b"Set-Cookie", cookie)
            ours, our_lines = (*ours, field), our_lines + field_lines((field,))
        lines = b"\r\n".join([*map(_line, headers), our_lines]) if dated else None
        headers += ours
        return ResponseHead(response.status, response.reason, headers, lines)

    def interim_head(self, response: ResponseHead) -> ResponseHead:
        """Return the head of an interim response that the client gets (RFC 9110 15.2).

        It says nothing of a length, which belongs to the final response alone (8.6).
        """
        headers = end_to_end(response.headers, self._drop_response)
        return ResponseHead(status=response.status, reason=response.reason, headers=headers)

    def request_trailers(self, trailers: HeaderList) -> HeaderList:
        """Return the trailers that a server gets; what is dropped of a head is of them too."""
        return forwardable_trailers(trailers, self._drop_request)

    def response_trailers(self, trailers: HeaderList) -> HeaderList:
        """Return the trailers that the client gets; what is dropped of a head is of them too."""
        return forwardable_trailers(trailers, self._drop_response)

    def host_for(self, server: Server, authority: bytes) -> bytes:
        """Return the Host value that a server is sent."""
        return authority if self._preserves_host and authority else server.host_value

    def _told(self, head: RequestHead, client: Client) -> tuple[Sequence[Header], bytes]:
        """Return the fields that say who asks, and their lines."""
        if client.trusted:
            told = forwarded(
                head.headers,
                peer=client.peer,
                scheme=client.scheme,
                host=client.authority,
                trusted=True,
                passed=self._passed,
            )
            return told, field_lines(told)
        if len(client.authority) > _LONGEST_REMEMBERED:
            return _told_of.__wrapped__(client.peer, client.scheme, client.authority)
        return _told_of(client.peer, client.scheme, client.authority)

    def _ending_with(
        self, offers: Sequence[bytes], *, trailers: bool, expect: bool
    ) -> Sequence[Header]:
        """Return the last fields of a head that asks for more than a plain response."""
        ending = [self._via]
        if expect:
            ending.append((b"Expect", b"100-continue"))
        options = []
        if trailers:
            ending.append((b"TE", b"trailers"))
            options.append(b"TE")
        if offers:
            ending.append((b"Upgrade", b", ".join(offers)))
            options.append(b"Upgrade")
        if options:
            ending.append((b"Connection", b", ".join(options)))
        return (*ending, *self._fixed)

    def _plan_for(self, names: HeadNames) -> _ResponsePlan:
        plan = _ResponsePlan(names, self._drop_response)
        if names.remembered:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            self._plans[names] = plan
        return plan


@lru_cache(maxsize=1024)
def _told_of(peer: str, scheme: bytes, authority: bytes) -> tuple[Sequence[Header], bytes]:
    """Return the fields that say who asks, whose word counts for nothing, and their lines."""
    told = forwarded((), peer=peer, scheme=scheme, host=authority, trusted=False)
    return told, field_lines(told)


def _forgotten_names(headers: Iterable[Header]) -> HeadNames:
    """Return what `head_names` does, and remember nothing."""
    return HeadNames([name for name, _ in headers])


def _vary_of(headers: Sequence[Header], at: int, ours: bytes) -> bytes | None:
    """Return the one Vary for an upstream's and the gate's own."""
    if at < 0:
        return merge_vary([value for name, value in headers if name.lower() == b"vary"], ours)
    value = headers[at][1]
    return merge_vary([value], ours) if len(value) > _LONGEST_REMEMBERED else _merged(value, ours)


@lru_cache(maxsize=256)
def _merged(theirs: bytes, ours: bytes) -> bytes | None:
    return merge_vary([theirs], ours)


def _with_vary(decision: Decision, vary: bytes | None) -> tuple[tuple[Header, ...], bytes]:
    """Return a decision's headers with another Vary, and their lines."""
    ours, lines = decision.besides_vary, decision.lines_besides_vary
    if vary is None:
        return ours, lines
    return (*ours, (b"Vary", vary)), b"%bVary: %b\r\n" % (lines, vary)


# Thousands of routes may have the same few upstreams.
@lru_cache(maxsize=64)
def _spelled(names: frozenset[bytes]) -> frozenset[bytes]:
    """Return all names that a server may take for these or for those that never pass."""
    return frozenset().union(*(_spellings(name) for name in _OF_THIS_HOP | names))


def _spellings(name: bytes) -> set[bytes]:
    """Return all names that a server may take for this one.

    Servers behind CGI, WSGI or PHP read ``_`` in a name as ``-`` (RFC 3875 4.1.18). Worked out
    beforehand, so that no request pays for it.
    """
    first, *rest = name.replace(b"_", b"-").split(b"-")
    if len(rest) > _MOST_HYPHENS:
        return {name, b"-".join([first, *rest]), b"_".join([first, *rest])}
    spelled = {first}
    for part in rest:
        spelled = {each + mark + part for each in spelled for mark in (b"-", b"_")}
    return spelled
