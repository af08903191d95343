"""Bytes on their way to a peer: into the socket at once, where nothing waits before them.

A Twisted transport keeps what is written until its socket is polled for writing. For a small
message that costs two changes of the poll set and a turn of the reactor, more than the sending
itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.tcp import Connection
from twisted.protocols.policies import ProtocolWrapper
from twisted.protocols.tls import TLSMemoryBIOProtocol

TIGHT_BYTES = 4 * 1024
"""How much may wait in a transport before its producer is paused, where much waits already. It is
64 KiB otherwise: a slow peer gets more in the same time where more is ready for it."""


def pause_sooner(transport: Any, most: int = TIGHT_BYTES) -> None:
    """Have a transport pause its producer at `most` bytes from now on, and read no more at once."""
    _socket_of(transport).bufferSize = most


def drop_unsent(transport: Any) -> None:
    """Forget what a transport keeps, which is being cut: it would have it until the next turn."""
    below = _socket_of(transport)
    if isinstance(below, FileDescriptor):
        held: Any = below
        held.dataBuffer, held.offset = b"", 0
        held._tempDataBuffer, held._tempDataLen = [], 0


def unsent(transport: Any) -> int:
    """Return how many bytes a transport keeps that its socket has not taken."""
    below: Any = _socket_of(transport)
    if not isinstance(below, FileDescriptor):
        return 0
    # Its two buffers, of what it is sending and what it will. What has left of the first still
    # takes memory until all of it has.
    count = len(below.dataBuffer) + below._tempDataLen
    if isinstance(transport, TLSMemoryBIOProtocol):
        count += sum(map(len, transport._appSendBuffer))
    return count


def _socket_of(transport: Any) -> Any:
    """Return the transport that has the socket, below TLS and what reads a PROXY header."""
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    return transport


UNSENT_BYTES = 128 * 1024
"""How much the kernel takes of a response before it has been sent. By itself it takes some MiB, of
which a client that reads nothing can have as many as it has connections; and it takes so long to
fill them that until then such a client seems to take what it gets."""


def writer(transport: Any) -> Callable[[bytes], None]:
    """Return what writes to a transport.

    Args:
        transport: The connection's; it stays in charge of what can't leave at once, of
            producers and of errors.

    Returns:
        A function of the bytes to write. It sends at once where the transport is a plain socket
        with nothing in its buffer; any other transport's is its own `write`.
    """
    if not isinstance(transport, Connection):
        write: Callable[[bytes], None] = transport.write
        return write
    tcp: Any = transport
    send = tcp.getHandle().send

    def write_now(data: bytes) -> None:
        # The transport's two buffers, of what it is sending and what it will, or TLS that was
        # started on it since, which would else be passed by in the clear; and its states.
        waiting = tcp.dataBuffer or tcp._tempDataLen or tcp.TLS
        if waiting or not tcp.connected or tcp.disconnecting or tcp._aborting:
            tcp.write(data)
            return
        try:
            sent = send(data)
        except OSError:
            # It is full, or gone: the transport finds out which.
            sent = 0
        if sent < len(data):
            tcp.write(data[sent:] if sent else data)

    return write_now


def bound_unsent(port: Any) -> None:
    """Bound what the kernel takes for each connection that a port accepts, where it knows how.

    Args:
        port: It listens; what it accepts inherits this.
    """
    listening: Any = getattr(port, "socket", None)
    option: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if listening is None or option is None:
        return
    if listening.family in (socket.AF_INET, socket.AF_INET6):
        listening.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
