"""Limits on HTTP/2 frames that cost a client next to nothing, and so on each kind of flood.

HTTP/2 allows a client to reset each request that it sends (CVE-2023-44487), to provoke the server
to do so (CVE-2025-8671), and to send frames without any effect. Such frames are taken from
allowances that grow with time.
"""

from __future__ import annotations

from corsgate.errors import ConnectionFault
from corsgate.server.http2.frames import ACK, END_HEADERS, Code, Frame, Kind

RESETS, RESETS_PER_SECOND = 1000.0, 33.0
"""A browser that leaves a page resets up to 100 streams at once. One that pans a map resets tiles
again and again. nghttp2 has the same limits."""

IDLE_FRAMES, IDLE_FRAMES_PER_SECOND = 1000.0, 100.0
"""For frames without content: SETTINGS, PING, PRIORITY, empty DATA, WINDOW_UPDATE."""

BYTES_PER_FRAME = 256
"""Sent bytes add to the allowance, since a client that downloads must keep opening windows, and
one with small windows must do so often."""

FRAMES_PER_REQUEST = 3
"""A PRIORITY, and a WINDOW_UPDATE for the stream and for the connection."""

_OF_BLOCKS = (Kind.HEADERS, Kind.CONTINUATION)


class Allowance:
    """A token bucket.

    Args:
        burst: The maximum number of tokens.
        per_second: How many tokens are added per second.
    """

    def __init__(self, burst: float, per_second: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._left = burst
        self._counted_s: float | None = None

    def spend(self, now: float) -> bool:
        """Take a token; return whether there was one.

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
        """Add tokens, up to the burst."""
        self._left = min(self._burst, self._left + amount)


class FloodLimits:
    """Watches what a client sends on one connection.

    Args:
        max_block_bytes: The maximum size of a compressed field block.

    Attributes:
        received_bytes: How many bytes of request bodies have arrived.
        sent_bytes: How many bytes of response bodies were sent.
        greeted: Whether the client's SETTINGS have arrived.
        in_block: Whether a field block has begun and not ended.
    """

    def __init__(self, max_block_bytes: int) -> None:
        self.received_bytes = self.sent_bytes = 0
        self._resets = Allowance(RESETS, RESETS_PER_SECOND)
        self._idle_frames = Allowance(IDLE_FRAMES, IDLE_FRAMES_PER_SECOND)
        self._max_block_bytes = max_block_bytes
        # The stream and the size of the last field block.
        self._block_of = self._block_bytes = 0
        self.greeted = self.in_block = False

    def frame_came(self, frame: Frame, now: float) -> None:
        """Count a frame.

        Args:
            frame: Any frame; after a fault, no more frames are passed.
            now: The reactor's seconds.

        Raises:
            ConnectionFault: There were too many, it is out of place, or a block is too large.
        """
        kind = frame.kind
        if not self.greeted:
            if kind != Kind.SETTINGS or frame.flags & ACK:
                # RFC 9113 3.4: the client preface includes a SETTINGS frame.
                raise ConnectionFault(Code.PROTOCOL_ERROR, "the first frame was not SETTINGS")
            self.greeted = True
        goes_on = kind == Kind.CONTINUATION
        # RFC 9113 6.10: it must directly follow a HEADERS or CONTINUATION of its stream.
        if self.in_block and not (goes_on and frame.stream_id == self._block_of):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a field block was interrupted")
        if goes_on and not self.in_block:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a CONTINUATION follows no field block")
        if kind == Kind.PUSH_PROMISE:
            # RFC 9113 8.4. Check this first, since it may begin a field block.
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
        """Count a frame without content.

        Raises:
            ConnectionFault: There were too many.
        """
        if not self._idle_frames.spend(now):
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "too many frames had no effect")

    def reset(self, now: float) -> None:
        """Count a stream that the client caused to end before its response did.

        Raises:
            ConnectionFault: There were too many.
        """
        if not self._resets.spend(now):
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "too many streams were reset")

    def sent(self, size: int) -> None:
        """Add to the allowance for the frames that a client sends in order to receive more.

        Args:
            size: How many bytes of a body were sent.
        """
        self.sent_bytes += size
        self._idle_frames.earn(size / BYTES_PER_FRAME)

    def responded(self, size: int = 0) -> None:
        """Add to the allowance for the frames that come with each request.

        Args:
            size: How many bytes of its body were sent, as `sent` counts them.
        """
        self.sent_bytes += size
        self._idle_frames.earn(FRAMES_PER_REQUEST + size / BYTES_PER_FRAME)
