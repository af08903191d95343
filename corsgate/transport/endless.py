"""Exchanges that may never end by themselves, such as WebSockets, and how a drain ends them."""

from __future__ import annotations

from enum import IntEnum, auto
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred

CLOSING_S: Final = 2.0
"""How long a client has to end an exchange after it was asked to, in seconds."""


class Stage(IntEnum):
    """How far a drain has come; the stages follow one another."""

    SERVING = auto()
    """There is no drain."""
    DRAINING = auto()
    """What its client will simply ask for again ends as soon as nothing is lost by that."""
    ENDING = auto()
    """`tunnel_grace` is over: peers are asked to end. What can't be asked is cut."""
    CUTTING = auto()
    """The time for that is over as well: what is left is closed, whatever its peers do."""
    ABORTING = auto()
    """All connections are cut at once."""


class Fate(IntEnum):
    """How a drain has ended an exchange."""

    NONE = auto()
    """Not at all: it goes on, or has ended by itself."""
    ENDED = auto()
    """In good order, as its protocol wants it."""
    CUT = auto()
    """Without that."""


class Endless(Protocol):
    """An exchange that may never end by itself.

    Attributes:
        kind: What it is, a noun for the log.
        fate: How a drain has ended it.
    """

    kind: str
    fate: Fate

    def advance(self, stage: Stage) -> None:
        """Do what a stage of the drain asks for; earlier ones may have been left out."""


class EndlessExchanges:
    """The endless exchanges of one listener.

    Attributes:
        stage: How far the drain of the listener has come.
    """

    def __init__(self) -> None:
        self.stage = Stage.SERVING
        self._by_request: dict[Any, Endless] = {}
        # Those that outlive their request, as both sides of a tunnel have to be closed.
        self._outliving: set[Endless] = set()
        self._waiting: list[Deferred[None]] = []

    def of(self, request: object) -> Endless | None:
        """Return what a request has become; None for one that ends by itself."""
        return self._by_request.get(request)

    def add(self, request: Any, endless: Endless, closed: Deferred[None] | None = None) -> None:
        """Add what a request has become.

        Args:
            request: The GateRequest; its exchange can be found until it is recorded.
            endless: The exchange.
            closed: Fires when it has ended, where that may be later.
        """
        self._by_request[request] = endless
        # Called behind the request's line of the access log.
        request.notifyFinish().addBoth(lambda _: self._by_request.pop(request, None))
        if closed is not None:
            self._outliving.add(endless)
            closed.addCallback(lambda _: self._outlived(endless))
        if self.stage > Stage.SERVING:
            endless.advance(self.stage)

    def advance(self, stage: Stage) -> None:
        """Bring all exchanges to a stage, and those that are added later."""
        if stage > self.stage:
            self.stage = stage
            for endless in {*self._by_request.values(), *self._outliving}:
                endless.advance(stage)

    def outlived(self) -> Deferred[None]:
        """Return a Deferred that fires when none is left that outlives its request."""
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
