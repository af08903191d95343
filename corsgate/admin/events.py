"""``/api/events``: the status once a second, as server-sent events, while somebody watches."""

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
"""How many pages may watch at once."""

INTERVAL_S = 1.0

MAX_PAUSE_S = 10.0
"""How long a watcher may take for an event before its connection is cut."""


class Statuses(Protocol):
    """Makes the status as pieces of JSON; see `corsgate.admin.changes.Changes`."""

    def begin(self) -> None:
        """Let `changed` return what changes from now on."""

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
        paused_s: Since when its connection takes no more, in the reactor's seconds, or None.
        is_behind: Whether it needs the whole status: it is new, or it has missed an event.
    """

    request: GateRequest
    now: Callable[[], float]
    paused_s: float | None = None
    is_behind: bool = True

    def pauseProducing(self) -> None:
        """Skip events until the connection takes more."""
        if self.paused_s is None:
            self.paused_s = self.now()

    def resumeProducing(self) -> None:
        """Write the next event."""
        self.paused_s = None

    def stopProducing(self) -> None:
        """Do nothing; the request's Deferred reports the end."""


class Events(AdminResource):
    """Writes the status to all that watch; there is no timer while nobody does.

    An event is made once for all watchers, in pieces, one event at a time. A slow watcher misses
    events instead of having them wait in memory.

    A watcher first gets the whole status, then only the routes that have changed.

    Args:
        changes: Makes the status.
        turns: Works the events out.
        reactor: Tells the time.

    Attributes:
        watchers: Those that watch.
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
        """Begin a stream of events, the first of them at once."""
        if len(self.watchers) >= MAX_WATCHERS:
            detail = f"{MAX_WATCHERS} pages watch already. Read /api/status instead."
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
        # What changes while an event is made belongs to the next one.
        if self.watchers and self._making is None:
            self._make(self._changes.changed(), whole=False)

    def _catch_up(self) -> None:
        """Have the whole status made if somebody needs it and nothing else is being made."""
        if self._making is None and any(
            each.is_behind and each.paused_s is None for each in self.watchers
        ):
            self._make(self._changes.whole(), whole=True)

    def _make(self, pieces: Iterator[bytes], *, whole: bool) -> None:
        """Make an event and write it."""
        making = self._making = Deferred.fromCoroutine(self._turns.join(pieces))

        def made(status: bytes) -> None:
            self._making = None
            # JSON has no line break in it, so it is one line of data.
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
