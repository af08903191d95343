"""Two connections joined, once an upstream has agreed to switch protocols (RFC 9110 7.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from corsgate.transport.deadlines import NEVER, Deadlines
from corsgate.transport.endless import Fate, Stage
from corsgate.transport.fast_write import pause_sooner

TUNNEL_BYTES = 16 * 1024
"""How much is read of a tunnel's side at once, and may wait for it before the other one pauses."""

LAST_BYTES_S = 30.0
"""How long a side may take what the other had written before it left."""

DRAINED_S = 1.0
"""The same when a drain cuts the tunnel."""

CUT = "a drain cut the tunnel"
"""The outcome of a tunnel that a drain has cut."""


@implementer(IPushProducer)
class TunnelEnd:
    """One side of a tunnel: what its connection receives, the other side's sends.

    It is the producer of the other side's transport, so that neither side reads faster than
    the other writes. Until `join` what comes is kept, and the transport is paused.

    Args:
        transport: The connection's.
        first: Bytes of the new protocol that have come already.
    """

    def __init__(self, transport: Any, first: bytes = b"") -> None:
        self._transport = transport
        self._first = first
        self._tunnel: Tunnel | None = None
        self._other: TunnelEnd | None = None
        self._pass_on: Callable[[bytes], None] = self.write
        self._is_lost = False
        self._is_closing = False
        # Whether the other side is its transport's producer.
        self._is_paced = False
        transport.pauseProducing()

    def join(
        self, tunnel: Tunnel, other: TunnelEnd, pass_on: Callable[[bytes], None] | None = None
    ) -> None:
        """Begin to pass bytes on to the other side.

        Args:
            tunnel: What both are sides of.
            other: The other side.
            pass_on: Takes the bytes that come, and writes them to the other side.
        """
        self._tunnel = tunnel
        self._other = other
        self._pass_on = pass_on or other.write
        other._is_paced = True
        other._transport.registerProducer(self, True)
        first, self._first = self._first, b""
        if first:
            self._pass_on(first)
        if self._is_lost:
            tunnel.end_lost(self, other)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the connection; once it is being closed they have no place to go."""
        if self._is_closing:
            return
        if self._tunnel is None:
            self._first += data
            return
        self._tunnel.touch()
        self._pass_on(data)

    def lost(self, reason: Failure) -> None:
        """Record that the connection is gone; what was written to the other still leaves."""
        self._is_lost = True
        if self._tunnel is not None and self._other is not None:
            self._tunnel.end_lost(self, self._other)

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._transport.write(data)

    def read_freely(self) -> None:
        """Read at any rate, since the other side no longer gets the bytes."""
        if self._other is not None and self._other._is_paced:
            self._other._end_pacing()
            if not self._is_lost:
                self._transport.resumeProducing()

    def close(self) -> None:
        """Close once all that was written has left."""
        if not self._is_lost and not self._is_closing:
            self._is_closing = True
            self._end_pacing()
            # TLS ends with the peer's goaway, which must be read.
            self._transport.resumeProducing()
            self._transport.loseConnection()

    def abort(self) -> None:
        """Cut the connection."""
        if not self._is_lost:
            self._is_closing = True
            self._transport.abortConnection()

    def keep_little(self) -> None:
        """Have the transport read and keep little at once, as there may be thousands of tunnels."""
        pause_sooner(self._transport, TUNNEL_BYTES)

    def _end_pacing(self) -> None:
        if self._is_paced:
            self._is_paced = False
            self._transport.unregisterProducer()

    def pauseProducing(self) -> None:
        """The other side does not keep up."""
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """The other side has taken what was buffered."""
        self._transport.resumeProducing()

    def stopProducing(self) -> None:
        """Do nothing: the transport is gone, and `lost` follows."""


class Tunnel:
    """A client's connection and an upstream's, joined until one of them closes.

    Args:
        deadlines: Cuts a tunnel on which nothing moves.
        idle_timeout_s: How long that may be.
        client: The client's side.
        upstream: The upstream's side.
        note: Called with the outcome, in words, if a drain ends the tunnel.

    Attributes:
        done: Fires when both sides are gone, or fails where it is cancelled.
        closed: Fires when both sides are gone.
        kind: A noun for the log.
        fate: How a drain has ended it.
    """

    kind = "tunnel"

    def __init__(
        self,
        deadlines: Deadlines,
        idle_timeout_s: float,
        client: TunnelEnd,
        upstream: TunnelEnd,
        note: Callable[[str], None] = lambda outcome: None,
    ) -> None:
        self.deadline_s = NEVER
        self.fate = Fate.NONE
        # Who cancels has lost a side, and what it sent last is still to reach the other one.
        self.done: Deferred[None] = Deferred(lambda _: None)
        self.closed: Deferred[None] = Deferred()
        self._deadlines = deadlines
        self._idle_timeout_s = idle_timeout_s
        self._ends = (client, upstream)
        self._note = note
        self._open = 0
        self._stage = Stage.SERVING

    def start(self) -> None:
        """Join the two."""
        client, upstream = self._ends
        self._open = 2
        self._deadlines.add(self)
        self.touch()
        # First, for a side that does not keep up pauses the other as it is joined.
        for end in self._ends:
            end.keep_little()
            end.resumeProducing()
        self.join(client, upstream)
        if self._open and self._stage > Stage.SERVING:
            self.advance(self._stage)

    def join(self, client: TunnelEnd, upstream: TunnelEnd) -> None:
        """Let each side pass bytes on to the other."""
        client.join(self, upstream)
        upstream.join(self, client)

    def touch(self) -> None:
        """Put the deadline off: something moved."""
        if self._stage < Stage.CUTTING:
            self.deadline_s = self._deadlines.now() + self._idle_timeout_s

    def end_lost(self, end: TunnelEnd, other: TunnelEnd) -> None:
        """Record that one side is gone, and close the other one."""
        self._open -= 1
        # What was written to the other side may still leave, but not take memory for long.
        self.deadline_s = min(self.deadline_s, self._deadlines.now() + LAST_BYTES_S)
        self.close_behind(end, other)
        if not self._open:
            self._deadlines.discard(self)
            self.closed.callback(None)
            if not self.done.called:
                self.done.callback(None)

    def close_behind(self, end: TunnelEnd, other: TunnelEnd) -> None:
        """Close the other side of one that is gone."""
        other.close()

    def advance(self, stage: Stage) -> None:
        """End for a drain. Only a WebSocket has a message for that, so other protocols are cut."""
        self._stage = stage
        if stage is Stage.ABORTING:
            self.timed_out()
        elif stage >= Stage.ENDING and self._open:
            self._stage = Stage.CUTTING
            self.cut()

    def cut(self) -> None:
        """Close both sides; they have `DRAINED_S` to take what was written to them."""
        if self._open == 2 and self.fate is Fate.NONE:
            self.fate = Fate.CUT
            self._note(CUT)
        self.deadline_s = self._deadlines.now() + DRAINED_S
        self.close()

    def close(self) -> None:
        """Close both sides once all that was written to them has left."""
        for end in self._ends:
            end.close()

    def timed_out(self) -> None:
        """Cut both sides."""
        self.deadline_s = NEVER
        for end in self._ends:
            end.abort()
