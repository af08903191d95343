"""Exchanges that may never end on their own, such as WebSockets, and how a drain ends them."""

from __future__ import annotations

from enum import IntEnum, auto
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred

CLOSING_S: Final = 2.0
"""How many seconds a client has to end an exchange after it was asked to."""


class Stage(IntEnum):
    """The stage of a drain; the stages follow one another."""

    SERVING = auto()
    """There is no drain."""
    DRAINING = auto()
    """Exchanges that clients restart on their own end as soon as nothing is lost."""
    ENDING = auto()
    """`tunnel_grace` is over. Peers are asked to end; those that can't be asked are cut."""
    CUTTING = auto()
    """That time is over as well. The rest is closed, whatever the peers do."""
    ABORTING = auto()
    """All connections are cut at once."""


class Fate(IntEnum):
    """How a drain has ended an exchange."""

    NONE = auto()
    """Not at all: it continues, or has ended on its own."""
    ENDED = auto()
    """Cleanly, as its protocol requires."""
    CUT = auto()
    """Without that."""


class Endless(Protocol):
    """An exchange that may never end on its own.

    Attributes:
        kind: A noun for the log, such as "tunnel".
        fate: How a drain has ended it.
    """

    kind: str
    fate: Fate

    def advance(self, stage: Stage) -> None:
        """Act on a stage of the drain; earlier stages may have been skipped."""


class EndlessExchanges:
    """The endless exchanges of one listener.

    Attributes:
        stage: The stage of the listener's drain.
    """

    def __init__(self) -> None:
        self.stage = Stage.SERVING
        self._by_request: dict[Any, Endless] = {}
        # Those that outlive their request, as both sides of a tunnel have to be closed.
        self._outliving: set[Endless] = set()
        self._waiting: list[Deferred[None]] = []

    def of(self, request: object) -> Endless | None:
        """Return the endless exchange of a request; None if it ends on its own."""
        return self._by_request.get(request)

    def add(self, request: Any, endless: Endless, closed: Deferred[None] | None = None) -> None:
        """Add the endless exchange of a request.

        Args:
            request: The GateRequest; its exchange can be found until it is recorded.
            endless: The exchange.
            closed: Fires when the exchange has ended, if it may outlive the request.
        """
        self._by_request[request] = endless
        # Called after the request's access log line was made.
        request.notifyFinish().addBoth(lambda _: self._by_request.pop(request, None))
        if closed is not None:
            self._outliving.add(endless)
            closed.addCallback(lambda _: self._outlived(endless))
        if self.stage > Stage.SERVING:
            endless.advance(self.stage)

    def advance(self, stage: Stage) -> None:
        """Move all exchanges to a stage, including those that are added later."""
        if stage > self.stage:
            self.stage = stage
            for endless in {*self._by_request.values(), *self._outliving}:
                endless.advance(stage)

    def outlived(self) -> Deferred[None]:
        """Return a Deferred that fires when no exchange outlives its request any more."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        self._check_outlived()
        return waiting

    def _outlived(self, endless: Endless) -> None:
        self._outliving.discard(endless)
        self._check_outlived()

    def _check_outlived(self) -> None:
        if not self._outliving:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)
