"""Makes the head that the client gets from the head of an upstream's response."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import compress

from corsgate.config.model.values import Route, Server
from corsgate.cors.decide import CORS_RESPONSE_HEADERS, Decision, merge_vary
from corsgate.cors.faults import injected_names
from corsgate.message.connection_auth import WITHHELD_CHALLENGES, without_connection_challenges
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import (
    HOP_BY_HOP,
    Header,
    HeaderList,
    HeadNames,
    end_to_end,
    forget_names,
    forwardable_trailers,
    head_names,
    without_named,
)
from corsgate.message.location import REWRITTEN, check_redirect, rewrite
from corsgate.message.request_id import REQUEST_ID, REQUEST_ID_NAME
from corsgate.message.set_cookie import CookieRules
from corsgate.message.uri_mapping import AddressMap, Mount
from corsgate.shortcuts import ALL, Shortcuts

MAX_PLANS = 64
"""The maximum number of plans that each route caches, one for each tuple of field names. If an
upstream sends more different tuples, each of them is rare."""

# Alt-Svc would lead a browser past the gate (RFC 7838 2.1).
_NOT_FOR_CLIENTS = HOP_BY_HOP | CORS_RESPONSE_HEADERS | {b"alt-svc", b"vary"}
_HSTS = b"strict-transport-security"
_CONDITIONAL = frozenset((_HSTS, b"upgrade"))
_LONGEST_REMEMBERED = 256

_line = b": ".join


class _ResponsePlan:
    """What to do with the fields of each response of a route whose fields have certain names.

    Attributes:
        mask: Which of the fields pass.
        connection_at: The index of the only Connection; None if there is none, -1 if several.
        rewrites: Whether there is a field that may contain an address of the upstream.
        varies: Whether there is Vary.
        vary_at: The index of the only Vary; -1 if there is none or several.
        challenges: Whether there is a challenge.
        conditional: Whether there is a field that passes only in some responses.
        dated: Whether there is Date.
    """

    __slots__ = (
        "challenges",
        "conditional",
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
        self.conditional = not _CONDITIONAL.isdisjoint(names.names)
        self.dated = b"date" in names.names


class ResponseShape:
    """Makes heads for clients from the responses of one route. Constant parts are computed once.

    Args:
        route: Its configuration.
        mount: How the route mounts its upstream.
        credentialed: Whether the gate adds credentials.
        shares_cookies: Whether pages of other sites may use the upstream's cookies over https.
        sent_host: Returns the Host value that a server was sent, given the client's.
        shortcuts: Which shortcuts to take.
    """

    __slots__ = (
        "_adapts_cookies",
        "_dropped",
        "_dropped_beside",
        "_identifies",
        "_mount",
        "_names_of",
        "_plans",
        "_sent_host",
        "_shares_cookies",
    )

    def __init__(
        self,
        route: Route,
        mount: Mount,
        *,
        credentialed: bool = False,
        shares_cookies: bool = False,
        sent_host: Callable[[Server, bytes], bytes],
        shortcuts: Shortcuts = ALL,
    ) -> None:
        cookies = route.upstream.addresses.cookies
        self._mount = mount
        self._adapts_cookies = cookies == "adapt"
        self._shares_cookies = shares_cookies
        self._sent_host = sent_host
        withheld = set(WITHHELD_CHALLENGES) if credentialed else set()
        # If a cookie is a secret that the gate adds, the upstream may renew it with any response.
        if cookies == "drop" or "cookie" in injected_names(route.upstream):
            withheld.add(b"set-cookie")
        withheld |= route.response_headers.dropped
        # The server's id is not in the gate's log, and a response should have only one id.
        passes_id = any(name.lower() == "x-request-id" for name in route.pass_headers)
        self._identifies = not passes_id and REQUEST_ID_NAME not in route.response_headers.named
        if not passes_id:
            withheld.add(REQUEST_ID_NAME)
        self._dropped = _NOT_FOR_CLIENTS | {b"content-length"} | withheld
        # Only the final head may tell browsers how to reach the host from now on (HSTS).
        self._dropped_beside = self._dropped | {_HSTS}
        self._plans: dict[HeadNames, _ResponsePlan] = {}
        self._names_of: Callable[[Iterable[Header]], HeadNames] = (
            head_names if shortcuts.head_names else forget_names
        )

    def client_head(
        self,
        response: ResponseHead,
        server: Server,
        decision: Decision,
        asked: RequestHead,
        *,
        authority: bytes,
        gate_origin: bytes,
        shared: bool = False,
        added: Iterable[Header] = (),
        request_id: str = "",
    ) -> ResponseHead:
        """Return the head for the client.

        Args:
            response: The head from the upstream.
            server: The server that sent it.
            decision: Its CORS headers replace the upstream's.
            asked: The client's request.
            authority: The client's Host value.
            gate_origin: The scheme and authority with which the client reached the gate.
            shared: Whether several users may share the client's connection, as with a proxy. Then
                challenges that bind a connection are removed, or users could be confused.
            added: Further fields that the gate adds.
            request_id: The id of the request.

        Raises:
            RedirectLoop: The redirect would send the client in a loop.

        Returns:
            A head without hop-by-hop and framing fields, with the gate's addresses instead of the
            upstream's, and with one merged Vary. Its lines are ready if it has a Date.
        """
        came = response.headers
        names = response.names or self._names_of(came)
        plan = self._plans.get(names) or self._plan_for(names)
        headers = list(compress(came, plan.mask))
        at, dated = plan.connection_at, plan.dated
        if at is not None and (at < 0 or came[at][1] not in names.harmless):
            headers = without_named(headers, came, names)
            # Connection may list any field, even Date.
            dated = any(name.lower() == b"date" for name, _ in headers)
        if plan.rewrites:
            headers = self._rewrite(response.status, headers, server, asked, authority, gate_origin)
        if plan.conditional:
            headers = _fitting(headers, response, gate_origin)
        headers += added
        if self._identifies:
            headers.append((REQUEST_ID, request_id.encode("ascii")))
        if decision.exposes_all:
            decision = decision.exposing(headers)
        if plan.challenges and shared:
            headers = without_connection_challenges(headers)
        ours, our_lines = decision.headers, decision.lines
        if plan.varies:
            ours, our_lines = _with_vary(decision, _vary_of(came, plan.vary_at, decision.vary))
        lines = b"\r\n".join([*map(_line, headers), our_lines]) if dated else None
        headers += ours
        return ResponseHead(response.status, response.reason, headers, lines)

    def interim_head(
        self, response: ResponseHead, server: Server, *, authority: bytes, gate_origin: bytes
    ) -> ResponseHead:
        """Return the head of an interim response for the client (RFC 9110 15.2).

        It has no Content-Length, which only the final response may have (8.6). Links in early hints
        lead to the gate (RFC 8297 2). The arguments are those of `client_head`.
        """
        headers = end_to_end(response.headers, self._dropped_beside)
        headers = rewrite(headers, self._addresses(server, authority, gate_origin), None)
        return ResponseHead(status=response.status, reason=response.reason, headers=headers)

    def response_trailers(self, trailers: HeaderList) -> HeaderList:
        """Return the trailers for the client, without the fields that are dropped from heads."""
        return forwardable_trailers(trailers, self._dropped_beside)

    def _rewrite(
        self,
        status: int,
        headers: HeaderList,
        server: Server,
        asked: RequestHead,
        authority: bytes,
        gate_origin: bytes,
    ) -> HeaderList:
        """Return a response's fields with the upstream's addresses replaced by the gate's."""
        addresses = self._addresses(server, authority, gate_origin)
        check_redirect(status, asked.method, asked.target, headers, addresses)
        cookies = CookieRules(
            plain_http=gate_origin.startswith(b"http:"),
            cross_site=self._shares_cookies and gate_origin.startswith(b"https:"),
        )
        return rewrite(headers, addresses, cookies if self._adapts_cookies else None)

    def _addresses(self, server: Server, authority: bytes, gate_origin: bytes) -> AddressMap:
        return AddressMap(
            self._mount,
            server,
            sent_host=self._sent_host(server, authority),
            gate_origin=gate_origin,
            authority=authority,
        )

    def _plan_for(self, names: HeadNames) -> _ResponsePlan:
        plan = _ResponsePlan(names, self._dropped)
        if names.remembered:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            self._plans[names] = plan
        return plan


def _fitting(headers: HeaderList, response: ResponseHead, gate_origin: bytes) -> HeaderList:
    """Return the fields for a response, with those of `_CONDITIONAL` that are right for it.

    Args:
        headers: The fields that have passed so far; none is Upgrade.
        response: The upstream's head.
        gate_origin: The scheme and authority with which the client reached the gate.
    """
    if not gate_origin.startswith(b"https:"):
        # RFC 6797 7.2: a response over plain HTTP must not have this field.
        headers = [field for field in headers if field[0].lower() != _HSTS]
    if response.status == 426:
        # RFC 9110 15.5.22: a 426 must list the protocols; 7.8: only with Connection. HTTP/2 allows
        # neither (RFC 9113 8.2.2), so its connections drop both.
        offers = [field for field in response.headers if field[0].lower() == b"upgrade"]
        headers = [*headers, *offers, (b"Connection", b"Upgrade")] if offers else headers
    return headers


def _vary_of(headers: Sequence[Header], at: int, ours: bytes) -> bytes | None:
    """Return the merged Vary of the upstream's and the gate's own."""
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
