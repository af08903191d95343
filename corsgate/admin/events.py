"""``/api/events``: the status once a second, as server-sent events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from corsgate.admin.resource import AdminResource, refuse, stream
from corsgate.admin.turns import Turns
from corsgate.server.request import GateRequest

_log = Logger()

MAX_WATCHERS = 8
"""The maximum number of watchers at the same time."""

INTERVAL_S = 1.0

MAX_PAUSE_S = 10.0
"""How long a watcher's connection may block before it is cut, in seconds."""


class Statuses(Protocol):
    """Makes the status as pieces of JSON; see `corsgate.admin.changes.Changes`."""

    def begin(self) -> None:
        """Start to track changes for `changed`."""

    def whole(self) -> Iterator[bytes]:
        """Return the status with all routes."""

    def changed(self) -> Iterator[bytes]:
        """Return the status with the routes that changed since the last call."""


@implementer(IPushProducer)
@attrs.define(eq=False)
class _Watcher:
    """One page that watches.

    Attributes:
        request: Its request.
        paused_s: Since when its connection has been blocked, in the reactor's seconds; None if it
            is not blocked.
        is_behind: Whether it needs the whole status, because it is new or has missed an event.
    """

    request: GateRequest
    now: Callable[[], float]
    paused_s: float | None = None
    is_behind: bool = True

    def pauseProducing(self) -> None:
        """Skip events until the connection is ready again."""
        if self.paused_s is None:
            self.paused_s = self.now()

    def resumeProducing(self) -> None:
        """Write events again."""
        self.paused_s = None

    def stopProducing(self) -> None:
        """Do nothing, since the request's Deferred reports the end."""


class Events(AdminResource):
    """Writes the status to all watchers. Without watchers, no timer runs.

    An event is made once for all watchers, in pieces, one event at a time. A slow watcher misses
    events, so that they don't wait in memory.

    A watcher first gets the whole status, then only the changed routes.

    Args:
        changes: Makes the status.
        turns: Joins the pieces of the events.
        reactor: Provides the time.

    Attributes:
        watchers: The current watchers.
    """

    methods: ClassVar[tuple[bytes, ...]] = (b"GET",)

    def __init__(self, changes: Statuses, turns: Turns, reactor: Any) -> None:
        super().__init__()
        self.watchers: set[_Watcher] = set()
        self._changes = changes
        self._turns = turns
        self._reactor = reactor
        self._timer: IDelayedCall | None = None
        self._making: Deferred[Any] | None = None

    def serve(self, request: GateRequest) -> None:
        """Start a stream of events. The first is sent at once."""
        if len(self.watchers) >= MAX_WATCHERS:
            detail = f"{MAX_WATCHERS} pages already watch. Read /api/status instead."
            refuse(request, 503, detail, [(b"Retry-After", b"5")])
            return
        watcher = _Watcher(request=request, now=self._reactor.seconds)
        self.watchers.add(watcher)
        request.notifyFinish().addBoth(lambda _: self._leave(watcher))
        stream(request, b"text/event-stream")
        request.registerProducer(watcher, True)
        if self._timer is None:
            self._changes.begin()
            self._timer = self._reactor.callLater(INTERVAL_S, self._tick)
        self._catch_up()

    def _tick(self) -> None:
        self._timer = self._reactor.callLater(INTERVAL_S, self._tick)
        now = self._reactor.seconds()
        for watcher in tuple(self.watchers):
            if watcher.paused_s is not None and now - watcher.paused_s >= MAX_PAUSE_S:
                watcher.request.abort()
        # Changes during the making of an event belong to the next one.
        if self.watchers and self._making is None:
            self._make(self._changes.changed(), whole=False)

    def _catch_up(self) -> None:
        """Make the whole status if a watcher needs it and no event is being made."""
        if self._making is None and any(
            each.is_behind and each.paused_s is None for each in self.watchers
        ):
            self._make(self._changes.whole(), whole=True)

    def _make(self, pieces: Iterator[bytes], *, whole: bool) -> None:
        """Make an event and write it."""
        making = self._making = Deferred.fromCoroutine(self._turns.join(pieces))

        def made(status: bytes) -> None:
            self._making = None
            # json.dumps writes no line breaks, so the event has one line of data.
            self._write(b"event: status\ndata: " + status + b"\n\n", whole=whole)
            self._catch_up()

        def failed(failure: Failure) -> None:
            if self._making is making:
                self._making = None
            if not failure.check(CancelledError):
                _log.failure("{path} of the admin listener failed", failure, path="/api/events")

        making.addCallback(made)
        making.addErrback(failed)

    def _write(self, event: bytes, *, whole: bool) -> None:
        for watcher in tuple(self.watchers):
            if watcher.paused_s is not None:
                watcher.is_behind = True
            elif watcher.is_behind == whole:
                watcher.is_behind = False
                watcher.request.write(event)

    def _leave(self, watcher: _Watcher) -> None:
        self.watchers.discard(watcher)
        if self.watchers or self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        making, self._making = self._making, None
        if making is not None:
            making.cancel()
