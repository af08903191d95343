"""What a client connection waits for, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from corsgate.balance.rates import RateMeter
from corsgate.config.model.values import Limits
from corsgate.server.admission import Spare
from corsgate.server.http1.pipeline import Pipeline
from corsgate.server.parsed_request import Refusal
from corsgate.server.request_body import RequestBody
from corsgate.transport.deadlines import NEVER, SWEEP_INTERVAL_S

# How long a client may continue to send an unwanted body. Closing at once would reset the
# connection, and the client could lose the response before reading it (RFC 9112 9.6).
LINGER_S = 10.0

SLOW_HEAD = Refusal(status=408, detail="The request's head did not arrive in time.")


# How long a connection without any request is kept once the gate drains. It may just have been
# accepted after a wait, with its first request still on the way.
FIRST_REQUEST_S = 1.0
TRANSPORT_BYTES = 2**16
"""The minimum number of bytes that a transport buffers when it pauses its producer."""


class Awaited(IntEnum):
    """What a channel waits for. The value is the index of its time limit in `_LIMITS`."""

    REQUEST = 0
    HEAD = 1
    BODY = 2
    UNWANTED_BODY = 3
    RESPONSE = 4
    # Nothing is read from the client meanwhile, so each sweep checks that it is still connected.
    RESPONSE_UNREAD = 5


_LIMITS: Sequence[str | float] = (
    "keep_alive_timeout_s",
    "client_head_timeout_s",
    "client_body_timeout_s",
    LINGER_S,
    NEVER,
    SWEEP_INTERVAL_S,
)
"""By `Awaited`: the time limit in seconds, or the name of the limit that holds it."""


def find_awaited(pipeline: Pipeline, *, handling: bool, reading: bool) -> Awaited:
    """Return what a connection waits for.

    Args:
        pipeline: The requests received.
        handling: Whether a request is being served.
        reading: Whether the client is being read from.
    """
    body = pipeline.body
    if handling or pipeline.pending:
        # A client that waits for 100 (Continue) before it sends its body isn't late.
        late = body is not None and reading and not body.awaits_continue
        if late:
            return Awaited.BODY
        return Awaited.RESPONSE if reading else Awaited.RESPONSE_UNREAD
    if body is not None:
        return Awaited.UNWANTED_BODY
    return Awaited.HEAD if pipeline.in_head else Awaited.REQUEST


def find_spare(awaited: Awaited | None, closing_s: float | None) -> Spare:
    """Return what closing a connection would lose.

    Args:
        awaited: What it waits for; None while the client doesn't read the response.
        closing_s: How many seconds its closing may still take; None if it is not closing.
    """
    if closing_s is not None:
        # A longer wait means that the client is still reading a response.
        return Spare.UNREADY if closing_s <= LINGER_S else Spare.NO
    if awaited is Awaited.REQUEST:
        return Spare.IDLE
    return Spare.UNREADY if awaited is Awaited.HEAD else Spare.NO


class ClientTimeouts:
    """What an HTTP/1.1 channel waits for, since when, and how fast a body arrives.

    A body has a time limit between two pieces and a minimum average rate. Only bytes of its
    content count for either. Chunk extensions and trailers don't, however many a client sends.

    How much of a response the client has read is known only when the transport's buffer is empty.
    That buffer holds 64 KiB, besides those of both kernels. So all written bytes count as read.
    At 240 bytes per second, the 64 KiB take about as long as ``response_idle_timeout``. A client
    that reads a little now and then is cut when all bytes written to it would have arrived at
    that rate.

    Args:
        limits: Bounds on times and rates.

    Attributes:
        awaited: What the current deadline is for; None if there is none.
    """

    def __init__(self, limits: Limits) -> None:
        self.awaited: Awaited | None = None
        self._limits = limits
        self._body: RequestBody | None = None
        self._body_by = NEVER
        self._upload: RateMeter | None = None
        self._download: RateMeter | None = None

    def begin(self, awaited: Awaited, body: RequestBody | None, now: float) -> float:
        """Start waiting for something, or continue to wait for a body.

        Args:
            awaited: What to wait for.
            body: The body being received.
            now: The time in seconds.

        Returns:
            The deadline.
        """
        before, self.awaited = self.awaited, awaited
        limits, limit = self._limits, _LIMITS[awaited]
        # Read each time, since a reload may change it.
        limit_s: float = getattr(limits, limit) if isinstance(limit, str) else limit
        if awaited is not Awaited.BODY or body is None:
            if self._upload is not None:
                self._upload.stop(now)
            return now + limit_s
        if self._upload is None or self._body is not body:
            self._body, self._upload = body, RateMeter()
        meter = self._upload
        has_moved = meter.progress(body.received, now)
        if has_moved or before is not Awaited.BODY:
            self._body_by = now + limit_s
        if body.discarded:
            # The response to this request has already been sent.
            meter.stop(now)
            return self._body_by
        meter.start(now)
        due_s = meter.due_s(limits.min_upload_rate, limits.min_rate_grace_s)
        return min(self._body_by, due_s)

    def pause(self, written: int, now: float) -> float:
        """Start waiting for the client to read the response; return the deadline.

        Args:
            written: How many bytes of the response's body have been written.
            now: The time in seconds.
        """
        self.awaited = None
        self._stop_upload(now)
        if self._download is None:
            self._download = RateMeter()
        meter, limits = self._download, self._limits
        meter.progress(written, now)
        meter.start(now)
        due_s = meter.due_s(limits.min_download_rate, limits.min_rate_grace_s, TRANSPORT_BYTES)
        return min(now + limits.response_idle_timeout_s, due_s)

    def resume(self, now: float) -> None:
        """Record that the client has read everything written."""
        if self._download is not None:
            self._download.stop(now)

    def begin_exchange(self) -> None:
        """Start waiting for the response, and reset the measured rates, which are per request."""
        self.awaited = Awaited.RESPONSE
        self._body = self._upload = self._download = None

    def stalled_s(self, now: float) -> float:
        """Return for how many seconds the client has stalled its exchange."""
        meter = self._upload if self.awaited is Awaited.BODY else self._download
        return 0.0 if meter is None else meter.stalled_s(now)

    def _stop_upload(self, now: float) -> None:
        if self._upload is not None:
            self._upload.stop(now)
