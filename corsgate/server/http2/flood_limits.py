"""How much a client may ask for that costs it next to nothing: a bound on each HTTP/2 flood.

Nothing in HTTP/2 keeps a client from resetting each request that it sends
(CVE-2023-44487), from provoking the server to do so (CVE-2025-8671), or from sending frames
that do nothing at all. So such frames are paid for out of allowances that grow with time.
"""

from __future__ import annotations

from corsgate.errors import ConnectionFault
from corsgate.server.http2.frames import ACK, END_HEADERS, Code, Frame, Kind

RESETS, RESETS_PER_SECOND = 1000.0, 33.0
"""A browser that leaves a page resets what it waits for, up to 100 streams at once; one that pans a
map resets the tiles that it has left behind, over and over. nghttp2 allows as much."""

IDLE_FRAMES, IDLE_FRAMES_PER_SECOND = 1000.0, 100.0
"""For frames that bring nothing: SETTINGS, PING, PRIORITY, empty DATA, WINDOW_UPDATE."""

BYTES_PER_FRAME = 256
"""What is sent earns allowance: a client that downloads opens windows all the time, and one with
small windows often."""

FRAMES_PER_REQUEST = 3
"""A PRIORITY, and a WINDOW_UPDATE for the stream and for the connection."""

_OF_BLOCKS = (Kind.HEADERS, Kind.CONTINUATION)


class Allowance:
    """So many at once, and so many per second in the long run: a token bucket.

    Args:
        burst: How many at once.
        per_second: How many come back in a second.
    """

    def __init__(self, burst: float, per_second: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._left = burst
        self._counted_s: float | None = None

    def spend(self, now: float) -> bool:
        """Take one; return whether there was one.

        Args:
            now: The reactor's seconds.
        """
        if self._counted_s is not None:
            self.earn((now - self._counted_s) * self._per_second)
        self._counted_s = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def earn(self, amount: float) -> None:
        """Give some back, up to the burst."""
        self._left = min(self._burst, self._left + amount)


class FloodLimits:
    """Watches what a client sends on one connection.

    Args:
        max_block_bytes: The most bytes of one field block, compressed as it comes.

    Attributes:
        received_bytes: How many bytes of requests' bodies have come.
        sent_bytes: How many bytes of responses' bodies were sent.
        greeted: Whether the client's SETTINGS have come.
        in_block: Whether a field block has begun and not ended.
    """

    def __init__(self, max_block_bytes: int) -> None:
        self.received_bytes = self.sent_bytes = 0
        self._resets = Allowance(RESETS, RESETS_PER_SECOND)
        self._idle_frames = Allowance(IDLE_FRAMES, IDLE_FRAMES_PER_SECOND)
        self._max_block_bytes = max_block_bytes
        # The stream of the field block that came last, and how large that is.
        self._block_of = self._block_bytes = 0
        self.greeted = self.in_block = False

    def frame_came(self, frame: Frame, now: float) -> None:
        """Count a frame.

        Args:
            frame: Any frame; those after the fault are not asked about.
            now: The reactor's seconds.

        Raises:
            ConnectionFault: It is one too many, out of place, or makes a block too large.
        """
        kind = frame.kind
        if not self.greeted:
            if kind != Kind.SETTINGS or frame.flags & ACK:
                # RFC 9113 3.4: the client preface includes a SETTINGS frame.
                raise ConnectionFault(Code.PROTOCOL_ERROR, "the first frame was not SETTINGS")
            self.greeted = True
        goes_on = kind == Kind.CONTINUATION
        # RFC 9113 6.10: it stands directly behind the HEADERS or CONTINUATION of its stream.
        if self.in_block and not (goes_on and frame.stream_id == self._block_of):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a field block was interrupted")
        if goes_on and not self.in_block:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a field block goes on that has not begun")
        if kind == Kind.PUSH_PROMISE:
            # RFC 9113 8.4. It may begin a field block, which would have to end first.
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a client can't push")
        if kind in _OF_BLOCKS:
            self._block_bytes += frame.size
            if self._block_bytes > self._max_block_bytes:
                raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "a field block is too large")
            self.in_block = not frame.flags & END_HEADERS
            self._block_of = frame.stream_id
            if not self.in_block:
                self._block_bytes = 0
        elif kind != Kind.DATA:
            self.idle(now)

    def idle(self, now: float) -> None:
        """Count a frame that brings nothing.

        Raises:
            ConnectionFault: It is one too many.
        """
        if not self._idle_frames.spend(now):
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "too many frames came that do nothing")

    def reset(self, now: float) -> None:
        """Count a stream that ended before its response did, and by the client's doing.

        Raises:
            ConnectionFault: It is one too many.
        """
        if not self._resets.spend(now):
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "too many streams were reset")

    def sent(self, size: int) -> None:
        """Allow for what the client does to go on receiving.

        Args:
            size: How many bytes of a body were sent.
        """
        self.sent_bytes += size
        self._idle_frames.earn(size / BYTES_PER_FRAME)

    def responded(self, size: int = 0) -> None:
        """Allow for what the client may do for each request, however small its response.

        Args:
            size: How many bytes of its body were sent, as `sent` counts them.
        """
        self.sent_bytes += size
        self._idle_frames.earn(FRAMES_PER_REQUEST + size / BYTES_PER_FRAME)
