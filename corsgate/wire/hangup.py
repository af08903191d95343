"""Whether the other end of a connection has left, although nothing is read from it."""

from __future__ import annotations

import select
from typing import Any

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
