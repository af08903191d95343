"""What a client's connection of HTTP/1.1 is at, and what may come after that."""

from __future__ import annotations

from enum import IntEnum


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


NEXT = {
    Phase.IDLE: (Phase.PENDING, Phase.ANSWERING, Phase.CLOSING, Phase.LOST),
    Phase.PENDING: (Phase.IDLE, Phase.ANSWERING, Phase.CLOSING, Phase.LOST),
    Phase.ANSWERING: (Phase.IDLE, Phase.PENDING, Phase.CLOSING, Phase.TUNNEL, Phase.LOST),
    Phase.CLOSING: (Phase.CLOSING, Phase.LOST),
    Phase.TUNNEL: (Phase.CLOSING, Phase.LOST),
    Phase.LOST: (),
}
"""What may come after each phase."""
