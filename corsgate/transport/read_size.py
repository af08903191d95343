"""How much is read of a socket at once: more, where what was read has been taken every time."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.abstract import FileDescriptor
from twisted.internet.tcp import Connection

USUAL_BYTES: Final = FileDescriptor.bufferSize
"""What Twisted reads at once, 64 KiB: so much of a response waits for a client that takes none."""

MOST_BYTES: Final = 256 * 1024
"""What is read at once where the client keeps up: a fourth of the turns for a long body."""

PROVEN_READS: Final = 10
"""How many full reads a client has to have taken before. What kernels buffer for one that takes
nothing is less: thousands of such clients never wait for more than the usual read."""


class ReadSize:
    """How much a transport reads at once.

    Only a plain TCP connection ever reads more than usual: TLS is decrypted in small pieces anyway.
    Twisted takes the same attribute for how much may wait in the transport before its producer is
    paused, so it must not grow while a body is being sent.

    Args:
        transport: Whose socket is read.
    """

    __slots__ = ("_full_reads", "_tcp")

    def __init__(self, transport: Any) -> None:
        self._tcp: Any = transport if isinstance(transport, Connection) else None
        self._full_reads = 0

    def grow(self, size: int) -> None:
        """Read more at once from now on, if several reads have brought all that they could.

        To be called once what was read has been taken.

        Args:
            size: How many bytes the read has brought.
        """
        if size >= USUAL_BYTES and self._tcp is not None:
            self._full_reads += 1
            if self._full_reads >= PROVEN_READS:
                self._tcp.bufferSize = MOST_BYTES

    def reset(self) -> None:
        """Read as much as usual at once."""
        self._full_reads = 0
        if self._tcp is not None:
            self._tcp.bufferSize = USUAL_BYTES
