"""What the gate did when it was last recorded: a digest of each part of each case's transcript."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import unified_diff
from hashlib import sha256
from pathlib import Path

from tests.differential.play import Transcript, Wire

FILE = Path(__file__).with_name("recorded_digests.txt")
PARTS = ("client", "server", "log")

_MOST_SHOWN = 60
_LONG_LINE = 240


def lines(transcript: Transcript) -> dict[str, list[str]]:
    """Return a transcript as text, by part."""
    return {
        "client": [line for wire in transcript.clients for line in _wire_lines(wire)],
        "server": [line for wire in transcript.servers for line in _wire_lines(wire)],
        "log": list(transcript.log),
    }


def show(transcript: Transcript) -> str:
    """Return a transcript as text, for a reader and for `differences`."""
    return "".join(
        f"== {part}\n" + "".join(f"{line}\n" for line in of_part)
        for part, of_part in lines(transcript).items()
    )


def digests(transcript: Transcript) -> tuple[str, ...]:
    """Return the digest of each of a transcript's `PARTS`."""
    text = lines(transcript)
    return tuple(
        sha256("\n".join(text[part]).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        for part in PARTS
    )


def differences(before: str, after: str) -> str:
    """Return the first lines in which two shown transcripts differ; empty where they don't."""
    found = list(
        unified_diff(before.splitlines(), after.splitlines(), "before", "after", "", "", 4)
    )
    shown = [line if len(line) <= _LONG_LINE else f"{line[:_LONG_LINE]}..." for line in found]
    return "".join(f"{line.rstrip()}\n" for line in shown[:_MOST_SHOWN])


def recorded() -> Mapping[str, tuple[str, ...]]:
    """Return the digests that were recorded, by case."""
    rows = [line.split() for line in FILE.read_text("ascii").splitlines() if line[:1] != "#"]
    return {name: tuple(found) for name, *found in rows}


def _wire_lines(wire: Wire) -> Iterator[str]:
    yield f"-- {wire.name}{': ' if wire.end else ''}{wire.end}"
    for line in wire.data.split(b"\n"):
        yield line.decode("latin-1").encode("unicode_escape").decode("ascii")
