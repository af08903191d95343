"""Parameters of a query: added to a target, and removed from one."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote, unquote_to_bytes

_PIECES = re.compile(rb"([&;])")
_ENDS_NAME = re.compile(rb"[\x00\[]")


def parameter(name: str, value: str) -> bytes:
    """Return a parameter in the form that a query has.

    Everything but unreserved characters is percent-encoded in UTF-8 (RFC 3986 2.3). Bytes of an
    environment variable that are not UTF-8 are kept.

    Args:
        name: The name.
        value: The value.
    """
    return b"%b=%b" % (_encoded(name), _encoded(value))


def _encoded(text: str) -> bytes:
    return quote(text, safe="", errors="surrogateescape").encode("ascii")


def add_parameter(target: bytes, added: bytes) -> bytes:
    """Return a target with a parameter at the end of its query.

    Args:
        target: A target in origin-form, or ``*``, which has no query and stays unchanged.
        added: What `parameter` returned.
    """
    if not target.startswith(b"/"):
        return target
    before, mark, query = target.partition(b"?")
    return b"%b?%b&%b" % (before, query, added) if mark and query else b"%b?%b" % (before, added)


def drop_parameters(target: bytes, is_dropped: Callable[[bytes], bool]) -> bytes:
    """Return a target without some parameters.

    The rest is kept byte for byte. Parameters end at ``&``, and at ``;``, which some servers treat
    in the same way.

    Args:
        target: A target.
        is_dropped: Gets the `normal_name` of a parameter and returns whether it is dropped.
    """
    path, mark, query = target.partition(b"?")
    if not mark:
        return target
    pieces = _PIECES.split(query)
    kept = b""
    dropped = False
    for number in range(0, len(pieces), 2):
        separator = pieces[number - 1] if number else b""
        if is_dropped(normal_name(pieces[number].partition(b"=")[0])):
            dropped = True
        else:
            kept += (separator if kept else b"") + pieces[number]
    if not dropped:
        return target
    return b"%b?%b" % (path, kept) if kept else path


def normal_name(name: bytes) -> bytes:
    """Return one form of all the names that some server treats as the same name.

    Servers decode a name once. ASP.NET ignores its case. PHP ignores spaces before it, reads ``.``
    and spaces as ``_``, and ends it at ``[`` or NUL.

    Args:
        name: The name as written in a query.
    """
    plain = unquote_to_bytes(name.replace(b"+", b" ")).lstrip(b" \t\r\n\v\f").lower()
    plain = _ENDS_NAME.split(plain, maxsplit=1)[0] or plain
    return plain.rstrip().replace(b" ", b"_").replace(b".", b"_")
