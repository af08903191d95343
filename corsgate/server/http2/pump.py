"""Sends what the streams of one connection have to send, a frame of each in turn."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Final, Protocol

FRAMES_PER_WRITE: Final = 4
"""How many frames of bodies are encrypted at once: 64 KiB, what a transport takes at a time."""


class State(Enum):
    """Whether frames may leave."""

    IDLE = auto()
    RUNNING = auto()
    PAUSED = auto()
    CLOSED = auto()


_AFTER: Final = {
    State.IDLE: {State.RUNNING, State.PAUSED, State.CLOSED},
    # The transport may say that it is full, or gone, while it is written to.
    State.RUNNING: {State.IDLE, State.PAUSED, State.CLOSED},
    State.PAUSED: {State.IDLE, State.PAUSED, State.CLOSED},
    State.CLOSED: {State.CLOSED},
}


class Sender(Protocol):
    """A stream."""

    def send_some(self) -> bool:
        """Send one frame, if the client takes one now; return whether it did."""

    def sent(self) -> None:
        """Look at what has become possible after `send_some`, or has come to wait."""


class Pump:
    """Gives the streams of a connection their turns."""

    __slots__ = ("_ready", "_state")

    def __init__(self) -> None:
        self._state = State.IDLE
        # Those that may have something to send; a dictionary keeps them in order.
        self._ready: dict[Sender, None] = {}

    @property
    def flows(self) -> bool:
        """Whether the transport takes what is written."""
        return self._state is not State.PAUSED and self._state is not State.CLOSED

    def add(self, *streams: Sender) -> None:
        """Give streams a turn."""
        self._ready.update(dict.fromkeys(streams))

    def drop(self, stream: Sender) -> None:
        """Forget a stream that is done with."""
        self._ready.pop(stream, None)

    def pause(self) -> None:
        """Send nothing until `resume`: the client does not keep up."""
        if self._state is not State.CLOSED:
            self._become(State.PAUSED)

    def resume(self) -> None:
        """Let the next `run` send again."""
        if self._state is State.PAUSED:
            self._become(State.IDLE)

    def close(self) -> None:
        """Send nothing any more."""
        self._become(State.CLOSED)
        self._ready.clear()

    def run(self, flush: Callable[[], None]) -> None:
        """Send what the client takes, until nothing is left, or it has to wait.

        Args:
            flush: Hands what was sent to the transport; called again and again, but not at the end.
        """
        if self._state is not State.IDLE:
            return
        self._become(State.RUNNING)
        unwritten = 0
        try:
            while self._ready and self._runs:
                for stream in list(self._ready):
                    if not self._runs:
                        break
                    moved = stream.send_some()
                    # Behind the others, which come first once the client keeps up again.
                    if stream in self._ready:
                        del self._ready[stream]
                        if moved:
                            self._ready[stream] = None
                    if moved and (unwritten := (unwritten + 1) % FRAMES_PER_WRITE) == 0:
                        flush()
                    stream.sent()
        finally:
            if self._runs:
                self._become(State.IDLE)

    @property
    def _runs(self) -> bool:
        return self._state is State.RUNNING

    def _become(self, state: State) -> None:
        assert state in _AFTER[self._state], (self._state, state)
        self._state = state
