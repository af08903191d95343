"""The phases of a client's HTTP/1.1 connection and the states of its parser."""

from __future__ import annotations

from enum import Enum, IntEnum, auto


class Phase(IntEnum):
    """What a connection is doing; from `CLOSING` on it takes no more requests."""

    IDLE = 0
    """Every request that came has been served, and nothing of another one has come."""
    PENDING = 1
    """A part of a request has come, or the rest of a body that is no longer wanted is coming."""
    RESPONDING = 2
    """A request is being served."""
    CLOSING = 3
    """It is being closed or was cut; what was written before may still leave."""
    TUNNEL = 4
    """It speaks another protocol."""
    LOST = 5
    """It is gone."""


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
    """Where in a client's bytes a parser is."""

    BETWEEN = auto()
    """Behind a whole message; at most empty lines have come since."""
    HEAD = auto()
    """In a head."""
    BODY = auto()
    """In a body."""
    OFFERED = auto()
    """Behind a head that offers to switch protocols: what follows is held until one is chosen."""
    ENDED = auto()
    """Nothing more is read."""


NEXT_STATES = {
    State.BETWEEN: (State.HEAD, State.ENDED),
    State.HEAD: (State.BETWEEN, State.BODY, State.OFFERED, State.ENDED),
    State.BODY: (State.BETWEEN, State.ENDED),
    State.OFFERED: (State.BETWEEN, State.ENDED),
    State.ENDED: (State.ENDED,),
}
"""The states that may follow each state."""
