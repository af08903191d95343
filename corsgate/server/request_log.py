"""The data of one request's access log line."""

from __future__ import annotations

from typing import Any


class RequestLog:
    """The data of one request's access log line.

    Most of it is never set, so the defaults are in the class.

    Attributes:
        id: The request id; empty until the gate has assigned one.
        client: The client's address, as the log shows it.
        route: The route's host and prefix; None if no route matched.
        server: The origin of the last server that got the request.
        outcome: How it ended, in words; None if the response was completed normally.
        refused: Why the CORS decision refused it.
        remedy: What would allow a refused request, in one line; empty if that wasn't determined.
        ungranted: What the policy does not allow, although the request was forwarded.
        tried: The servers that got the request before the last one.
        counters: The counters of its route, which count it when it ends; None if there are none.
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
    # A RouteCounters of the gate package, which imports this package.
    counters: Any = None

    def conclude(self, outcome: str) -> None:
        """Record how the request ended, unless that was already recorded."""
        if self.outcome is None:
            self.outcome = outcome

    def count_revoked(self) -> None:
        """Count that the request was ended because its client stalled it."""
        if self.counters is not None:
            self.counters.revoked += 1
