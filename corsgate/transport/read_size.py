"""Choose how much is read from a socket at once: more if all earlier reads were passed on."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.abstract import FileDescriptor
from twisted.internet.tcp import Connection

USUAL_BYTES: Final = FileDescriptor.bufferSize
"""What Twisted reads at once, 64 KiB, which waits in memory if the client reads nothing."""

MOST_BYTES: Final = 256 * 1024
"""What is read at once if the client keeps up: a body then takes a fourth of the turns."""

PROVEN_READS: Final = 10
"""How many full reads a client must have read before. Kernels buffer less than that for a client
that reads nothing, so thousands of such clients never get more than the usual read."""


class ReadSize:
    """How much a transport reads at once.

    Only plain TCP connections read more than usual, because TLS is decrypted in small pieces
    anyway. Twisted uses the same attribute for how much may wait in the transport before its
    producer is paused, so it must not grow while a body is being sent.

    Args:
        transport: The transport of the socket.
    """

    __slots__ = ("_full_reads", "_tcp")

    def __init__(self, transport: Any) -> None:
        self._tcp: Any = transport if isinstance(transport, Connection) else None
        self._full_reads = 0

    def grow(self, size: int) -> None:
        """Read more at once from now on, if several reads in a row were full.

        Call this once the bytes have been passed on.

        Args:
            size: How many bytes the read returned.
        """
        if size >= USUAL_BYTES and self._tcp is not None:
            self._full_reads += 1
            if self._full_reads >= PROVEN_READS:
                self._tcp.bufferSize = MOST_BYTES

    def reset(self) -> None:
        """Return to the usual size."""
        self._full_reads = 0
        if self._tcp is not None:
            self._tcp.bufferSize = USUAL_BYTES
