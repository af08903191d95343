"""Recognize a secret in text that a server sent, so that no log or page shows it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

_PIECE_CHARS = 8
"""The number of consecutive characters of a secret that are enough to recognize it."""

_URL_SAFE = str.maketrans("+/", "-_")


def repeats(text: str, secrets: Iterable[str]) -> bool:
    """Return whether text contains a secret or a part of one, as it is or encoded.

    Servers that repeat a secret may shorten it, or escape some of its characters.

    Args:
        text: The text, in which case does not matter.
        secrets: The secrets. No text contains an empty one.
    """
    found = text.lower()
    pieces = {found[i : i + _PIECE_CHARS] for i in range(len(found) - _PIECE_CHARS + 1)}
    for secret in secrets:
        for each in forms(secret):
            form = each.lower()
            if form and (form in found or any(piece in form for piece in pieces)):
                return True
    return False


def forms(secret: str) -> Iterator[str]:
    """Return a secret as it is, percent-encoded, in hex, and in Base64 at each offset.

    Args:
        secret: The secret.
    """
    raw = secret.encode("utf-8", "surrogateescape")
    yield secret
    yield quote(raw, safe="")
    yield quote_plus(raw)
    yield raw.hex()
    for offset in range(3):
        # The text before a secret, such as a user name, shares the first characters with it.
        start = (0, 2, 3)[offset]
        encoded = b64encode(b"\0" * offset + raw).decode("ascii").rstrip("=")[start:]
        yield encoded
        yield encoded.translate(_URL_SAFE)
