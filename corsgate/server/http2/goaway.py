"""How a connection of HTTP/2 ends such that no request is lost (RFC 9113 6.8)."""

from __future__ import annotations

from corsgate.server.http2.codec import Codec
from corsgate.server.http2.frames import MAX_WINDOW
from corsgate.transport.deadlines import NEVER

FAREWELL = b"corsgate"
"""What is pinged behind a GOAWAY; it is acknowledged behind all that the client sent before."""

FAREWELL_S = 5.0
"""How long that acknowledgement is waited for."""


class GoAway:
    """Says goodbye in two steps: first that no more requests are taken, then which was the last.

    The first GOAWAY names no stream, so that requests which are on their way by then are served.

    Args:
        codec: Says it.

    Attributes:
        begun: Whether the client was asked to send no more requests.
        finished: Whether the last stream was named; no other is served from then on.
        client_leaves: Whether the client itself has said that it opens no more streams.
        due_s: The time in seconds at which to finish, whatever the client does; `NEVER` for none.
    """

    def __init__(self, codec: Codec) -> None:
        self.begun = self.finished = self.client_leaves = False
        self.due_s = NEVER
        self._codec = codec

    def begin(self, now: float) -> bool:
        """Ask the client to send no more requests; return False if that was done before."""
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
        """Name the last stream, the last that has come; return False if that was done before."""
        self.due_s = NEVER
        if self.finished:
            return False
        self.begun = self.finished = True
        self._codec.goaway(self._codec.last_id)
        return True
