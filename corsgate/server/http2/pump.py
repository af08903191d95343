"""Send the waiting frames of a connection's streams, one frame of each in turn."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Final, Protocol

FRAMES_PER_WRITE: Final = 4
"""How many body frames are encrypted at once: 64 KiB, as much as a transport buffers."""


class State(Enum):
    """Whether frames may be sent."""

    IDLE = auto()
    RUNNING = auto()
    PAUSED = auto()
    CLOSED = auto()


_AFTER: Final = {
    State.IDLE: {State.RUNNING, State.PAUSED, State.CLOSED},
    # The transport may report during a write that it is full or lost.
    State.RUNNING: {State.IDLE, State.PAUSED, State.CLOSED},
    State.PAUSED: {State.IDLE, State.PAUSED, State.CLOSED},
    State.CLOSED: {State.CLOSED},
}


class Sender(Protocol):
    """A stream."""

    def send_some(self) -> bool:
        """Send one frame if the window allows it; return whether one was sent."""

    def turn_ended(self, *, sent: bool) -> None:
        """Resume the producer or start waiting.

        Args:
            sent: Whether a frame was sent in this turn.
        """


class Pump:
    """Gives the streams of a connection their turns."""

    __slots__ = ("_ready", "_state")

    def __init__(self) -> None:
        self._state = State.IDLE
        # Streams that may have something to send; a dictionary keeps their order.
        self._ready: dict[Sender, None] = {}

    @property
    def flows(self) -> bool:
        """Whether the transport accepts more bytes."""
        return self._state is not State.PAUSED and self._state is not State.CLOSED

    def add(self, *streams: Sender) -> None:
        """Give streams a turn."""
        self._ready.update(dict.fromkeys(streams))

    def drop(self, stream: Sender) -> None:
        """Forget a stream that has ended."""
        self._ready.pop(stream, None)

    def pause(self) -> None:
        """Send nothing until `resume`, since the client does not keep up."""
        if self._state is not State.CLOSED:
            self._become(State.PAUSED)

    def resume(self) -> None:
        """Let the next `run` send again."""
        if self._state is State.PAUSED:
            self._become(State.IDLE)

    def close(self) -> None:
        """Stop sending for good."""
        self._become(State.CLOSED)
        self._ready.clear()

    def run(self, flush: Callable[[], None]) -> bool:
        """Send frames until nothing is left or the windows are full.

        Args:
            flush: Writes what was sent to the transport. It is called repeatedly, but not at the
                end.

        Returns:
            Whether it could start; False while it is paused, closed, or already running.
        """
        if self._state is not State.IDLE:
            return False
        self._become(State.RUNNING)
        unwritten = 0
        try:
            while self._ready and self._runs:
                for stream in list(self._ready):
                    if not self._runs:
                        break
                    sent = stream.send_some()
                    # Move it to the end, so that the others come first after a pause.
                    if stream in self._ready:
                        del self._ready[stream]
                        if sent:
                            self._ready[stream] = None
                    if sent and (unwritten := (unwritten + 1) % FRAMES_PER_WRITE) == 0:
                        flush()
                    stream.turn_ended(sent=sent)
        finally:
            if self._runs:
                self._become(State.IDLE)
        return True

    @property
    def _runs(self) -> bool:
        return self._state is State.RUNNING

    def _become(self, state: State) -> None:
        assert state in _AFTER[self._state], (self._state, state)
        self._state = state
