"""The ways in which a case may be played that must all give the same.

A shortcut that can be forced off has one line in `VARIANTS`: a `Variant` whose manner makes the
gate without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import cycle

import attrs

from corsgate.shortcuts import Shortcuts
from tests.differential.forget import forgetter
from tests.differential.play import Manner, Transcript, Wire, make_service, play
from tests.differential.script import Case, Send, Step

_CHUNK = re.compile(rb"([0-9a-fA-F]+)[^\r\n]*\r\n")
_SIZES = (1, 7, 40, 3, 150, 2, 90)


def _steps_of(case: Case) -> Sequence[Step] | None:
    return case.steps


def _unchanged(transcript: Transcript) -> Transcript:
    return transcript


@attrs.frozen(kw_only=True)
class Variant:
    """Another way to play cases.

    Attributes:
        name: Names it.
        manner: How cases are played.
        steps: Returns a case's steps for it; None where it does not apply.
        view: Returns what must be the same of a transcript.
        share: It is played with each case of so many.
    """

    name: str
    manner: Manner = attrs.field(factory=Manner)
    steps: Callable[[Case], Sequence[Step] | None] = _steps_of
    view: Callable[[Transcript], Transcript] = _unchanged
    share: int = 1

    def compare(self, case: Case, usual: Transcript) -> tuple[Transcript, Transcript] | None:
        """Play a case; return what must be equal, or None where the variant does not apply.

        Args:
            case: The case.
            usual: Its transcript as it is served, with all shortcuts.
        """
        steps = self.steps(case)
        if steps is None:
            return None
        return self.view(usual), self.view(play(case, self.manner, steps))


# Other pieces.


def _if_split(case: Case) -> Sequence[Step] | None:
    return case.steps if case.splits else None


def _drips(data: bytes) -> Iterable[bytes]:
    """Cut bytes into small pieces; what is behind the first 2 KiB into large ones."""
    at = 0
    for size in cycle(_SIZES):
        if at >= len(data):
            return
        end = at + (size if at < 2_048 else 5_000)
        yield data[at:end]
        at = end


def _without_chunks(transcript: Transcript) -> Transcript:
    """Return a transcript whose chunked bodies are each one chunk.

    Its lines of the log are sorted: of two responses that come at once, the one that comes in fewer
    pieces ends first.
    """
    return attrs.evolve(
        transcript,
        log=tuple(sorted(transcript.log)),
        clients=tuple(map(_join_chunks, transcript.clients)),
        servers=tuple(map(_join_chunks, transcript.servers)),
    )


def _join_chunks(wire: Wire) -> Wire:
    """Return a wire whose chunks are joined, body by body."""
    data, at, joined = wire.data, 0, b""
    while (end := data.find(b"\r\n\r\n", at)) >= 0:
        end += 4
        joined += data[at:end]
        if b"\r\ntransfer-encoding: chunked\r\n" in data[at:end].lower():
            body, end = _read_chunks(data, end)
            joined += body
        at = end
    return attrs.evolve(wire, data=joined + data[at:])


def _read_chunks(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the chunks that begin at a place as one, and where the last one begins."""
    body = b""
    while (chunk := _CHUNK.match(data, at)) is not None and int(chunk[1], 16):
        end = chunk.end() + int(chunk[1], 16)
        body += data[chunk.end() : end]
        at = end + 2
    return body and b"(%d) %b\r\n" % (len(body), body), at


# Other connections.


def _apart(case: Case) -> Sequence[Step] | None:
    """Return steps in which each request has a connection of its own."""
    if not case.requests:
        return None
    return [Send(number, (request,)) for number, request in enumerate(case.requests)]


def _at_once(case: Case) -> Sequence[Step] | None:
    """Return steps in which all requests come in one write."""
    return [Send(0, (b"".join(case.requests),))] if case.requests else None


def _on_one_wire(transcript: Transcript) -> Transcript:
    """Return a transcript in which all clients are the same one."""
    data = b"".join(wire.data for wire in transcript.clients)
    return attrs.evolve(transcript, clients=(Wire("clients", data, ""),))


# Shortcuts forced off.

_NAMES = tuple(field.name for field in attrs.fields(Shortcuts))


def _without(*names: str) -> Manner:
    """Return a manner in which some shortcuts are forced off."""
    return Manner(make=partial(make_service, shortcuts=Shortcuts(**dict.fromkeys(names, False))))


VARIANTS = (
    Variant(name="without any shortcut", manner=_without(*_NAMES), view=_without_chunks),
    *(
        Variant(name=f"without {name}", manner=_without(name), view=_without_chunks, share=4)
        for name in _NAMES
    ),
    Variant(name="forgetful", manner=Manner(watch=forgetter), share=2),
    Variant(
        name="drips", manner=Manner(cut=_drips), steps=_if_split, view=_without_chunks, share=2
    ),
    Variant(
        name="joined", manner=Manner(join=True), steps=_if_split, view=_without_chunks, share=2
    ),
    Variant(name="apart", steps=_apart, view=_on_one_wire, share=2),
    Variant(name="at once", steps=_at_once, view=_on_one_wire, share=2),
)
