"""How the gate stops serving: exchanges may finish for a limited time, then they are ended.

The timeline, in seconds since the drain began:

=====================  ==================================================================
0                      no connection is accepted; idle ones are closed; responses have
                       `Connection: close`; HTTP/2 gets GOAWAY; event streams end after
                       the current event
`tunnel_grace`         clients of WebSockets get a Close frame with 1001 after the current
                       message; other tunnels and endless responses are cut
`CLOSING_S` later      tunnels that are still open are cut
`drain_timeout`        everything is cut
=====================  ==================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.logger import Logger

from corsgate.config.model.values import Limits
from corsgate.gate.drain_report import DrainReport
from corsgate.server.request import GateRequest
from corsgate.server.site import STOPPED, GateSite
from corsgate.transport.endless import CLOSING_S, Fate, Stage

AGAIN_S = 1.0
"""The interval in seconds at which connections accepted during the drain are closed."""


def grace_s(limits: Limits) -> float:
    """Return how long tunnels may continue, in seconds; this leaves enough time to close them."""
    return max(0.0, min(limits.tunnel_grace_s, limits.drain_timeout_s - CLOSING_S))


class Drain:
    """Ends the exchanges of some listeners.

    Args:
        sites: The sites of the listeners.
        limits: How long it may take.
        reactor: The clock.
        ended: The start of the log line about the drain, such as "stopped".
        outcome: The outcome of cut requests in the access log.

    Attributes:
        report: How the exchanges have ended so far.
    """

    _log = Logger()

    def __init__(
        self,
        sites: Sequence[GateSite],
        limits: Limits,
        reactor: Any,
        *,
        ended: str = "stopped",
        outcome: str = STOPPED,
    ) -> None:
        self.report = DrainReport()
        self._sites = sites
        self._limits = limits
        self._reactor = reactor
        self._ended = ended
        self._outcome = outcome
        self._calls: list[IDelayedCall] = []

    def run(self, stopped: Sequence[Deferred[Any]] = ()) -> Deferred[DrainReport]:
        """Start the drain, and log at the end what was cut.

        Args:
            stopped: Deferreds that fire when the listening sockets are closed.

        Returns:
            A Deferred that fires when no connection is left, after `drain_timeout` at the latest.
        """
        for site in self._sites:
            context = site.context
            # From now on each response has Connection: close, also on connections accepted last.
            context.draining = True
            context.record = partial(self._record, site, context.record)
        limits = self._limits
        grace = grace_s(limits)
        self._later(grace, self._advance, Stage.ENDING)
        self._later(grace + CLOSING_S, self._advance, Stage.CUTTING)
        self._later(limits.drain_timeout_s, self.cut)
        return Deferred.fromCoroutine(self._run(stopped))

    def cut(self) -> None:
        """Cut every connection."""
        for site in self._sites:
            site.abort(self._outcome)

    async def _run(self, stopped: Sequence[Deferred[Any]]) -> DrainReport:
        began = self._reactor.seconds()
        try:
            await gatherResults(stopped)
            # One turn of the reactor later, requests that had arrived on idle connections are read.
            await deferLater(self._reactor, 0)
            emptied = [site.drain() for site in self._sites]
            self._later(AGAIN_S, self._again)
            await gatherResults(emptied)
        finally:
            for call in self._calls:
                if call.active():
                    call.cancel()
        self.report.seconds = self._reactor.seconds() - began
        self._log.info("{ended} after {report}", ended=self._ended, report=self.report)
        return self.report

    def _later(self, seconds: float, act: Callable[..., None], *args: object) -> None:
        self._calls.append(self._reactor.callLater(seconds, act, *args))

    def _advance(self, stage: Stage) -> None:
        for site in self._sites:
            site.advance(stage)

    def _again(self) -> None:
        for site in self._sites:
            site.connections.drain_again()
        self._calls = [call for call in self._calls if call.active()]
        self._later(AGAIN_S, self._again)

    def _record(
        self, site: GateSite, record: Callable[[GateRequest], None], request: GateRequest
    ) -> None:
        """Count a request that has ended, whether or not the drain ended it."""
        endless = site.context.endless.of(request)
        is_cut = request.log.outcome == self._outcome
        if endless is not None:
            fate = Fate.CUT if is_cut else endless.fate
            self.report.count(endless.kind, fate, lost=fate is Fate.NONE and _is_lost(request))
        else:
            fate = Fate.CUT if is_cut else Fate.NONE
            self.report.count(
                _kind_of(request) if is_cut else "request", fate, lost=_is_lost(request)
            )
        record(request)


def _kind_of(request: GateRequest) -> str:
    """Return a noun for the log: the part of a request that was cut."""
    if request.body is not None and not request.body.complete:
        return "upload"
    return "download" if request.startedWriting else "request without a response"


def _is_lost(request: GateRequest) -> bool:
    outcome = request.log.outcome
    return outcome is not None and outcome.startswith("the client ")
