"""What kinds of credentials know about servers: a limited memory, and how exposed one is."""

from __future__ import annotations

from typing import Final, TypeVar
from urllib.parse import urlsplit

from corsgate.message.host import is_loopback_name

MAX_SERVERS: Final = 1000
"""How many servers are remembered at most, since discovery may keep adding servers."""

_T = TypeVar("_T")


def remember(known: dict[str, _T], server: str, value: _T) -> _T:
    """Store a value for a server, and return it.

    Above `MAX_SERVERS` the server that was stored the longest ago is forgotten. That must cost no
    more than learning the value again.

    Args:
        known: The values by the servers' origins, the latest stored last.
        server: The server's origin.
        value: The value, which replaces an earlier one.
    """
    known.pop(server, None)
    if len(known) >= MAX_SERVERS:
        del known[next(iter(known))]
    known[server] = value
    return value


def is_private(server: str) -> bool:
    """Return whether nobody on the network can read or change requests to a server.

    Args:
        server: The server's origin, such as ``http://10.0.0.11:8000``.
    """
    parts = urlsplit(server)
    return parts.scheme in ("https", "unix") or is_loopback_name((parts.hostname or "").encode())
