"""Check whether a peer has closed a connection or sent bytes, without reading from it."""

from __future__ import annotations

import select
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.tcp import Connection

from corsgate.transport.tls import TLSTransport

# Linux reports a FIN even if bytes before it have not been read. Elsewhere only a reset is seen.
_LEFT = getattr(select, "POLLRDHUP", 0)


def has_hung_up(transport: Any) -> bool:
    """Return whether the peer has closed its sending side or reset the connection.

    A reactor that does not read a socket does not notice this.

    Args:
        transport: The connection's transport. Without a file descriptor, the result is False.
    """
    fileno = getattr(transport, "fileno", None)
    number = -1 if fileno is None else fileno()
    if number < 0:
        return False
    poll = select.poll()
    poll.register(number, _LEFT)
    return bool(poll.poll(0))


def unread_check(transport: Any) -> Callable[[], object]:
    """Return a function that checks for unread bytes, or for a peer that closed its side.

    Args:
        transport: The connection's transport. For anything but TCP, or TLS over it, the result is
            always False.

    Returns:
        A function that returns a true value if so. It is a single C call, since it runs for each
        request on a reused connection. Peeking into the socket would take three times as long,
        because it raises an exception if there is nothing.
    """
    if isinstance(transport, TLSTransport):
        return lambda: transport.has_unread
    number = transport.fileno() if isinstance(transport, Connection) else -1
    if number < 0:
        return lambda: False
    poll = select.poll()
    # This also reports that the peer closed its side, and a reset.
    poll.register(number, select.POLLIN)
    return partial(poll.poll, 0)
