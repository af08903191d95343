"""Secrets that a test can find again, in whatever form they come out."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256

import attrs

_CORE_LENGTH = 18
_PREFIX_LENGTH = 10
"""How much of a secret counts as a leak: text in messages may be cut."""


@attrs.frozen(kw_only=True)
class Marker:
    """A secret of a test.

    Attributes:
        place: Where the configuration has it.
        text: The secret. It begins with `core`.
        core: Letters and digits that are in no other secret. Escaping for URLs, HTML, JSON and
            Python leaves them as they are, so that one look finds all of these forms.
    """

    place: str
    text: str
    core: str


def marker(place: str, rest: str = "") -> Marker:
    """Return the secret for a place.

    Args:
        place: The place.
        rest: What follows the core: characters that change where they are escaped.
    """
    digits = sha256(place.encode()).digest()
    core = "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[each % 32] for each in digits)
    core = core[:_CORE_LENGTH]
    return Marker(place=place, text=core + rest, core=core)


def forms(text: str) -> Iterator[tuple[str, bytes]]:
    """Return the forms in which a text may come out, each with its name.

    Args:
        text: Letters and digits. In Base64 they look the same wherever the text stands in
            encoded data, except for their ends.
    """
    data = text.encode("ascii")
    yield "as it is", data
    yield "in lower case", data.lower()
    yield "reversed", data[::-1]
    yield "in hex", data.hex().encode()
    yield "in upper-case hex", data.hex().upper().encode()
    yield "percent-encoded", b"".join(b"%%%02x" % each for each in data)
    yield "percent-encoded in upper case", b"".join(b"%%%02X" % each for each in data)
    yield "in UTF-16", text.encode("utf-16-le")
    yield "as a list of numbers", ", ".join(map(str, data)).encode()
    for name, order in (("", data), (" after being reversed", data[::-1])):
        for offset in range(3):
            for kind, encode in (("Base64", b64encode), ("URL-safe Base64", urlsafe_b64encode)):
                # Whatever stands before and after it shares a group with its ends.
                encoded = encode(b"\0" * offset + order)
                start = -(-offset * 8 // 6)
                whole = (offset + len(order)) * 8 // 6
                yield f"in {kind} at offset {offset}{name}", encoded[start:whole]


def leaks(data: bytes, markers: Iterable[Marker]) -> list[str]:
    """Return which secrets are in some data, in which form; empty if none is.

    Args:
        data: What the gate has written or sent.
        markers: The secrets of its configuration.
    """
    found = []
    lower = data.lower()
    for each in markers:
        for name, form in forms(each.core[:_PREFIX_LENGTH]):
            if form in (lower if name == "in lower case" else data):
                found.append(f"{each.place}, {name}")
    return found
