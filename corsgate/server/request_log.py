"""What the access log is to say of one request."""

from __future__ import annotations

from typing import Any


class RequestLog:
    """Notes on one request, which become its line of the access log.

    Most of them are never made, so that each has its default in the class.

    Attributes:
        id: The request's own id; empty until the gate has given it one.
        client: The client's address, as the log shows it.
        route: The route's host and prefix; None where it has none.
        server: The origin of the server that had the request last.
        outcome: How it ended, in words; None where it was answered in good order.
        refused: Why the CORS decision refused it.
        remedy: What would allow a request that was refused, in a line; empty if nobody looked.
        ungranted: What the policy does not grant a request that was forwarded all the same.
        tried: The servers that had the request before the last one.
        counters: Those of its route, which count it once it has ended; None if nothing counts.
    """

    id: str = ""
    client: str = ""
    route: str | None = None
    server: str | None = None
    outcome: str | None = None
    refused: str | None = None
    remedy: str = ""
    ungranted: str = ""
    tried: list[str] | None = None
    # A RouteCounters of the gate's, which imports this package.
    counters: Any = None

    def conclude(self, outcome: str) -> None:
        """Say how the request ended, unless that was said before."""
        if self.outcome is None:
            self.outcome = outcome

    def count_revoked(self) -> None:
        """Count that the request was ended because its client let it stall."""
        if self.counters is not None:
            self.counters.revoked += 1
