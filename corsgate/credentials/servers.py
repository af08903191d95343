"""What kinds of credentials know about servers: a limited memory, and how exposed one is."""

from __future__ import annotations

from typing import Final, TypeVar
from urllib.parse import urlsplit

from corsgate.message.host import is_loopback_name

MAX_SERVERS: Final = 1000
"""How many servers are remembered at most, since discovery may keep adding servers."""

_K = TypeVar("_K")
_T = TypeVar("_T")


def remember(known: dict[_K, _T], key: _K, value: _T, most: int = MAX_SERVERS) -> _T:
    """Store a value for a server or a path, and return it.

    If there are too many, the one that was stored the longest ago is forgotten. That must cost no
    more than learning the value again.

    Args:
        known: The values by the servers' origins, or by other keys, the latest stored last.
        key: The server's origin, or another key.
        value: The value, which replaces an earlier one.
        most: How many are kept.
    """
    known.pop(key, None)
    if len(known) >= most:
        del known[next(iter(known))]
    known[key] = value
    return value


def is_private(server: str) -> bool:
    """Return whether nobody on the network can read or change requests to a server.

    Args:
        server: The server's origin, such as ``http://10.0.0.11:8000``.
    """
    parts = urlsplit(server)
    return parts.scheme in ("https", "unix") or is_loopback_name((parts.hostname or "").encode())
