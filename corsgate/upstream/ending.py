"""How a connection to a server ended, which decides whether a body may end with it."""

from __future__ import annotations

from typing import Any

from OpenSSL.SSL import Error as SSLError
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from corsgate.errors import ConnectionReset, UpstreamError
from corsgate.upstream.handshake import late_refusal, openssl_reasons
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


def explained(error: UpstreamError, reason: Failure) -> UpstreamError:
    """Return why there is no response, in the words of TLS where that says more.

    Args:
        error: What the parser says of it.
        reason: What `connectionLost` was called with.
    """
    if not isinstance(error, ConnectionReset) or reason.check(SSLError) is None:
        return error
    assert reason.value is not None, "a failure has a value"
    refusal = late_refusal(openssl_reasons(reason.value))
    return error if refusal is None else ConnectionReset(f"{error}: {refusal}")
