"""May an attempt be repeated: only where it can't have acted, or acting twice is acting once."""

from __future__ import annotations

from corsgate.errors import ConnectFailed, ConnectionReset, QueueFull, UpstreamError

IDEMPOTENT_METHODS = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
"""Methods whose repetition has the effect of one request (RFC 9110 9.2.2)."""


def may_try_another_server(error: UpstreamError) -> bool:
    """Answer whether another server may get a request that failed on one.

    Args:
        error: What it failed with.

    Returns:
        True where nothing of the request was sent, unless it has waited its time in a queue
        already: all servers together shall not keep it for longer.
    """
    return isinstance(error, ConnectFailed | QueueFull)


def may_resend(error: UpstreamError, method: bytes, *, replayable: bool) -> bool:
    """Answer whether a request that failed on a kept-alive connection may go on a fresh one.

    A server may close an idle connection at the moment that a request is on its way to it
    (RFC 9112 9.3.1): a client can't tell that from a server that acted and then failed.

    Args:
        error: What it failed with.
        method: The request's method.
        replayable: Whether all of its body can be sent again.

    Returns:
        True where no byte of a response came and the method is idempotent.
    """
    return isinstance(error, ConnectionReset) and replayable and method in IDEMPOTENT_METHODS
