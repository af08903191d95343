"""What a case is made of: what clients do, and how servers answer."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TypeAlias

import attrs

from corsgate.message.headers import HeaderList


class Move(Enum):
    """What a server does besides sending bytes."""

    WHOLE = "waits for the rest of the request"
    HOLD = "waits until it is released"
    CLOSE = "closes"
    RESET = "resets the connection"


@attrs.frozen
class Reaction:
    """How a server reacts to one request, beginning when its head has come.

    Attributes:
        moves: What it does, in order; bytes are sent as one write.
    """

    moves: tuple[bytes | Move, ...]


def answer(*moves: bytes | Move) -> Reaction:
    """Return the reaction of a server that waits for the whole request."""
    return Reaction((Move.WHOLE, *moves))


@attrs.frozen
class Send:
    """A client of HTTP/1 sends bytes, each piece as one write."""

    client: int
    pieces: tuple[bytes, ...]


@attrs.frozen
class Headers:
    """A HEADERS frame of HTTP/2 (RFC 9113 6.2)."""

    stream: int
    fields: HeaderList
    end: bool = True


@attrs.frozen
class Data:
    """A DATA frame."""

    stream: int
    data: bytes
    end: bool = True


@attrs.frozen
class Reset:
    """A RST_STREAM frame."""

    stream: int


@attrs.frozen
class Raw:
    """Bytes that are no frame, or a wrong one."""

    data: bytes


Framed: TypeAlias = Headers | Data | Reset | Raw


@attrs.frozen
class Frames:
    """A client of HTTP/2 sends frames in one write; before the first ones its preface."""

    client: int
    frames: tuple[Framed, ...]


@attrs.frozen
class Leave:
    """A client closes its connection, or resets it."""

    client: int
    reset: bool = False


@attrs.frozen
class Take:
    """A client takes so many bytes more, and then no more; None for any number."""

    client: int
    size: int | None


@attrs.frozen
class Release:
    """Each server that holds goes on."""


@attrs.frozen
class Wait:
    """Time passes, a second at a time."""

    seconds: int


Step: TypeAlias = Send | Frames | Leave | Take | Release | Wait


@attrs.frozen(kw_only=True)
class Case:
    """One script for the whole gate.

    Attributes:
        name: Names it.
        kind: What family of cases it is of.
        config: The name of the configuration.
        steps: What happens, in order; after each one the gate does all that it can.
        reactions: How the servers react to the requests that come, in that order; to each one more
            with a plain 200.
        connects: What becomes of the gate's attempts to connect, in order: ``accept``, ``refuse``
            or ``hang``; of each one more, ``accept``.
        splits: Whether the pieces in which bytes come must make no difference.
        requests: Where the steps are nothing but requests that are each answered whole before the
            next one: those requests. They may then come on one connection or several.
    """

    name: str
    kind: str
    config: str = "cors"
    steps: tuple[Step, ...]
    reactions: tuple[Reaction, ...] = ()
    connects: tuple[str, ...] = ()
    splits: bool = True
    requests: tuple[bytes, ...] = ()


def sends(requests: Sequence[bytes]) -> tuple[Step, ...]:
    """Return the steps of a client that sends each request when the one before was answered."""
    return tuple(Send(0, (request,)) for request in requests)
