"""Find the URI references in Link and Refresh, and replace them."""

from __future__ import annotations

import re
from collections.abc import Callable

MAX_LINKS = 256
"""How many references and quoted strings of one Link are processed; no real one has that many."""

# A quoted string may contain "<". Each alternative also matches an unclosed string or bracket. So
# no byte is scanned twice, even if a server sends many brackets and quotes.
_LINK = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|<([^<>]*+)(>?)', re.DOTALL)
_REFRESH = re.compile(
    rb"([ \t]*+[0-9.]*+[ \t]*+(?:[;,][ \t]*+|(?<=[ \t]))(?:url[ \t]*+=[ \t]*+)?)(.*)",
    re.IGNORECASE | re.DOTALL,
)


def map_link(value: bytes, to_gate: Callable[[bytes], bytes]) -> bytes:
    """Return a Link with the target of each link mapped; its parameters stay (RFC 8288 3).

    Args:
        value: The field's value. The time is linear in its length.
        to_gate: Maps a URI reference.
    """

    def mapped(found: re.Match[bytes]) -> bytes:
        reference, closed = found.groups()
        return b"<" + to_gate(reference) + b">" if closed else found[0]

    return _LINK.sub(mapped, value, count=MAX_LINKS)


def map_refresh(value: bytes, to_gate: Callable[[bytes], bytes]) -> bytes:
    """Return a Refresh, such as ``5; url=/login``, with its URL mapped.

    Args:
        value: The field's value.
        to_gate: Maps a URI reference.

    Source: HTML ``#shared-declarative-refresh-steps``.
    """
    found = _REFRESH.fullmatch(value)
    if found is None:
        return value
    start, url = found.groups()
    quote = url[:1]
    if quote not in (b'"', b"'"):
        return start + to_gate(url)
    inner, closing, rest = url[1:].partition(quote)
    return start + quote + to_gate(inner) + closing + rest
