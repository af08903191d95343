"""What a connection of HTTP/2 and its streams wait for, and how long each may take."""

from __future__ import annotations

from corsgate.balance.rates import RateMeter
from corsgate.config.model.values import Limits
from corsgate.server.http2.codec import Codec
from corsgate.server.http2.flood_limits import FloodLimits
from corsgate.transport.deadlines import NEVER


class ConnectionTimeouts:
    """The deadlines of one connection, whatever its streams wait for.

    Args:
        limits: Bounds on times.

    Attributes:
        take_by: By when the client has to take what was written; `NEVER` while it does.
        head_by: By when the head that has begun has to be complete; `NEVER` for none.
    """

    __slots__ = ("_idle_by", "_limits", "head_by", "take_by")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.take_by = self.head_by = self._idle_by = NEVER

    def pause(self, now: float) -> None:
        """Wait for the client to take what was written."""
        self.take_by = now + self._limits.response_idle_timeout_s

    def resume(self) -> None:
        """Record that it has."""
        self.take_by = NEVER

    def head_ended(self) -> None:
        """Begin anew with the next head, a part of which may be here already."""
        self.head_by = NEVER

    def request_came(self) -> None:
        """Begin anew to be idle: the request may be answered and gone before `update`."""
        self._idle_by = NEVER

    def update(self, now: float, *, in_head: bool, idle: bool) -> float:
        """Begin to wait, go on with it or stop, as the state asks for.

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
    """The deadlines of one stream, and how much of its bodies has moved in time.

    The streams of a connection share its way, so that each of a hundred may get a hundredth of
    what a slow client can do. So for the minimum average rates what all streams have moved counts
    for each. A stream whose own window the client keeps shut has only its own bytes, since that
    client could take them.

    Args:
        number: The stream.
        codec: Knows its window.
        flood_limits: Knows what all streams of the connection have moved.
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
        # What all streams had moved when this one's body began.
        self._before = flood_limits.received_bytes

    def wait_for_body(self, received: int, now: float) -> None:
        """Wait for more of the request's body.

        Args:
            received: How many bytes of it have come.
            now: The time in seconds.
        """
        if self._upload is None:
            self._upload = RateMeter()
        meter = self._upload
        if meter.progress(received, now) or not meter.runs:
            self._body_by = now + self._limits.client_body_timeout_s
        meter.start(now)

    def stop_body(self, now: float) -> None:
        """Wait for no more of the request's body, for now or for good."""
        self._body_by = NEVER
        if self._upload is not None:
            self._upload.stop(now)

    def wait_for_window(self, sent: int, now: float, *, enough: bool) -> None:
        """Wait until the client takes more of the response.

        Args:
            sent: How many bytes of its body were sent.
            now: The time in seconds.
            enough: Whether so many were taken that the client has a new time limit.
        """
        if self._download is None:
            self._download = RateMeter()
        meter = self._download
        meter.progress(sent, now)
        if enough or not meter.runs:
            self._take_by = now + self._limits.response_idle_timeout_s
        meter.start(now)

    def stop_window(self, now: float) -> None:
        """Record that the client has taken all that there is."""
        self._take_by = NEVER
        if self._download is not None:
            self._download.stop(now)

    def take_by(self) -> float:
        """Return by when the client has to take more of the response."""
        meter, limits = self._download, self._limits
        if meter is None or not meter.runs:
            return NEVER
        shared = 0 if self._codec.is_shut(self._number) else self._flood_limits.sent_bytes
        due_s = meter.due_s(limits.min_download_rate, limits.min_rate_grace_s, shared)
        return min(self._take_by, due_s)

    def deadline_s(self) -> float:
        """Return by when the client has to do something."""
        meter, limits = self._upload, self._limits
        due_s = NEVER
        if meter is not None:
            shared = self._flood_limits.received_bytes - self._before
            due_s = meter.due_s(limits.min_upload_rate, limits.min_rate_grace_s, shared)
        return min(self._body_by, due_s, self.take_by())

    def stalled_s(self, now: float) -> float:
        """Return for how many seconds the client has let the exchange stall."""
        upload, download = self._upload, self._download
        return max(
            0.0 if upload is None else upload.stalled_s(now),
            0.0 if download is None else download.stalled_s(now),
        )
