"""Base class of objects with waiting bytes, which count in the memory budget."""

from __future__ import annotations

from twisted.logger import Logger

from corsgate.server.context import ServerContext
from corsgate.server.memory_budget import REQUEST_BYTES, Account, Tally


class MemoryHolder:
    """Keeps an account of its waiting bytes with the `MemoryBudget`.

    The account exists only while bytes wait, so that objects without waiting bytes cost nothing.
    """

    context: ServerContext
    _account: Account | None = None
    __log = Logger()

    @property
    def overhead(self) -> int:
        """How many bytes of memory it takes besides the waiting ones."""
        return REQUEST_BYTES

    @property
    def most_waiting(self) -> int:
        """How many bytes of a response may wait before its source is paused."""
        account, context = self._account, self.context
        if account is not None and context.memory.is_tight(account.client, account.connection):
            return 0
        return context.limits.max_buffered_bytes

    def hold(self, *, request: int | None = None, response: int | None = None) -> None:
        """Set how many bytes wait; see `MemoryBudget.hold`."""
        account, memory = self._account, self.context.memory
        if account is None:
            if not request and not response:
                return
            client, tally = self.counted_for()
            account = self._account = Account(self, client, tally, overhead=self.overhead)
        memory.hold(account, request=request, response=response)
        if not account.held:
            self._account = None

    def hold_nothing(self) -> None:
        """Close the account, since nothing waits any longer."""
        account, self._account = self._account, None
        if account is not None:
            self.context.memory.close(account)

    def counted_for(self) -> tuple[str | None, Tally | None]:
        """Return the client whose waiting bytes these are, and the connection's tally, if any."""
        raise NotImplementedError

    def cut(self, outcome: str) -> None:
        """Drop the waiting bytes and end; the access log has the reason."""
        raise NotImplementedError

    def cut_for_memory(self, outcome: str) -> None:
        """Drop the waiting bytes and end. An error here must not end the request that just grew."""
        try:
            self.cut(outcome)
        except Exception:
            self.__log.failure("a connection could not be cut to free memory")
