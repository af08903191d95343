"""Listening sockets: how many connections are accepted in a row, and how they are closed."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.tcp import Port

from corsgate.config.endpoint import DEFAULT_BACKLOG


def stop_listening(port: Any, reactor: Any, *, handed_over: bool) -> Deferred[Any]:
    """Close a listening socket, after accepting what waits in its queue.

    Closing a socket resets the connections that were not accepted yet, and with them requests
    that their clients have sent already.

    Args:
        port: An IListeningPort.
        reactor: The reactor that it uses.
        handed_over: Whether the socket was handed to the process, as systemd does. Then its
            queue outlives this process, and is left to the next one.

    Returns:
        A Deferred that fires when it is closed.
    """
    if not handed_over:
        # Twisted closes the socket in a later call; this one comes just before.
        reactor.callLater(0, accept_queued, port)
    return maybeDeferred(port.stopListening)


def accept_queued(port: Any) -> None:
    """Accept the connections that wait in a port's queue, a queue's length at most.

    Args:
        port: An IListeningPort; only Twisted's own kind can be asked.
    """
    if not isinstance(port, Port):
        return
    first = before = port.sessionno
    while port.connected and before - first <= DEFAULT_BACKLOG:
        port.doRead()
        if port.sessionno == before:
            break
        before = port.sessionno
