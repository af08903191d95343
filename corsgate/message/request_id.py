"""X-Request-Id, which identifies a request in the logs of all servers that it passes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final

REQUEST_ID: Final = b"X-Request-Id"
"""The field's name, as the gate writes it."""

REQUEST_ID_NAME: Final = b"x-request-id"
"""The field's name in lower case."""

MAX_ID_BYTES: Final = 128
"""The maximum length of an id from a trusted proxy."""

ID_BYTES: Final = 32
"""The length of an id that the gate makes."""

_AT_ONCE: Final = 64

# The characters of common ids, such as a UUID, Base64 or "Root=1-67891233-abcdef". A log line, a
# page, JSON or a quoted shell command need not escape any of them.
_VALID = re.compile(rb"[A-Za-z0-9._~+/=:@-]{1,%d}" % MAX_ID_BYTES)
_MADE = re.compile(f".{{{ID_BYTES}}}")


def given_id(values: Sequence[bytes]) -> str:
    """Return the id that a trusted proxy gives a request.

    Args:
        values: The values of its X-Request-Id fields.

    Returns:
        The id; empty if there is none, or several, or one that is too long or has characters other
        than ASCII letters, digits and ``. _ ~ + / = : @ -``.
    """
    if len(values) != 1 or _VALID.fullmatch(values[0]) is None:
        return ""
    return values[0].decode("ascii")


def made_ids(rng: Callable[[int], bytes]) -> Iterator[str]:
    """Return an endless iterator of new ids: 128 random bits in hexadecimal digits.

    They are random rather than counted, because an id is sent to the client, which could otherwise
    see how many requests others make.

    Args:
        rng: Returns the requested number of unpredictable bytes. One call serves many ids.
    """

    def some() -> list[str]:
        found: list[str] = _MADE.findall(rng(_AT_ONCE * ID_BYTES // 2).hex())
        return found

    return chain.from_iterable(iter(some, None))
