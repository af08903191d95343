"""Whether a connection's other end has left, or sent something, although nothing was read of it."""

from __future__ import annotations

import select
from collections.abc import Callable
from socket import MSG_PEEK
from typing import Any

from twisted.internet.tcp import Connection

from corsgate.transport.tls import TLSTransport

# Linux tells of a FIN behind bytes that have not been read; elsewhere a reset alone is seen.
_LEFT = getattr(select, "POLLRDHUP", 0)


def has_hung_up(transport: Any) -> bool:
    """Return whether the peer has closed its sending side or reset the connection.

    A reactor that does not read a socket is not told of this, whatever the peer does.

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


def unread_check(transport: Any) -> Callable[[], bool]:
    """Return what tells whether more has come than was read, or the peer has closed its side.

    Args:
        transport: The connection's; of one that is neither TCP nor TLS over it this is not known.
    """
    if isinstance(transport, TLSTransport):
        return lambda: transport.has_unread
    if not isinstance(transport, Connection):
        return lambda: False
    handle: Any = transport.getHandle()
    receive = handle.recv

    def has_unread() -> bool:
        try:
            receive(1, MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            # It was reset.
            return True
        return True

    return has_unread
