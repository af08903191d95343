"""What a client's connection of HTTP/1.1 is at, and its parser; and what may come after that."""

from __future__ import annotations

from enum import Enum, IntEnum, auto


class Phase(IntEnum):
    """What a connection is at; from `CLOSING` on it takes no more requests."""

    IDLE = 0
    """Nothing of a request has come that was not answered."""
    PENDING = 1
    """Something of a request has come, or of a body that nobody wants any more."""
    ANSWERING = 2
    CLOSING = 3
    """It is being closed or was cut; what was written before may still leave."""
    TUNNEL = 4
    """It speaks another protocol."""
    LOST = 5


NEXT_PHASES = {
    Phase.IDLE: (Phase.PENDING, Phase.ANSWERING, Phase.CLOSING, Phase.LOST),
    Phase.PENDING: (Phase.IDLE, Phase.ANSWERING, Phase.CLOSING, Phase.LOST),
    Phase.ANSWERING: (Phase.IDLE, Phase.PENDING, Phase.CLOSING, Phase.TUNNEL, Phase.LOST),
    Phase.CLOSING: (Phase.CLOSING, Phase.LOST),
    Phase.TUNNEL: (Phase.CLOSING, Phase.LOST),
    Phase.LOST: (),
}
"""What may come after each phase."""


class State(Enum):
    """Where in a client's bytes a parser is."""

    BETWEEN = auto()
    """Behind a whole message: nothing of the next one has come but perhaps empty lines."""
    HEAD = auto()
    BODY = auto()
    OFFERED = auto()
    """Behind a head that offers to switch protocols: what follows is held until one is chosen."""
    ENDED = auto()
    """Nothing is read any more."""


NEXT_STATES = {
    State.BETWEEN: (State.HEAD, State.ENDED),
    State.HEAD: (State.BETWEEN, State.BODY, State.OFFERED, State.ENDED),
    State.BODY: (State.BETWEEN, State.ENDED),
    State.OFFERED: (State.BETWEEN, State.ENDED),
    State.ENDED: (State.ENDED,),
}
"""What may come after each state."""
