"""``/api/events``: the status once a second, as server-sent events, while somebody watches."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

import attrs
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from zope.interface import implementer

from corsgate.admin.resource import AdminResource, refuse, stream
from corsgate.server.request import GateRequest

MAX_WATCHERS = 8
"""How many pages may watch at once."""

INTERVAL_S = 1.0

MAX_PAUSE_S = 10.0
"""How long a watcher may take for an event before its connection is cut."""


class Statuses(Protocol):
    """Makes status objects; see `corsgate.admin.changes.Changes`."""

    def whole(self) -> Mapping[str, Any]:
        """Return the status with all routes."""

    def changed(self) -> Mapping[str, Any]:
        """Return the status with the routes that changed since the last call."""


@implementer(IPushProducer)
@attrs.define(eq=False)
class _Watcher:
    """One page that watches.

    Attributes:
        request: Its request.
        paused_s: Since when its connection takes no more, in the reactor's seconds, or None.
        is_behind: Whether it has missed an event.
    """

    request: GateRequest
    now: Callable[[], float]
    paused_s: float | None = None
    is_behind: bool = False

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

    An event is made once for all watchers. A slow watcher misses events instead of having them
    wait in memory.

    A watcher first gets the whole status, then only the routes that have changed.

    Args:
        changes: Makes the status.
        reactor: Tells the time.

    Attributes:
        watchers: Those that watch.
    """

    methods: ClassVar[tuple[bytes, ...]] = (b"GET",)

    def __init__(self, changes: Statuses, reactor: Any) -> None:
        super().__init__()
        self.watchers: set[_Watcher] = set()
        self._changes = changes
        self._reactor = reactor
        self._timer: IDelayedCall | None = None
        self._whole = b""

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
            self._changes.changed()
            self._timer = self._reactor.callLater(INTERVAL_S, self._tick)
        request.write(self._whole_event())

    def _tick(self) -> None:
        self._timer = self._reactor.callLater(INTERVAL_S, self._tick)
        event, now = _event(self._changes.changed()), self._reactor.seconds()
        self._whole = b""
        for watcher in tuple(self.watchers):
            if watcher.paused_s is not None:
                watcher.is_behind = True
                if now - watcher.paused_s >= MAX_PAUSE_S:
                    watcher.request.abort()
            else:
                behind, watcher.is_behind = watcher.is_behind, False
                watcher.request.write(self._whole_event() if behind else event)

    def _whole_event(self) -> bytes:
        """Return the event with all routes, made at most once between two ticks."""
        self._whole = self._whole or _event(self._changes.whole())
        return self._whole

    def _leave(self, watcher: _Watcher) -> None:
        self.watchers.discard(watcher)
        if not self.watchers and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._whole = b""


def _event(status: Mapping[str, Any]) -> bytes:
    # JSON has no line break in it, so it is one line of data.
    return b"event: status\ndata: " + json.dumps(status).encode() + b"\n\n"
