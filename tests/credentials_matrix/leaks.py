"""Finds secrets, however they are spelled."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus


def leaked(secrets: Iterable[str], data: bytes) -> list[str]:
    """Return the spellings of secrets that are in some bytes."""
    return [
        spelling
        for secret in secrets
        for spelling in spellings(secret)
        if spelling.encode() in data or spelling.lower().encode() in data.lower()
    ]


def spellings(secret: str) -> Iterator[str]:
    """Return a secret as it is, percent-encoded, as a form has it, in JSON, and in base64.

    In base64 it looks different by where it begins in what is encoded.
    """
    yield secret
    yield from {quote(secret, safe=""), quote(secret), quote_plus(secret)} - {secret}
    yield json.dumps(secret)[1:-1]
    for before in range(3):
        whole = b64encode(b"x" * before + secret.encode()).decode()
        # The first and last characters depend on what is around it.
        yield whole[(4 if before else 0) : (len(secret) + before) // 3 * 4]
