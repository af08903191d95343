"""The phases of a client's HTTP/1.1 connection and the states of its parser."""

from __future__ import annotations

from enum import Enum, IntEnum, auto


class Phase(IntEnum):
    """What a connection is doing. From `CLOSING` on it accepts no more requests."""

    IDLE = 0
    """All received requests have been served, and no part of another has arrived."""
    PENDING = 1
    """A part of a request has arrived, or the rest of an unwanted body is still arriving."""
    RESPONDING = 2
    """A request is being served."""
    CLOSING = 3
    """It is being closed or was cut. Bytes already written may still be sent."""
    TUNNEL = 4
    """It has switched to another protocol."""
    LOST = 5
    """It has been lost."""


NEXT_PHASES = {
    Phase.IDLE: (Phase.PENDING, Phase.RESPONDING, Phase.CLOSING, Phase.LOST),
    Phase.PENDING: (Phase.IDLE, Phase.RESPONDING, Phase.CLOSING, Phase.LOST),
    Phase.RESPONDING: (Phase.IDLE, Phase.PENDING, Phase.CLOSING, Phase.TUNNEL, Phase.LOST),
    Phase.CLOSING: (Phase.CLOSING, Phase.LOST),
    Phase.TUNNEL: (Phase.CLOSING, Phase.LOST),
    Phase.LOST: (),
}
"""The phases that may follow each phase."""


class State(Enum):
    """Which part of a message a parser expects next."""

    BETWEEN = auto()
    """After a complete message, with at most empty lines since."""
    HEAD = auto()
    """In a head."""
    BODY = auto()
    """In a body."""
    OFFERED = auto()
    """After a head that offers to switch protocols. Bytes are held until one is chosen."""
    ENDED = auto()
    """Parsing has stopped."""


NEXT_STATES = {
    State.BETWEEN: (State.HEAD, State.ENDED),
    State.HEAD: (State.BETWEEN, State.BODY, State.OFFERED, State.ENDED),
    State.BODY: (State.BETWEEN, State.ENDED),
    State.OFFERED: (State.BETWEEN, State.ENDED),
    State.ENDED: (State.ENDED,),
}
"""The states that may follow each state."""
