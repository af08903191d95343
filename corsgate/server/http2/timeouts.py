"""What an HTTP/2 connection and its streams wait for, and for how long."""

from __future__ import annotations

from corsgate.balance.rates import RateMeter
from corsgate.config.model.values import Limits
from corsgate.server.http2.codec import Codec
from corsgate.server.http2.flood_limits import FloodLimits
from corsgate.transport.deadlines import NEVER


class ConnectionTimeouts:
    """The deadlines of one connection, apart from those of its streams.

    Args:
        limits: Bounds on times.

    Attributes:
        take_by: When the client must have read what was written; `NEVER` while it keeps up.
        head_by: When the current head must be complete; `NEVER` if there is none.
    """

    __slots__ = ("_idle_by", "_limits", "head_by", "take_by")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.take_by = self.head_by = self._idle_by = NEVER

    def pause(self, now: float) -> None:
        """Start waiting for the client to read what was written."""
        self.take_by = now + self._limits.response_idle_timeout_s

    def resume(self) -> None:
        """Record that the client has read it."""
        self.take_by = NEVER

    def head_ended(self) -> None:
        """Start over with the next head, a part of which may have arrived already."""
        self.head_by = NEVER

    def request_came(self) -> None:
        """Restart the idle time, since the request may be served before `update` is called."""
        self._idle_by = NEVER

    def update(self, now: float, *, in_head: bool, idle: bool) -> float:
        """Start, continue or stop waiting, depending on the state.

        Args:
            now: The time in seconds.
            in_head: Whether a head has begun.
            idle: Whether there is nothing to do until the client sends a request.

        Returns:
            The deadline.
        """
        if not in_head:
            self.head_by = NEVER
        elif self.head_by == NEVER:
            self.head_by = now + self._limits.client_head_timeout_s
        if not idle:
            self._idle_by = NEVER
        elif self._idle_by == NEVER:
            self._idle_by = now + self._limits.keep_alive_timeout_s
        return min(self.take_by, self.head_by, self._idle_by)


class StreamTimeouts:
    """The deadlines of one stream, and the average rates of its bodies.

    The streams of a connection share its bandwidth, so each of a hundred may get a hundredth of
    what a slow client can read. So the bytes of all streams count towards each stream's minimum
    average rate. If the client keeps a stream's own window closed, only that stream's bytes count,
    since the client could read them.

    Args:
        number: The stream identifier.
        codec: Knows the stream's window.
        flood_limits: Counts the bytes of all streams of the connection.
        limits: Bounds on times and rates.
    """

    __slots__ = (
        "_before",
        "_body_by",
        "_codec",
        "_download",
        "_flood_limits",
        "_limits",
        "_number",
        "_take_by",
        "_upload",
    )

    def __init__(
        self, number: int, codec: Codec, flood_limits: FloodLimits, limits: Limits
    ) -> None:
        self._number = number
        self._codec = codec
        self._flood_limits = flood_limits
        self._limits = limits
        self._upload: RateMeter | None = None
        self._download: RateMeter | None = None
        self._body_by = self._take_by = NEVER
        # How many bytes all streams had received when this one's body began.
        self._before = flood_limits.received_bytes

    def wait_for_body(self, received: int, now: float) -> None:
        """Start or continue waiting for more of the request's body.

        Args:
            received: How many bytes of it have arrived.
            now: The time in seconds.
        """
        if self._upload is None:
            self._upload = RateMeter()
        meter = self._upload
        if meter.progress(received, now) or not meter.runs:
            self._body_by = now + self._limits.client_body_timeout_s
        meter.start(now)

    def stop_body(self, now: float) -> None:
        """Stop waiting for the request's body, for now or for good."""
        self._body_by = NEVER
        if self._upload is not None:
            self._upload.stop(now)

    def wait_for_window(self, sent: int, now: float, *, enough: bool) -> None:
        """Start or continue waiting for the client to read more of the response.

        Args:
            sent: How many bytes of its body were sent.
            now: The time in seconds.
            enough: Whether the client has read enough to get a new time limit.
        """
        if self._download is None:
            self._download = RateMeter()
        meter = self._download
        meter.progress(sent, now)
        if enough or not meter.runs:
            self._take_by = now + self._limits.response_idle_timeout_s
        meter.start(now)

    def stop_window(self, now: float) -> None:
        """Record that the client has read everything."""
        self._take_by = NEVER
        if self._download is not None:
            self._download.stop(now)

    def take_by(self) -> float:
        """Return when the client must have read more of the response."""
        meter, limits = self._download, self._limits
        if meter is None or not meter.runs:
            return NEVER
        shared = 0 if self._codec.is_shut(self._number) else self._flood_limits.sent_bytes
        due_s = meter.due_s(limits.min_download_rate, limits.min_rate_grace_s, shared)
        return min(self._take_by, due_s)

    def deadline_s(self) -> float:
        """Return when the client must have sent or read something."""
        meter, limits = self._upload, self._limits
        due_s = NEVER
        if meter is not None:
            shared = self._flood_limits.received_bytes - self._before
            due_s = meter.due_s(limits.min_upload_rate, limits.min_rate_grace_s, shared)
        return min(self._body_by, due_s, self.take_by())

    def stalled_s(self, now: float) -> float:
        """Return for how many seconds the client has stalled the exchange."""
        upload, download = self._upload, self._download
        return max(
            0.0 if upload is None else upload.stalled_s(now),
            0.0 if download is None else download.stalled_s(now),
        )
