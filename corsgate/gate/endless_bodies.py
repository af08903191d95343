"""Responses whose bodies may never end: event streams, and pictures from cameras."""

from __future__ import annotations

from collections.abc import Callable

from corsgate.message.event_stream import EventTracker
from corsgate.message.head import ResponseHead
from corsgate.message.headers import index_headers
from corsgate.server.request import GateRequest
from corsgate.transport.endless import Fate, Stage

ENDED = "a drain ended the event stream"
"""The outcome of an event stream that a drain has ended after an event."""

CUT = "a drain cut the response"
"""The outcome of a body that could not be ended cleanly during a drain."""

EVENTS = "text/event-stream"
PICTURES = "multipart/x-mixed-replace"

NAMES = {EVENTS: "event stream", PICTURES: "picture stream"}
"""Their names in the log."""


def kind_of_body(request: GateRequest, head: ResponseHead) -> str | None:
    """Return the media type of a body that may never end and that its client can request again.

    A response to another method than GET ends on its own, such as a language model's output that is
    sent as an event stream. A client that asked for it with POST must not get half of it.

    Args:
        request: The client's request.
        head: The head of an upstream's response without a Content-Length.

    Returns:
        `EVENTS` or `PICTURES`; None for any other response.
    """
    if request.head.method != b"GET" or head.status != 200:
        return None
    (media, *_) = index_headers(head.headers).get(b"content-type", [b""])
    name = media.partition(b";")[0].strip().lower().decode("latin-1")
    if name == EVENTS:
        # An EventSource always sends this. A page that fetches the resource in another way may
        # not request it again.
        asked = b",".join(request.index.get(b"accept", ())).lower()
        return EVENTS if EVENTS.encode() in asked else None
    return PICTURES if name == PICTURES else None


def endless_body(
    request: GateRequest, head: ResponseHead, end: Callable[[], None]
) -> EndlessBody | None:
    """Return the forwarder of a body that may never end; None for any other.

    Args:
        request: The client's request; the body joins the endless exchanges of its listener.
        head: The upstream's head.
        end: Ends the response cleanly.
    """
    kind = kind_of_body(request, head)
    if kind is None:
        return None
    encoded = any(name.lower() == b"content-encoding" for name, _ in head.headers)
    has_events = kind == EVENTS and not encoded
    made = EventStream(request, end) if has_events else EndlessBody(request, NAMES[kind])
    request.channel.context.endless.add(request, made)
    return made


class EndlessBody:
    """A body that a drain can only cut.

    Args:
        request: The client's request.
        kind: Its name in the log.
    """

    def __init__(self, request: GateRequest, kind: str) -> None:
        self.kind = kind
        self.fate = Fate.NONE
        self._request = request

    def write(self, data: bytes) -> None:
        """Send a piece of the body."""
        self._request.write(data)

    def advance(self, stage: Stage) -> None:
        """End at a stage of the drain."""
        if stage >= Stage.ENDING:
            self._finally(self._cut)

    def _finally(self, act: Callable[[], None]) -> None:
        # Not now: the caller must first record a response that has just started.
        self._request.channel.context.reactor.callLater(0, self._unless_gone, act)

    def _unless_gone(self, act: Callable[[], None]) -> None:
        if not self._request.gone:
            act()

    def _cut(self) -> None:
        self.fate = Fate.CUT
        self._request.log.outcome = CUT
        self._request.abort()


class EventStream(EndlessBody):
    """An event stream, which a drain ends after a complete event.

    Args:
        request: The client's request.
        end: Ends the response cleanly.
    """

    def __init__(self, request: GateRequest, end: Callable[[], None]) -> None:
        super().__init__(request, NAMES[EVENTS])
        self._end = end
        self._ending = False
        self._tracker = EventTracker()

    def write(self, data: bytes) -> None:
        """Send a piece of the body."""
        if self._ending:
            at = self._tracker.first_end(data)
            if at >= 0:
                self._request.write(data[:at])
                self._end_here()
                return
        self._tracker.feed(data)
        self._request.write(data)

    def advance(self, stage: Stage) -> None:
        """End after the current event; if it never ends, in the middle of it."""
        super().advance(stage)
        if not self._ending:
            self._ending = True
            self._finally(self._end_between)

    def _cut(self) -> None:
        if self._tracker.at_boundary:
            self._end_here()
        else:
            super()._cut()

    def _end_between(self) -> None:
        if self._tracker.at_boundary:
            self._end_here()

    def _end_here(self) -> None:
        self.fate = Fate.ENDED
        self._request.log.outcome = ENDED
        self._end()
