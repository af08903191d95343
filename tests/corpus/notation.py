r"""How a corpus is written: TOML tables, with bytes as text that is easy to read.

In a text, the end of a line stands for CRLF. Everything else is by escapes:

- ``\r``, ``\n``, ``\t``, ``\0``, ``\\`` and ``\x80``: one byte;
- ``\`` at the end of a line: nothing, not even CRLF;
- ``\{abc*9}``: ``abc`` nine times, escapes and all.

An expected message is such a text too. Its first line, and its body behind an empty line, are
exact. Of its fields only those are compared that it names: ``Name: value`` for each that must be
there, in order; ``!Name`` for one that must not be there, as a field or as a trailer;
``+Name: value`` for a trailer. ``@`` stands for the upstream's own authority.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from corsgate.message.headers import HeaderList, index_headers
from tests.corpus.judge import Judged

HERE = Path(__file__).parent

_ESCAPE = re.compile(
    rb"\\(?:x([0-9a-f]{2})|([rnt0\\])|\{((?:[^*\\]|\\[^{])*)\*([0-9]+)\}|(\n)|(.?))|\n"
)
_BYTES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}


def decode(text: str) -> bytes:
    """Return the bytes that a text stands for.

    Raises:
        ValueError: It has an unknown escape, or a character that isn't ASCII.
    """

    def plain(found: re.Match[bytes]) -> bytes:
        code, letter, repeated, times, joined, wrong = found.groups()
        if code is not None:
            return bytes.fromhex(code.decode())
        if letter is not None:
            return _BYTES[letter]
        if times is not None:
            return decode(repeated.decode()) * int(times)
        if joined is not None:
            return b""
        if wrong is not None:
            raise ValueError(f"{found[0]!r} is no escape")
        return b"\r\n"

    return _ESCAPE.sub(plain, text.encode("ascii"))


@attrs.frozen
class Expected:
    """A message that one side must get.

    Attributes:
        start: Its first line.
        fields: Those that must be there.
        absent: Lower-cased names of fields that must not be.
        trailers: Those that must be there.
        body: Its content, transfer coding undone.
    """

    start: bytes
    fields: HeaderList
    absent: frozenset[bytes]
    trailers: HeaderList
    body: bytes

    @classmethod
    def read(cls, text: str, authority: bytes) -> Expected:
        """Return what a text says, with the upstream's authority put in."""
        head, _, body = decode(text).partition(b"\r\n\r\n")
        start, *lines = head.removesuffix(b"\r\n").split(b"\r\n")
        fields: HeaderList = []
        trailers: HeaderList = []
        absent = set()
        for line in lines:
            if line.startswith(b"!"):
                absent.add(line[1:].lower())
                continue
            name, _, value = line.partition(b":")
            value = value.strip(b" \t").replace(b"@", authority)
            if name.startswith(b"+"):
                trailers.append((name[1:], value))
            else:
                fields.append((name, value))
        return cls(start, fields, frozenset(absent), trailers, body)

    def faults(self, found: Judged) -> Iterator[str]:
        """Return in what way a message is another one."""
        if found.start != self.start:
            yield f"begins {found.start!r}, not {self.start!r}"
        if not found.whole:
            yield f"is cut short: {found!r}"
        if found.body != self.body:
            yield f"has the body {found.body[:99]!r}, not {self.body[:99]!r}"
        index, trailers = index_headers(found.fields), index_headers(found.trailers)
        for name, values in index_headers(self.fields).items():
            if index.get(name) != values:
                yield f"has {name!r} {index.get(name)}, not {values}"
        for name, values in index_headers(self.trailers).items():
            if trailers.get(name) != values:
                yield f"has the trailer {name!r} {trailers.get(name)}, not {values}"
        for name in self.absent & (index.keys() | trailers.keys()):
            yield f"has {name!r}"


def rows(kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the rows of a corpus.

    Args:
        kind: The directory, ``requests`` or ``responses``.

    Returns:
        Each row's name, unique within the corpus, and the row.
    """
    seen: set[str] = set()
    for path in sorted((HERE / kind).glob("*.toml")):
        for row in tomllib.loads(path.read_text("ascii"))["row"]:
            name = f"{path.stem}_" + re.sub(r"\W+", "_", row["name"])
            if name in seen:
                raise ValueError(f"{path.name}: {row['name']!r} is there twice")
            seen.add(name)
            yield name, row
