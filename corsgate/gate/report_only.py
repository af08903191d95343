"""A policy tried beside the one that counts: what it would change, logged and counted."""

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
        label: The route's.
        policy: What is tried.

    Attributes:
        tried: How many requests it was tried on.
        changes: How many of them it would have changed, by what would change.
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
        """Decide on a request once more; note what would have been another decision.

        Args:
            request: The request.
            live: What was decided.
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
