"""The end of a request whose route's timeout is over, and whose fault that is."""

from __future__ import annotations

from typing import Protocol

from corsgate.balance.state import ServerState
from corsgate.server.request_body import RequestBody
from corsgate.transport.deadlines import NEVER, Deadlines


class Waiting(Protocol):
    """What waits for a response.

    Attributes:
        state: The server that has the request, if one has it.
    """

    state: ServerState | None

    def ran_late(self, *, to_blame: bool) -> None:
        """End it.

        Args:
            to_blame: Whether the server that has the request is why no response has come.
        """


class RouteTimeout:
    """Ends what waits for a response once its route's timeout is over.

    It is the fault of a server that had the whole request for half of the time. One that got it
    late, from a client that took its time to send it or after another server had failed, was given
    no chance.

    Args:
        waiting: What waits.
        deadlines: Calls `timed_out`.
        body: The request's body, or None.
        arrived_s: When the request came.
        timeout_s: How long it may take.

    Attributes:
        deadline_s: For the deadlines: when half of the timeout is over, and after that when all of
            it is.
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
        # The server that had the whole request when half of the time was over.
        self._suspect: ServerState | None = None
        deadlines.add(self)

    def timed_out(self) -> None:
        """Look who has the request; and end what waits, once all of the time is over."""
        waiting, body = self._waiting, self._body
        assert waiting is not None, "what has ended is not swept"
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
        """Look no more: a response has come, or none will. Again does no harm."""
        self._deadlines.discard(self)
        # It knows this: a cycle would be left to the collector.
        self._waiting = None
