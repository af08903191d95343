"""How a connection to a server ended, which decides whether a body may end with it."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from corsgate.upstream.parser import Ending


def ending_of(reason: Failure, transport: Any) -> Ending:
    """Return how a connection ended.

    Args:
        reason: What `connectionLost` was called with.
        transport: The connection's, which may be a `TLSTransport`.
    """
    if reason.check(ConnectionDone):
        return Ending.CLOSED
    # Twisted names a TLS end without close_notify like a TCP reset.
    if reason.type is ConnectionLost and getattr(transport, "closed_below", False):
        return Ending.UNSEALED
    return Ending.CUT
