"""How many bytes of a request's body a client may send before they are read (RFC 9113 5.2)."""

from __future__ import annotations

from collections.abc import Callable

from corsgate.server.memory_budget import MemoryBudget, Tally


class ReceiveWindow:
    """A stream's window, which doubles while the body is read as fast as it arrives.

    If bytes have to wait, the server is slower than the client. A large window then only takes
    memory, so the window loses half of its growth each time that it is credited.

    Args:
        first: How many bytes the client may send at first.
        memory: Bounds the growth.
        counted_for: Returns the client and the connection for which the growth counts.

    Attributes:
        size: How many bytes the client may have sent that have not been credited.
    """

    __slots__ = ("_client", "_counted_for", "_first", "_keeps_up", "_memory", "_uncredited", "size")

    def __init__(
        self,
        first: int,
        memory: MemoryBudget,
        counted_for: Callable[[], tuple[str | None, Tally]],
    ) -> None:
        self.size = self._first = first
        self._memory = memory
        self._counted_for = counted_for
        # The client for which the growth counts, while there is any.
        self._client: str | None = None
        self._keeps_up = True
        # Received bytes, including padding, that have not been returned to the window.
        self._uncredited = 0

    @property
    def is_full(self) -> bool:
        """Whether the client may send nothing until it gets credit."""
        return self._uncredited >= self.size

    def received(self, size: int) -> None:
        """Count received bytes, including padding."""
        self._uncredited += size

    def lags(self) -> None:
        """Record that bytes of the body have to wait, because the server reads too slowly."""
        self._keeps_up = False

    def take_credit(self) -> int:
        """Return how many more bytes the client may send, and record that it may.

        All received bytes must have been read. The result is 0 until they are half of the window.
        """
        if self._uncredited < self.size // 2:
            return 0
        credit, self._uncredited = self._uncredited, 0
        credit += self._grow() if self._keeps_up else -self._shrink()
        self._keeps_up = True
        return credit

    def close(self) -> None:
        """Stop counting its growth, since the body has ended."""
        self._give_back(self.size - self._first)

    def _grow(self) -> int:
        client, connection = self._counted_for()
        memory = self._memory
        if memory.is_tight(client, connection):
            return 0
        if self.size == self._first:
            self._client = client
        growth = memory.windows.take(self._client, connection, self.size)
        self.size += growth
        return growth

    def _shrink(self) -> int:
        """Give up half of the growth. That is always less than the credit, half of the window."""
        grown = self.size - self._first
        lost = grown - grown // 2
        self._give_back(lost)
        return lost

    def _give_back(self, size: int) -> None:
        if size:
            self._memory.windows.give_back(self._client, self._counted_for()[1], size)
            self.size -= size
