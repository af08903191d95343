"""Ends a request when its route's timeout has passed, and decides whose fault that was."""

from __future__ import annotations

from typing import Protocol

from corsgate.balance.state import ServerState
from corsgate.server.request_body import RequestBody
from corsgate.transport.deadlines import NEVER, Deadlines


class Waiting(Protocol):
    """An exchange that waits for a response.

    Attributes:
        state: The server that has the request, or None.
    """

    state: ServerState | None

    def ran_late(self, *, to_blame: bool) -> None:
        """End the exchange.

        Args:
            to_blame: Whether the server that has the request caused the delay.
        """


class RouteTimeout:
    """Ends an exchange that waits for a response when its route's timeout has passed.

    The timeout is the fault of a server that had the whole request for half of the time. A server
    that got it later had no fair chance: the client was slow, or another server failed first.

    Args:
        waiting: The exchange.
        deadlines: Calls `timed_out`.
        body: The request's body, or None.
        arrived_s: When the request arrived, by the reactor's clock in seconds.
        timeout_s: How long it may take, in seconds.

    Attributes:
        deadline_s: When `timed_out` is due: first after half of the timeout, then at its end.
    """

    __slots__ = ("_body", "_deadlines", "_ends_s", "_suspect", "_waiting", "deadline_s")

    def __init__(
        self,
        waiting: Waiting,
        deadlines: Deadlines,
        body: RequestBody | None,
        arrived_s: float,
        timeout_s: float,
    ) -> None:
        self.deadline_s = arrived_s + timeout_s / 2
        self._ends_s = arrived_s + timeout_s
        self._waiting: Waiting | None = waiting
        self._deadlines = deadlines
        self._body = body
        # The server that had the whole request after half of the time.
        self._suspect: ServerState | None = None
        deadlines.add(self)

    def timed_out(self) -> None:
        """Record which server has the request; at the end of the time, end the exchange."""
        waiting, body = self._waiting, self._body
        assert waiting is not None, "deadlines no longer call this after the end"
        holder = waiting.state
        if body is not None and not body.complete:
            holder = None
        if self.deadline_s < self._ends_s:
            self.deadline_s, self._suspect = self._ends_s, holder
            if self._deadlines.now() < self._ends_s:
                return
        self.deadline_s = NEVER
        waiting.ran_late(to_blame=holder is not None and holder is self._suspect)

    def end(self) -> None:
        """Stop: a response has arrived, or none will. Calling it again is harmless."""
        self._deadlines.discard(self)
        # Break the reference cycle, or it waits for the garbage collector.
        self._waiting = None
