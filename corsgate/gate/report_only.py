"""A policy that is tried alongside the live one; what it would change is logged and counted."""

from __future__ import annotations

from collections import Counter

from twisted.logger import Logger

from corsgate.cors.compare import change
from corsgate.cors.decide import Decision, decide
from corsgate.cors.policy import Policy
from corsgate.gate.log_text import shown_bytes
from corsgate.server.request import GateRequest
from corsgate.transport.log_throttle import Throttle

_log = Logger()


class ReportOnly:
    """A route's ``cors_report_only``.

    Args:
        label: The route's label.
        policy: The policy to try.

    Attributes:
        tried: How many requests it was tried on.
        changes: How many of these it would have changed, by kind of change.
    """

    def __init__(self, label: str, policy: Policy) -> None:
        self.tried = 0
        self.changes: Counter[str] = Counter()
        self._label = label
        self._policy = policy
        self._throttle = Throttle()

    def compare(
        self,
        request: GateRequest,
        live: Decision,
        own_origin: bytes,
        *,
        credentialed: bool,
        allow_framing: bool = False,
    ) -> None:
        """Decide on a request again by the tried policy; record any difference.

        Args:
            request: The request.
            live: The live policy's decision.
            own_origin: As for `decide`.
            credentialed: As for `decide`.
            allow_framing: As for `decide`.
        """
        self.tried += 1
        method, index = request.head.method, request.index
        tried = decide(
            self._policy,
            method,
            index,
            own_origin,
            credentialed=credentialed,
            allow_framing=allow_framing,
        )
        found = change(live, tried, has_origin=b"origin" in index)
        if found is None:
            return
        self.changes[found] += 1
        more = self._throttle.due(request.arrived_s)
        if more is not None:
            _log.info(
                "request {id} on route {route}: origin {origin}: cors_report_only {change}: "
                "{reason}{more}",
                id=request.log.id,
                route=self._label,
                origin=shown_bytes(index.get(b"origin")),
                change=found,
                reason=tried.reason,
                more=more,
            )
