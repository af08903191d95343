"""Two joined connections, after an upstream has switched protocols (RFC 9110 7.8)."""

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
"""How many bytes of a side are read at once, and may wait for it before the other side pauses."""

LAST_BYTES_S = 30.0
"""For how many seconds a side may still read what the other had sent before it closed."""

DRAINED_S = 1.0
"""The same when a drain cuts the tunnel."""

CUT = "a drain cut the tunnel"
"""The outcome of a tunnel that a drain has cut."""


@implementer(IPushProducer)
class TunnelEnd:
    """One side of a tunnel. The other side sends the bytes that this one receives.

    It is the producer of the other side's transport, so that neither side is read faster than the
    other accepts bytes. Until `join`, received bytes are kept, and the transport is paused.

    Args:
        transport: The connection's transport.
        first: Bytes of the new protocol that have already arrived.
    """

    def __init__(self, transport: Any, first: bytes = b"") -> None:
        self._transport = transport
        self._first = first
        self._tunnel: Tunnel | None = None
        self._other: TunnelEnd | None = None
        self._pass_on: Callable[[bytes], None] = self.write
        self._is_lost = False
        self._is_closing = False
        # Whether the other side is the producer of this side's transport.
        self._is_paced = False
        transport.pauseProducing()

    def join(
        self, tunnel: Tunnel, other: TunnelEnd, pass_on: Callable[[bytes], None] | None = None
    ) -> None:
        """Start passing bytes on to the other side.

        Args:
            tunnel: The tunnel of both sides.
            other: The other side.
            pass_on: Writes received bytes to the other side.
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
        """Accept bytes from the connection. They are dropped once it is being closed."""
        if self._is_closing:
            return
        if self._tunnel is None:
            self._first += data
            return
        self._tunnel.touch()
        self._pass_on(data)

    def lost(self, reason: Failure) -> None:
        """Record that the connection is lost. Bytes already written to the other are still sent."""
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
        """Close once everything written has been sent."""
        if not self._is_lost and not self._is_closing:
            self._is_closing = True
            self._end_pacing()
            # TLS ends with the peer's close_notify, which must be read.
            self._transport.resumeProducing()
            self._transport.loseConnection()

    def abort(self) -> None:
        """Cut the connection."""
        if not self._is_lost:
            self._is_closing = True
            self._transport.abortConnection()

    def keep_little(self) -> None:
        """Make the transport read and buffer little, because there may be thousands of tunnels."""
        pause_sooner(self._transport, TUNNEL_BYTES)

    def _end_pacing(self) -> None:
        if self._is_paced:
            self._is_paced = False
            self._transport.unregisterProducer()

    def pauseProducing(self) -> None:
        """The other side does not keep up."""
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """The other side has read what was buffered."""
        self._transport.resumeProducing()

    def stopProducing(self) -> None:
        """Do nothing, since `lost` follows."""


class Tunnel:
    """A client's connection and an upstream's, joined until one of them closes.

    Args:
        deadlines: Cuts an idle tunnel.
        idle_timeout_s: For how many seconds a tunnel may be idle.
        client: The client's side.
        upstream: The upstream's side.
        note: Called with the outcome, in words, if a drain ends the tunnel.

    Attributes:
        done: Fires when both sides are lost, or fails if it is cancelled.
        closed: Fires when both sides are lost.
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
        # The canceller has lost one side, whose last bytes must still reach the other.
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
        # Do this first, because joining may pause a side again.
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
        """Extend the deadline, since bytes have passed."""
        if self._stage < Stage.CUTTING:
            self.deadline_s = self._deadlines.now() + self._idle_timeout_s

    def end_lost(self, end: TunnelEnd, other: TunnelEnd) -> None:
        """Record that one side is lost, and close the other."""
        self._open -= 1
        # Bytes written to the other side may still be sent, but must not take memory for long.
        self.deadline_s = min(self.deadline_s, self._deadlines.now() + LAST_BYTES_S)
        self.close_behind(end, other)
        if not self._open:
            self._deadlines.discard(self)
            self.closed.callback(None)
            if not self.done.called:
                self.done.callback(None)

    def close_behind(self, end: TunnelEnd, other: TunnelEnd) -> None:
        """Close the other side of a lost one."""
        other.close()

    def advance(self, stage: Stage) -> None:
        """End for a drain. Only WebSockets have a message for that; other protocols are cut."""
        self._stage = stage
        if stage is Stage.ABORTING:
            self.timed_out()
        elif stage >= Stage.ENDING and self._open:
            self._stage = Stage.CUTTING
            self.cut()

    def cut(self) -> None:
        """Close both sides. They have `DRAINED_S` to read what was written to them."""
        if self._open == 2 and self.fate is Fate.NONE:
            self.fate = Fate.CUT
            self._note(CUT)
        self.deadline_s = self._deadlines.now() + DRAINED_S
        self.close()

    def close(self) -> None:
        """Close both sides once everything written to them has been sent."""
        for end in self._ends:
            end.close()

    def timed_out(self) -> None:
        """Cut both sides."""
        self.deadline_s = NEVER
        for end in self._ends:
            end.abort()
