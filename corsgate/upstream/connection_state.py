"""The states of an upstream connection, and which state may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final


class State(Enum):
    """The state of a connection.

    | state      | meaning                                               | next states            |
    | ---------- | ----------------------------------------------------- | ---------------------- |
    | IDLE       | there is no request; one may be sent                  | ASKED, CLOSING, CUT    |
    | ASKED      | the head of the final response was not passed on yet  | IDLE, RESPONDING,      |
    |            |                                                       | TUNNEL, CUT            |
    | RESPONDING | the head was passed on, and the body is being read    | IDLE, HELD, CUT        |
    | HELD       | the same, but paused until the client reads more      | IDLE, RESPONDING, CUT  |
    | TUNNEL     | it speaks another protocol                            |                        |
    | CLOSING    | it closes once everything written has been sent       | CUT                    |
    | CUT        | it was aborted; the response passed on may still end  |                        |
    | GONE       | its socket is closed                                  |                        |

    GONE may follow any other state. IDLE may follow HELD, because TLS passes on bytes that it has
    already decrypted.
    """

    IDLE = auto()
    ASKED = auto()
    RESPONDING = auto()
    HELD = auto()
    TUNNEL = auto()
    CLOSING = auto()
    CUT = auto()
    GONE = auto()


# For the path of each request: looking up an enum member in its class is slow.
IDLE: Final = State.IDLE
ASKED: Final = State.ASKED

UNDER_WAY: Final = (State.ASKED, State.RESPONDING, State.HELD)
"""The states in which the server's bytes are a response.

They are tuples, in which `in` compares identity first; in a set, hashing an enum member is a call.
"""

USABLE: Final = (State.IDLE, *UNDER_WAY)
"""The states in which a pool can use a connection, now or later."""

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
"""Which states may follow each state."""
