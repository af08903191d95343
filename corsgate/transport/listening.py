"""Listening sockets: how many connections are accepted in a row, and how they are closed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.tcp import Port
from twisted.logger import ILogObserver, LogEvent, Logger

from corsgate.config.model.endpoint import DEFAULT_BACKLOG, backlog_of, socket_mode_of
from corsgate.transport.shortage import has_descriptor

ACCEPTS_PER_TURN = 16
"""How many connections are accepted in a row before idle ones may be closed to make room."""

ACCEPT_PAUSE_S = 0.25
"""For how many seconds nothing is accepted after a descriptor was lacking."""


def tend(port: Any, reactor: Any, short: Callable[[], None]) -> None:
    """Make a port accept few connections at a time, and keep the log short when it can't.

    Twisted accepts hundreds in a row, which is more than the reserve of descriptors. It logs three
    lines for each connection that it closes for lack of one.

    Args:
        port: A listening IListeningPort. One that is not Twisted's own is left unchanged.
        reactor: The reactor that it uses.
        short: Called when there was no descriptor for a connection.
    """
    if not isinstance(port, Port):
        return
    tended: Any = port
    do_read = port.doRead
    complaints: list[LogEvent] = []

    def accept() -> None:
        tended.numberAccepts = min(tended.numberAccepts, ACCEPTS_PER_TURN)
        # Without a descriptor, Twisted would accept waiting connections only to close them.
        enough = has_descriptor()
        if enough:
            do_read()
        if complaints or not enough:
            complaints.clear()
            # Otherwise the reactor would immediately try again, repeatedly.
            port.stopReading()
            reactor.callLater(ACCEPT_PAUSE_S, go_on)
            short()

    def go_on() -> None:
        if port.connected and not port.disconnecting:
            port.startReading()

    tended.doRead = accept
    # While accepting, Twisted logs only a lack of descriptors or of kernel memory.
    tended._logger = Logger(observer=cast(ILogObserver, complaints.append))


def adjust(port: Any, endpoint: str) -> None:
    """Give a listening socket the backlog, and a Unix socket the permissions, of an endpoint.

    Args:
        port: An IListeningPort; only Twisted's own kind can be changed.
        endpoint: The endpoint, with the same address.
    """
    backlog = backlog_of(endpoint)
    if backlog is not None and isinstance(port, Port):
        listening: Any = port
        listening.socket.listen(backlog)
    found = socket_mode_of(endpoint)
    if found is not None:
        with suppress(OSError):
            os.chmod(*found)


def stop_listening(port: Any, reactor: Any, *, handed_over: bool) -> Deferred[Any]:
    """Close a listening socket, after accepting the connections in its queue.

    Closing a socket resets the connections that were not yet accepted, including requests that
    clients have already sent.

    Args:
        port: An IListeningPort.
        reactor: The reactor that it uses.
        handed_over: Whether the socket was handed to the process, as systemd does. Then its
            queue outlives this process, and is left to the next one.

    Returns:
        A Deferred that fires when it is closed.
    """
    if not handed_over:
        # Twisted closes the socket in a later call. This runs just before it.
        reactor.callLater(0, accept_queued, port)
    return maybeDeferred(port.stopListening)


def accept_queued(port: Any) -> None:
    """Accept the connections waiting in a port's queue, at most as many as it can hold.

    Args:
        port: An IListeningPort. Only Twisted's own kind is supported.
    """
    if not isinstance(port, Port):
        return
    first = before = port.sessionno
    while port.connected and before - first <= DEFAULT_BACKLOG:
        port.doRead()
        if port.sessionno == before:
            break
        before = port.sessionno
