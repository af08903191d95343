"""What a route makes of an upstream's head: the head that the client gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import compress

from corsgate.config.model.values import Route, Server
from corsgate.cors.decide import CORS_RESPONSE_HEADERS, Decision, merge_vary
from corsgate.message.connection_auth import without_connection_challenges
from corsgate.message.head import ResponseHead
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
from corsgate.message.location import REWRITTEN, rewrite
from corsgate.shortcuts import ALL, Shortcuts

MAX_PLANS = 64
"""For how many tuples of a response's names each route keeps what becomes of it. They are its
upstream's: where there are more, none comes often."""

_NOT_FOR_CLIENTS = HOP_BY_HOP | CORS_RESPONSE_HEADERS | {b"vary"}
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


class ResponseShape:
    """What a route makes of each response's head; whatever can be worked out once is.

    Args:
        route: How it is configured.
        prefix: Its prefix percent-encoded, as it stands in a target; empty for ``/``.
        credentialed: Whether the gate adds credentials.
        sent_host: Returns the Host value that a server was sent, for the client's.
        shortcuts: Which ones are taken.
    """

    __slots__ = ("_dropped", "_names_of", "_plans", "_prefix", "_sent_host", "_strips_prefix")

    def __init__(
        self,
        route: Route,
        prefix: bytes,
        *,
        credentialed: bool = False,
        sent_host: Callable[[Server, bytes], bytes],
        shortcuts: Shortcuts = ALL,
    ) -> None:
        self._prefix = prefix
        self._strips_prefix = route.strip_prefix
        self._sent_host = sent_host
        # A browser that sees the upstream's challenge asks its user for a password.
        withheld = {b"www-authenticate", b"authentication-info"} if credentialed else set()
        self._dropped = (
            _NOT_FOR_CLIENTS | {b"content-length"} | withheld | route.response_headers.dropped
        )
        self._plans: dict[HeadNames, _ResponsePlan] = {}
        self._names_of: Callable[[Iterable[Header]], HeadNames] = (
            head_names if shortcuts.head_names else forget_names
        )

    def client_head(
        self,
        response: ResponseHead,
        server: Server,
        decision: Decision,
        *,
        authority: bytes,
        gate_origin: bytes,
        shared: bool = False,
        added: Iterable[Header] = (),
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
            added: Further fields of the gate's own.

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
                sent_host=self._sent_host(server, authority),
                prefix=self._prefix,
                strip_prefix=self._strips_prefix,
                gate_origin=gate_origin,
            )
        headers += added
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

    def interim_head(self, response: ResponseHead) -> ResponseHead:
        """Return the head of an interim response that the client gets (RFC 9110 15.2).

        It says nothing of a length, which belongs to the final response alone (8.6).
        """
        headers = end_to_end(response.headers, self._dropped)
        return ResponseHead(status=response.status, reason=response.reason, headers=headers)

    def response_trailers(self, trailers: HeaderList) -> HeaderList:
        """Return the trailers that the client gets; what is dropped of a head is of them too."""
        return forwardable_trailers(trailers, self._dropped)

    def _plan_for(self, names: HeadNames) -> _ResponsePlan:
        plan = _ResponsePlan(names, self._dropped)
        if names.remembered:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            self._plans[names] = plan
        return plan


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
