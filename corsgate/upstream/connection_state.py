"""What an upstream connection is at, and what may follow that."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final


class State(Enum):
    """What a connection is at.

    | state      | what it means                                         | what may follow        |
    | ---------- | ----------------------------------------------------- | ---------------------- |
    | IDLE       | nothing is under way; a request may be sent           | ASKED, CLOSING, CUT    |
    | ASKED      | no final response's head was handed on yet            | IDLE, RESPONDING,      |
    |            |                                                       | TUNNEL, CUT            |
    | RESPONDING | the head was handed on, and the body comes            | IDLE, HELD, CUT        |
    | HELD       | the same; what has come must be taken before the rest | IDLE, RESPONDING, CUT  |
    | TUNNEL     | it speaks another protocol                            |                        |
    | CLOSING    | it closes once all that was written has left          | CUT                    |
    | CUT        | it was aborted; what was handed on may still end      |                        |
    | GONE       | its socket is gone                                    |                        |

    GONE may follow any other. From HELD to IDLE it goes by TLS, which hands on what it has
    decrypted.
    """

    IDLE = auto()
    ASKED = auto()
    RESPONDING = auto()
    HELD = auto()
    TUNNEL = auto()
    CLOSING = auto()
    CUT = auto()
    GONE = auto()


UNDER_WAY: Final = (State.ASKED, State.RESPONDING, State.HELD)
"""The states in which the server's bytes are a response.

These are tuples since the hash of an enum's member is a call, and `in` looks at identity first.
"""

USABLE: Final = (State.IDLE, *UNDER_WAY)
"""The states in which a connection is of use to its pool, now or later."""

FOLLOWS: Final[Mapping[State, tuple[State, ...]]] = {
    State.IDLE: (State.ASKED, State.CLOSING, State.CUT, State.GONE),
    State.ASKED: (State.IDLE, State.RESPONDING, State.TUNNEL, State.CUT, State.GONE),
    State.RESPONDING: (State.IDLE, State.HELD, State.CUT, State.GONE),
    State.HELD: (State.IDLE, State.RESPONDING, State.CUT, State.GONE),
    State.TUNNEL: (State.GONE,),
    State.CLOSING: (State.CUT, State.GONE),
    State.CUT: (State.GONE,),
    State.GONE: (),
}
"""What may follow each state."""
