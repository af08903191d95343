"""Whether a connection's other end has left, or sent something, although nothing was read of it."""

from __future__ import annotations

import select
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.tcp import Connection

from corsgate.transport.tls import TLSTransport

# Linux reports a FIN behind bytes that have not been read; elsewhere a reset alone is seen.
_LEFT = getattr(select, "POLLRDHUP", 0)


def has_hung_up(transport: Any) -> bool:
    """Return whether the peer has closed its sending side or reset the connection.

    A reactor that does not read a socket does not learn of this, whatever the peer does.

    Args:
        transport: The connection's; one without a file descriptor is never found to have ended.
    """
    fileno = getattr(transport, "fileno", None)
    number = -1 if fileno is None else fileno()
    if number < 0:
        return False
    poll = select.poll()
    poll.register(number, _LEFT)
    return bool(poll.poll(0))


def unread_check(transport: Any) -> Callable[[], object]:
    """Return what finds out whether more has come than was read, or the peer has closed its side.

    Args:
        transport: The connection's; of one that is neither TCP nor TLS over it this is not known.

    Returns:
        A function that returns something true if so. It is a call of C, since each request that
        is sent on a kept connection asks; peeking into the socket takes three times as long, as
        that raises where there is nothing.
    """
    if isinstance(transport, TLSTransport):
        return lambda: transport.has_unread
    number = transport.fileno() if isinstance(transport, Connection) else -1
    if number < 0:
        return lambda: False
    poll = select.poll()
    # It also reports the end of what the peer sends, and a reset.
    poll.register(number, select.POLLIN)
    return partial(poll.poll, 0)
