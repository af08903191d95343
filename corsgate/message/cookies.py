"""What a request's Cookie fields say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain, islice

# A name is there once for each path that it was set for; a client may send thousands.
_MOST_LOOKED_AT = 64
_MOST_BLANKS = 64


def cookie_values(cookies: Iterable[bytes], name: bytes) -> Iterator[bytes]:
    """Return the values that a cookie has, in order (RFC 6265bis 4.2.1).

    Names are compared case and all. A name may be there twice, set for different paths.

    Args:
        cookies: The values of all Cookie fields.
        name: The cookie's name.

    Returns:
        Those found among the first 64 places that the name stands at.
    """
    found = chain.from_iterable(map(_pattern(name).finditer, cookies))
    return (each[1].strip(b" \t") for each in islice(found, _MOST_LOOKED_AT) if _begins_pair(each))


# Names are configured, so there are few.
@lru_cache(maxsize=64)
def _pattern(name: bytes) -> re.Pattern[bytes]:
    # It begins with the name, which is searched for in C whatever else a field is full of.
    return re.compile(re.escape(name) + rb"[ \t]*+=([^;]*+)")


def _begins_pair(found: re.Match[bytes]) -> bool:
    """Return whether nothing but blanks stands between a name and the pair before it."""
    start = found.start()
    before = found.string[max(0, start - _MOST_BLANKS) : start].rstrip(b" \t")
    return before.endswith(b";") or (not before and start < _MOST_BLANKS)
