"""What a client's connection waits for, and how long each may take."""

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

# How long a client may go on sending what nobody reads any more. Closing at once would reset
# the connection, and the client could lose the response before it has read it (RFC 9112 9.6).
LINGER_S = 10.0

SLOW_HEAD = Refusal(status=408, detail="The request's head did not come in time.")


# How long a connection without a request is kept once the gate drains. It may have waited to be
# accepted until then, so that its first request is still on its way.
FIRST_REQUEST_S = 1.0
TRANSPORT_BYTES = 2**16
"""What a transport holds at least when it pauses its producer."""


class Awaited(IntEnum):
    """What a channel waits for; the index of its time limit in `_LIMITS`."""

    REQUEST = 0
    HEAD = 1
    BODY = 2
    UNWANTED_BODY = 3
    RESPONSE = 4
    # The client is not read meanwhile, so that from time to time is looked whether it is there.
    RESPONSE_UNREAD = 5


_LIMITS: Sequence[str | float] = (
    "keep_alive_timeout_s",
    "client_head_timeout_s",
    "client_body_timeout_s",
    LINGER_S,
    NEVER,
    SWEEP_INTERVAL_S,
)
"""How long each may take in seconds, or the name of the limit that says so; by `Awaited`."""


def find_awaited(pipeline: Pipeline, *, handling: bool, reading: bool) -> Awaited:
    """Return what is waited for.

    Args:
        pipeline: What has come.
        handling: Whether a request is being answered.
        reading: Whether more is read from the client.
    """
    body = pipeline.body
    if handling or pipeline.pending:
        # A client that holds its body back until it is asked for isn't late.
        late = body is not None and reading and not body.awaits_continue
        if late:
            return Awaited.BODY
        return Awaited.RESPONSE if reading else Awaited.RESPONSE_UNREAD
    if body is not None:
        return Awaited.UNWANTED_BODY
    return Awaited.HEAD if pipeline.in_head else Awaited.REQUEST


def find_spare(awaited: Awaited | None, closing_s: float | None) -> Spare:
    """Return what would be lost with a connection.

    Args:
        awaited: What it waits for; None while the client doesn't take what is written.
        closing_s: Where it is being closed, how long that may still take.
    """
    if closing_s is not None:
        # For longer than that it waits only where the client still takes a response.
        return Spare.UNREADY if closing_s <= LINGER_S else Spare.NO
    if awaited is Awaited.REQUEST:
        return Spare.IDLE
    return Spare.UNREADY if awaited is Awaited.HEAD else Spare.NO


class ClientTimeouts:
    """What an HTTP/1.1 channel waits for, since when, and how much of a body has come of it.

    A body has a time limit between two pieces and a minimum average rate. Only its own bytes count
    for either: neither the extensions of chunks nor trailers do, however many a client sends.

    What a client has taken of a response is known only when the transport has sent all that it
    held: 64 KiB there, behind what the buffers of both kernels hold. So all that was written
    counts as taken. At 240 bytes per second a client that takes nothing has as long for the
    64 KiB as ``response_idle_timeout`` gives it, and one that takes a little now and then is cut
    once all that it was sent would have come at that rate.

    Args:
        limits: Bounds on times and rates.

    Attributes:
        awaited: What the running deadline is for; None for none.
    """

    def __init__(self, limits: Limits) -> None:
        self.awaited: Awaited | None = None
        self._limits = limits
        self._body: RequestBody | None = None
        self._body_by = NEVER
        self._upload: RateMeter | None = None
        self._download: RateMeter | None = None

    def begin(self, awaited: Awaited, body: RequestBody | None, now: float) -> float:
        """Wait for something, or go on to wait for a body that may have moved.

        Args:
            awaited: What for.
            body: The body that is coming in.
            now: The time in seconds.

        Returns:
            The deadline.
        """
        before, self.awaited = self.awaited, awaited
        limits, limit = self._limits, _LIMITS[awaited]
        # Looked up each time, since a reload may change it.
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
            # Whoever was to take it has answered already.
            meter.stop(now)
            return self._body_by
        meter.start(now)
        due_s = meter.due_s(limits.min_upload_rate, limits.min_rate_grace_s)
        return min(self._body_by, due_s)

    def pause(self, written: int, now: float) -> float:
        """Wait for the client to take the response; return the deadline.

        Args:
            written: How many bytes of its body have been written.
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
        """Record that the client has taken what was written."""
        if self._download is not None:
            self._download.stop(now)

    def begin_exchange(self) -> None:
        """Wait for the response, and forget what was measured: each request has its own body."""
        self.awaited = Awaited.RESPONSE
        self._body = self._upload = self._download = None

    def stalled_s(self, now: float) -> float:
        """Return for how many seconds the client has let its exchange stall."""
        meter = self._upload if self.awaited is Awaited.BODY else self._download
        return 0.0 if meter is None else meter.stalled_s(now)

    def _stop_upload(self, now: float) -> None:
        if self._upload is not None:
            self._upload.stop(now)
