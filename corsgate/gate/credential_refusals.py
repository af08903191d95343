"""Servers that refuse the gate's own credentials: recorded by server, and logged sometimes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs
from twisted.logger import Logger

from corsgate.balance.state import ServerState
from corsgate.config.model.credentials import Credentials
from corsgate.cors.debug import REASON, may_know
from corsgate.credentials.refusal import REFUSED, refusal_words
from corsgate.gate.login_hint import login_hint
from corsgate.message.head import ResponseHead
from corsgate.message.host import is_loopback_address
from corsgate.transport.log_throttle import Throttle

if TYPE_CHECKING:
    from corsgate.gate.compiled_route import CompiledRoute
    from corsgate.server.request import GateRequest
    from corsgate.upstream.response import UpstreamResponse

__all__ = ["REFUSED", "CredentialRefusal", "CredentialRefusals", "note_response"]

MAX_SERVERS: Final = 1000
"""The maximum number of servers with recorded refusals, since discovery may bring new ones."""

INTERVAL_S: Final = {401: 60.0, 403: 3600.0}
"""The minimum time in seconds between two lines about a server, by status. A 403 is more often
about a single resource than about the credentials."""

HINT_S: Final = 3600.0
"""The minimum time in seconds between two suggestions for an upstream without credentials. Clients
may log in on their own, so that a 401 is usual."""

_log = Logger()


@attrs.frozen(kw_only=True)
class CredentialRefusal:
    """A server's last refusal.

    Attributes:
        time_s: When it was, in seconds since 1970.
        status: 401 or 403.
        words: Its meaning, in one line without a secret.
        count: How often the server has refused since it last accepted a request.
    """

    time_s: float
    status: int
    words: str
    count: int


class _Throttles:
    """Limits the log lines about one server."""

    __slots__ = ("by_status", "logged")

    def __init__(self) -> None:
        self.by_status = {status: Throttle(interval_s=s) for status, s in INTERVAL_S.items()}
        # Whether a refusal was logged, so that its end has to be logged as well.
        self.logged = False


class CredentialRefusals:
    """Records which servers of an upstream refuse the gate's credentials.

    Args:
        upstream: The upstream's name, for the log.
        credentials: Its credentials, or None.
        clock: Returns the reactor's seconds.
        wall_clock: Returns the seconds since 1970.
        has_file: Whether the gate has a configuration file.

    Attributes:
        any: Whether a server has refused and not accepted a request since. If it is False, only
            responses with a status in `REFUSED` need to be recorded.
    """

    __slots__ = (
        "_clock",
        "_credentials",
        "_has_file",
        "_hints",
        "_last",
        "_throttles",
        "_upstream",
        "_wall_clock",
        "any",
    )

    def __init__(
        self,
        upstream: str,
        credentials: Credentials | None,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        *,
        has_file: bool = True,
    ) -> None:
        self.any = False
        self._upstream = upstream
        self._credentials = credentials
        self._clock = clock
        self._wall_clock = wall_clock
        self._last: dict[str, CredentialRefusal] = {}
        self._throttles: dict[str, _Throttles] = {}
        self._has_file = has_file
        self._hints = Throttle(interval_s=HINT_S)

    def last(self, origin: str) -> CredentialRefusal | None:
        """Return the last refusal of a server; None if it has accepted a request since."""
        return self._last.get(origin)

    def note(self, origin: str, head: ResponseHead, *, signed: bool = True) -> str:
        """Record a response to a request with the gate's credentials.

        Args:
            origin: The server's origin.
            head: The response's head, with any status.
            signed: Whether the request had the credentials.

        Returns:
            The meaning of a refusal; empty if the response is not one.
        """
        if head.status in REFUSED:
            return self._refused(origin, head, signed)
        # Servers may send 404 and 5xx before they check credentials. Success without credentials
        # proves nothing, since the page may be public.
        if signed and head.status < 400 and origin in self._last:
            self._accepted(origin)
        return ""

    def suggest(self, origin: str, head: ResponseHead) -> None:
        """Log which credentials a server asks for, if the upstream has none.

        Args:
            origin: The server's origin.
            head: The head of a 401.
        """
        words = login_hint(head.headers, self._upstream, has_file=self._has_file)
        if words and self._hints.due(self._clock()) is not None:
            _log.info(
                "upstream {upstream}, server {server}: {words}",
                upstream=self._upstream,
                server=origin,
                words=words,
            )

    def _refused(self, origin: str, head: ResponseHead, signed: bool) -> str:
        assert self._credentials is not None, "nothing was refused"
        status = head.status
        words = refusal_words(self._credentials, status, head.headers, signed=signed)
        before = self._last.get(origin)
        if before is not None and before.status == 401 and status == 403:
            # The 401 is about the credentials themselves; the 403 may be about a single resource.
            return words
        count = 1 if before is None or before.status != status else before.count + 1
        self._bound(origin)
        self._last[origin] = CredentialRefusal(
            time_s=self._wall_clock(), status=status, words=words, count=count
        )
        self.any = True
        throttles = self._throttles.setdefault(origin, _Throttles())
        more = throttles.by_status[status].due(self._clock())
        if more is not None:
            throttles.logged = throttles.logged or status == 401
            log = _log.warn if status == 401 else _log.info
            log(
                "upstream {upstream}, server {server}: {words}{more}",
                upstream=self._upstream,
                server=origin,
                words=words,
                more=more,
            )
        return words

    def _accepted(self, origin: str) -> None:
        del self._last[origin]
        self.any = bool(self._last)
        throttles = self._throttles[origin]
        if throttles.logged:
            throttles.logged = False
            _log.info(
                "upstream {upstream}, server {server}: the server accepts the gate's credentials"
                " again",
                upstream=self._upstream,
                server=origin,
            )

    def _bound(self, origin: str) -> None:
        """Make room for a server: remove the one that refused first."""
        if origin not in self._throttles and len(self._throttles) >= MAX_SERVERS:
            oldest = next(iter(self._throttles))
            del self._throttles[oldest]
            self._last.pop(oldest, None)


def note_response(
    request: GateRequest,
    route: CompiledRoute,
    state: ServerState,
    response: UpstreamResponse,
    *,
    signed: bool,
) -> None:
    """Record and count a refusal; explain it in the response if the client may know the reason.

    If the upstream has no credentials, and the client has not logged in on its own, the log gets a
    suggestion.

    These are the clients that may know why a policy refused a request: with ``debug``, a client on
    the gate's machine, and pages of ``debug_origins``.

    Args:
        request: The client's request.
        route: Its route.
        state: The server.
        response: The server's response.
        signed: Whether the server got the credentials.
    """
    head, refusals = response.head, route.upstream.credential_refusals
    if route.upstream.credentials is None:
        if head.status == 401 and b"authorization" not in request.index:
            refusals.suggest(state.server.origin, head)
        return
    words = refusals.note(state.server.origin, head, signed=signed)
    if words and state.counters is not None:
        state.counters.credentials_refused[head.status] += 1
    policy = route.policy
    if words and policy is not None and policy.debugs:
        is_local = is_loopback_address(request.log.client)
        if may_know(policy, request.index, loopback=is_local):
            headers = [*head.headers, (REASON, words.encode("ascii"))]
            response.head = ResponseHead(head.status, head.reason, headers)
