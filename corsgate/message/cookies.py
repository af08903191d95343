"""Read a request's Cookie fields, and put the gate's own cookies among them."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice

from corsgate.message.headers import Header, HeaderList

# A name occurs once for each path for which it was set, but a client may send thousands.
_MOST_LOOKED_AT = 64
_MOST_BLANKS = 64


def cookie_values(cookies: Iterable[bytes], name: bytes) -> Iterator[bytes]:
    """Return the values of a cookie, in order (RFC 6265bis 4.2.1).

    Names are case-sensitive. A name may occur twice, set for different paths.

    Args:
        cookies: The values of all Cookie fields.
        name: The cookie's name.

    Returns:
        The values among the first 64 occurrences of the name.
    """
    found = chain.from_iterable(map(_pattern(name).finditer, cookies))
    return (each[1].strip(b" \t") for each in islice(found, _MOST_LOOKED_AT) if _begins_pair(each))


def cookies_replaced(
    headers: Iterable[Header], names: Container[bytes], pairs: Sequence[bytes]
) -> HeaderList:
    """Return request fields with one Cookie field, where the gate's cookies replace the client's.

    Args:
        headers: The fields.
        names: The names of cookies that clients must not send.
        pairs: The gate's own cookies, as ``name=value``.
    """
    others: HeaderList = []
    kept: list[bytes] = []
    for field in headers:
        if field[0].lower() != b"cookie":
            others.append(field)
            continue
        for pair in field[1].split(b";"):
            pair = pair.strip(b" \t")
            if pair and pair.partition(b"=")[0].strip(b" \t") not in names:
                kept.append(pair)
    cookies = b"; ".join([*kept, *pairs])
    return [*others, (b"Cookie", cookies)] if cookies else others


# Names are configured, so there are few.
@lru_cache(maxsize=64)
def _pattern(name: bytes) -> re.Pattern[bytes]:
    # The pattern begins with the name, so that the search for it runs in C.
    return re.compile(re.escape(name) + rb"[ \t]*+=([^;]*+)")


def _begins_pair(found: re.Match[bytes]) -> bool:
    """Return whether only blanks separate a name from the pair before it."""
    start = found.start()
    before = found.string[max(0, start - _MOST_BLANKS) : start].rstrip(b" \t")
    return before.endswith(b";") or (not before and start < _MOST_BLANKS)
