"""End an HTTP/2 connection without losing a request (RFC 9113 6.8)."""

from __future__ import annotations

from corsgate.server.http2.codec import Codec
from corsgate.server.http2.frames import MAX_WINDOW
from corsgate.transport.deadlines import NEVER

FAREWELL = b"corsgate"
"""The data of the PING after a GOAWAY. Its acknowledgement follows all earlier requests."""

FAREWELL_S = 5.0
"""How long to wait for that acknowledgement, in seconds."""


class GoAway:
    """Shuts down in two steps: ask for no more requests, then name the last one served.

    The first GOAWAY names no stream, so that requests already in flight are still served.

    Args:
        codec: Sends the frames.

    Attributes:
        begun: Whether the client was asked to send no more requests.
        finished: Whether the last stream was named; later streams are refused.
        client_leaves: Whether the client itself sent GOAWAY, so that it opens no more streams.
        due_s: When to finish at the latest, in seconds; `NEVER` if there is no such time.
    """

    def __init__(self, codec: Codec) -> None:
        self.begun = self.finished = self.client_leaves = False
        self.due_s = NEVER
        self._codec = codec

    def begin(self, now: float) -> bool:
        """Ask the client to send no more requests; return False if it was already asked."""
        if self.begun:
            return False
        self.begun = True
        self._codec.goaway(MAX_WINDOW)
        self._codec.ping(FAREWELL)
        self.due_s = now + FAREWELL_S
        return True

    def is_answered(self, ping: bytes) -> bool:
        """Return whether a PING acknowledgement shows that the client has read the GOAWAY."""
        return self.begun and ping == FAREWELL

    def finish(self) -> bool:
        """Name the latest stream as the last; return False if that was already done."""
        self.due_s = NEVER
        if self.finished:
            return False
        self.begun = self.finished = True
        self._codec.goaway(self._codec.last_id)
        return True
