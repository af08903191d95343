"""Everything about a request that its client, method and fields decide: computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from corsgate.cors.debug import tell
from corsgate.cors.decide import Verdict, decide, ungranted
from corsgate.cors.hint import hint
from corsgate.cors.names import FORBIDDEN_METHODS
from corsgate.cors.policy import Policy
from corsgate.cors.vouching import KEEP, origin_mode
from corsgate.gate.error_page import Problem, title_of
from corsgate.message.client import Client, gate_origin
from corsgate.message.connection_auth import credentials_bind
from corsgate.message.forwarded import UNKNOWN
from corsgate.message.head import RequestHead, ResponseHead, field_lines
from corsgate.message.headers import HeaderIndex, HeaderList, short_list
from corsgate.message.host import is_loopback_address
from corsgate.message.loops import loop_of
from corsgate.message.request_id import REQUEST_ID

if TYPE_CHECKING:
    from corsgate.gate.compiled_route import CompiledRoute

COMMON_METHODS: Final = (b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PUT")
"""Allow lists these on a route that serves every method. Methods that scripts can't send are left
out: TRACE and TRACK, in any case, would reveal the credentials that the gate adds."""

_OF_TARGET = (400, 414)


class Ruling:
    """Everything about a request on a route that its client, method and fields decide.

    Args:
        route: The route.
        client: The client.
        shown: The client's address in the log.
        head: The request's head.
        index: The request's fields.

    Attributes:
        live: The decision of the CORS policy.
        decision: The decision for the client: with the reason of a refusal, if the client may know.
        passes: Whether the request is forwarded, as far as its method and fields decide that.
        problem: The error response if it isn't forwarded; None for a preflight.
        outcome: The outcome for the access log, if it differs from the error's detail.
        refused: Why the CORS decision refused it; None if it didn't.
        ungranted: What the policy does not grant to a request that is nevertheless forwarded.
        confines: Whether requests without CORS are restricted, because they would carry
            credentials.
        gate_origin: The gate's origin, as the client's browser sees it.
        takes_trailers: Whether the client accepts trailers (RFC 9110 10.1.4).
        binds: Whether its credentials authenticate the upstream connection that carries them.
        shared: Whether the client's connection may carry the requests of several users.
        pins_none: Whether no upstream connection may be pinned to the client's connection: that is
            shared, or the gate itself logs in.
        origin_mode: Which Origin and Referer the upstream gets, see
            `corsgate.cors.vouching.origin_mode`.
    """

    # Defaults are in the class, because most requests never set these.
    passes = False
    problem: Problem | None = None
    outcome: str | None = None
    refused: str | None = None
    takes_trailers = False
    binds = False
    origin_mode = KEEP
    _preflight_status = 204
    _reason = b""
    _no_content: tuple[bytes, HeaderList, bytes] | None = None

    def __init__(
        self,
        route: CompiledRoute,
        client: Client,
        shown: str,
        head: RequestHead,
        index: HeaderIndex,
    ) -> None:
        method, policy = head.method, route.policy
        self.gate_origin = gate_origin(client, head.headers)
        # A session cookie that any site's requests carry is like the gate's own credentials.
        self.confines = route.credentialed or (
            route.carries_sessions and b"cookie" in index and self.gate_origin.startswith(b"https:")
        )
        self.live = self.decision = decision = decide(
            policy,
            method,
            index,
            self.gate_origin,
            credentialed=self.confines,
            allow_framing=route.route.allow_framing,
        )
        self.ungranted = ungranted(policy, method, index, decision)
        if b"te" in index:
            codings = [coding.lower() for coding in short_list(index[b"te"]) or ()]
            self.takes_trailers = b"trailers" in codings
        # A client's own credentials don't reach an upstream that gets the gate's.
        if b"authorization" in index and not route.authenticates:
            self.binds = credentials_bind(index[b"authorization"])
        self.shared = client.trusted or client.peer == UNKNOWN
        self.pins_none = self.shared or route.authenticates
        if decision.verdict is Verdict.FORWARD:
            self.passes = (
                b"via" not in index
                and b"cdn-loop" not in index
                and method.upper() not in FORBIDDEN_METHODS
                and (route.methods is None or method in route.methods)
            ) or self._look_further(route, method, index)
            if b"origin" in index or b"referer" in index:
                self.origin_mode = origin_mode(
                    route.origin,
                    policy,
                    decision,
                    method,
                    index,
                    self.gate_origin,
                    hosts_checked=client.hosts_checked,
                )
            return
        if policy is not None:
            self._preflight_status = policy.source.preflight_status
        if decision.verdict is Verdict.REFUSE:
            self._refuse(policy, shown, index)

    def precedes(self, status: int, *, after_policy: bool = False) -> bool:
        """Return whether the policy's own response takes precedence over a refusal.

        A page learns only that a preflight has failed, not why. So a preflight whose target is
        refused gets its usual response: the request after it has the same target, and is refused.

        Args:
            status: The status of the refusal.
            after_policy: Whether the refusal only applies to requests that the policy allows.
        """
        if status in _OF_TARGET and self.live.verdict is Verdict.PREFLIGHT:
            return True
        return after_policy and not self.passes

    def no_content(self, date: bytes, request_id: str) -> ResponseHead:
        """Return the head of the response to a preflight.

        Args:
            date: The value of Date. Most of the head is cached until this changes.
            request_id: The id of the request.
        """
        if self._no_content is None or self._no_content[0] is not date:
            headers = [*self.decision.headers, (b"Date", date)]
            self._no_content = (date, headers, field_lines(headers))
            self._reason = title_of(self._preflight_status).encode("ascii")
        _, headers, lines = self._no_content
        own = request_id.encode("ascii")
        headers, lines = [*headers, (REQUEST_ID, own)], b"%bX-Request-Id: %b\r\n" % (lines, own)
        return ResponseHead(self._preflight_status, self._reason, headers, lines)

    def _refuse(self, policy: Policy | None, shown: str, index: HeaderIndex) -> None:
        """Prepare the response to a request that its CORS policy refuses."""
        self.outcome = self.refused = self.live.reason
        if policy is not None and policy.debugs:
            loopback = is_loopback_address(shown)
            self.decision = tell(policy, self.live, index, loopback=loopback)
        if self.decision.verdict is not Verdict.PREFLIGHT:
            self.problem = Problem(status=403, detail=hint(policy, index.get(b"origin", ())))

    def _look_further(self, route: CompiledRoute, method: bytes, index: HeaderIndex) -> bool:
        """Check for reasons not to forward a request that its policy allows.

        Returns:
            Whether there is none.
        """
        loop = loop_of(index.get(b"via", ()), route.pseudonym) or loop_of(
            index.get(b"cdn-loop", ()), route.pseudonym
        )
        if loop:
            self.outcome = f"the request is in a loop: {loop}"
            self.problem = Problem(status=508, detail=f"The request is in a loop: {loop}.")
            return False
        forbidden = method.upper() in FORBIDDEN_METHODS
        if forbidden or (route.methods is not None and method not in route.methods):
            allow = b", ".join(sorted(route.methods or COMMON_METHODS))
            self.problem = Problem(
                status=405,
                detail="This route does not allow this method.",
                headers=((b"Allow", allow),),
            )
            return False
        return True
