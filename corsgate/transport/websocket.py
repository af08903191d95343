"""A tunnel that carries a WebSocket, which a drain can end with a Close frame (RFC 6455 5.5.1)."""

from __future__ import annotations

import os
from collections.abc import Callable

from corsgate.message.websocket_frames import GOING_AWAY, MASK_BYTES, FrameTracker, close_frame
from corsgate.transport.deadlines import Deadlines
from corsgate.transport.endless import Fate, Stage
from corsgate.transport.tunnel import Tunnel, TunnelEnd

CLOSED = "a drain closed the WebSocket with 1001"
"""The outcome of a WebSocket that both sides have closed because of a drain."""


class Way:
    """One direction of a WebSocket: frames pass unchanged, until the gate sends a Close frame.

    Args:
        write: Writes to the receiving side.
        frame: Returns that Close frame.
        masked: Whether this is the direction to the server.
        changed: Called after each piece that passes, once the direction is watched.

    Attributes:
        sent_close: Whether the gate's Close frame was written. Bytes after it are dropped.
        watched: Whether the WebSocket is being closed.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        frame: Callable[[], bytes],
        changed: Callable[[], None],
        *,
        masked: bool,
    ) -> None:
        self.sent_close = self.watched = False
        self._write = write
        self._frame = frame
        self._changed = changed
        self._tracker = FrameTracker(masked=masked)
        self._asked = False

    @property
    def sender_closed(self) -> bool:
        """Whether the sending side has sent a Close frame itself."""
        return self._tracker.closed

    @property
    def closed(self) -> bool:
        """Whether a Close frame has been written to the receiving side."""
        return self.sent_close or self._tracker.closed

    def pass_on(self, data: bytes) -> None:
        """Accept bytes from the sending side."""
        tracker = self._tracker
        if not self._asked:
            tracker.feed(data)
            self._write(data)
            if self.watched:
                self._changed()
            return
        if not self.sent_close:
            end = tracker.feed(data, stop=True)
            self._write(data[:end])
            self.close()
            data = data[end:]
            if data and not self.sent_close:
                # Bytes after a Close frame of the sender, where nothing should follow.
                self._write(data)
        tracker.feed(data)
        self._changed()

    def close(self) -> None:
        """Write the Close frame, now or when the current message has ended."""
        self._asked = True
        if self._tracker.between_messages:
            self.close_now()

    def close_now(self) -> None:
        """Write the Close frame if a frame may begin here, even within a message."""
        if self._tracker.at_boundary and not self.sent_close:
            self.sent_close = True
            self._write(self._frame())


class WebSocketTunnel(Tunnel):
    """A tunnel that carries a WebSocket.

    At `Stage.ENDING` of a drain, the client gets a Close frame with 1001 after the current message.
    Everything that it sends up to and including its own Close frame still reaches the server. Then
    both connections are closed, the server's once it has also sent a Close frame. If a side has
    already started to close, the gate sends no Close frame.

    `Stage.CUTTING` is for peers that don't respond. The server gets a Close frame from the gate,
    unless the client is within a frame, and both connections are closed.
    """

    kind = "WebSocket"

    def __init__(
        self,
        deadlines: Deadlines,
        idle_timeout_s: float,
        client: TunnelEnd,
        upstream: TunnelEnd,
        note: Callable[[str], None] = lambda outcome: None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__(deadlines, idle_timeout_s, client, upstream, note)
        self._to_client = Way(
            client.write, lambda: close_frame(GOING_AWAY), self._look, masked=False
        )
        self._to_server = Way(
            upstream.write,
            lambda: close_frame(GOING_AWAY, random(MASK_BYTES)),
            self._look,
            masked=True,
        )

    def join(self, client: TunnelEnd, upstream: TunnelEnd) -> None:
        """Let each side pass frames on to the other."""
        client.join(self, upstream, self._to_server.pass_on)
        upstream.join(self, client, self._to_client.pass_on)

    def close_behind(self, end: TunnelEnd, other: TunnelEnd) -> None:
        """Close the other side of a lost one, but wait for a Close frame that is due."""
        if other is self._ends[1]:
            self._close_upstream()
        else:
            other.close()

    def advance(self, stage: Stage) -> None:
        """Close the WebSocket for a drain."""
        self._stage = stage
        if stage < Stage.ENDING or not self._open:
            return
        self._to_client.watched = self._to_server.watched = True
        if stage is Stage.ABORTING:
            self.timed_out()
        elif stage is Stage.CUTTING:
            self.cut()
        elif self._open == 2:
            # A client that has sent a Close frame itself waits for the server's.
            if not self._to_server.closed:
                self._to_client.close()
            self._look()

    def cut(self) -> None:
        """Close both sides; those without a Close frame get 1001."""
        if self._open == 2:
            self._to_client.close_now()
            self._to_server.close_now()
        super().cut()

    def close(self) -> None:
        """Close both sides, the server's once it has sent a Close frame that is due."""
        self._ends[0].close()
        self._close_upstream()

    def _look(self) -> None:
        """Close both connections once both sides have closed the WebSocket."""
        if self._to_client.sent_close:
            self._ends[1].read_freely()
        if self._to_client.closed and self._to_server.closed:
            if self._to_client.sent_close and self.fate is Fate.NONE:
                self.fate = Fate.ENDED
                self._note(CLOSED)
            self.close()

    def _close_upstream(self) -> None:
        upstream = self._ends[1]
        if self._stage < Stage.ENDING or not self._awaits_server:
            upstream.close()
        else:
            # A connection that is closed before the server has read the Close frame may lose it.
            upstream.read_freely()

    @property
    def _awaits_server(self) -> bool:
        """Whether the server was sent a Close frame and has sent none."""
        return self._to_server.closed and not self._to_client.sender_closed
