"""How a connection to a server ended, and thus whether its end may end a body."""

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
        reason: The argument of `connectionLost`.
        transport: The connection's transport, which may be a `TLSTransport`.
    """
    if reason.check(ConnectionDone):
        return Ending.CLOSED
    # For a TLS end without close_notify, Twisted uses the same error as for a TCP reset.
    if reason.type is ConnectionLost and getattr(transport, "closed_below", False):
        return Ending.UNSEALED
    return Ending.CUT


def explained(error: UpstreamError, reason: Failure) -> UpstreamError:
    """Return why there is no response, with the reason from TLS if there is one.

    Args:
        error: The parser's error.
        reason: The argument of `connectionLost`.
    """
    if not isinstance(error, ConnectionReset) or reason.check(SSLError) is None:
        return error
    assert reason.value is not None, "a failure has a value"
    refusal = late_refusal(openssl_reasons(reason.value))
    return error if refusal is None else ConnectionReset(f"{error}: {refusal}")
