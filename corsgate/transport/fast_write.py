"""Write to the socket at once if no earlier bytes are waiting.

A Twisted transport buffers written bytes until its socket is polled as writable. For a small
message, that costs two changes of the poll set and a turn of the reactor, more than sending it.
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
"""How much may wait in a transport before its producer is paused, if much memory is in use already.
Otherwise it is 64 KiB, because a slow peer gets more throughput with a larger buffer."""


def pause_sooner(transport: Any, most: int = TIGHT_BYTES) -> None:
    """Make a transport pause its producer at `most` bytes, and read at most that many at once."""
    _socket_of(transport).bufferSize = most


def drop_unsent(transport: Any) -> None:
    """Drop the buffer of a transport that is being cut, which would keep it until the next turn."""
    below = _socket_of(transport)
    if isinstance(below, FileDescriptor):
        held: Any = below
        held.dataBuffer, held.offset = b"", 0
        held._tempDataBuffer, held._tempDataLen = [], 0


def unsent(transport: Any) -> int:
    """Return how many bytes a transport has buffered that its socket has not accepted."""
    below: Any = _socket_of(transport)
    if not isinstance(below, FileDescriptor):
        return 0
    # A transport has two buffers: the bytes being sent, and the later ones. The sent part of the
    # first takes memory until all of it has been sent.
    count = len(below.dataBuffer) + below._tempDataLen
    if isinstance(transport, TLSMemoryBIOProtocol):
        count += sum(map(len, transport._appSendBuffer))
    return count


def _socket_of(transport: Any) -> Any:
    """Return the transport with the socket, below TLS and the PROXY protocol."""
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    return transport


UNSENT_BYTES = 128 * 1024
"""How many unsent bytes of a response the kernel accepts. By default it accepts some MiB, for each
connection of a client that reads nothing. Until those are full, such a client would also seem to
read."""


def writer(transport: Any) -> Callable[[bytes], None]:
    """Return a function that writes to a transport.

    Args:
        transport: The connection's transport. It still handles bytes that can't be sent at once,
            producers and errors.

    Returns:
        A function of the bytes to write. If the transport is a plain socket with an empty buffer,
        it sends at once. For any other transport it is the transport's own `write`.
    """
    if not isinstance(transport, Connection):
        write: Callable[[bytes], None] = transport.write
        return write
    tcp: Any = transport
    send = tcp.getHandle().send

    def write_now(data: bytes) -> None:
        # Check the transport's two buffers and its states. Also check whether TLS was started on
        # it, since the bytes would otherwise be sent in the clear.
        if (
            tcp.dataBuffer
            or tcp._tempDataLen
            or tcp.TLS
            or not tcp.connected
            or tcp.disconnecting
            or tcp._aborting
        ):
            tcp.write(data)
            return
        try:
            sent = send(data)
        except OSError:
            # It is full or lost. The transport finds out which.
            sent = 0
        if sent < len(data):
            tcp.write(data[sent:] if sent else data)

    return write_now


def bound_unsent(port: Any) -> None:
    """Limit what the kernel buffers for each accepted connection, if it supports that.

    Args:
        port: The listening port. Accepted connections inherit the limit.
    """
    listening: Any = getattr(port, "socket", None)
    option: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if listening is None or option is None:
        return
    if listening.family in (socket.AF_INET, socket.AF_INET6):
        listening.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)
