"""What becomes of a request by its route's CORS policy, as a value."""

from __future__ import annotations

from enum import Enum

import attrs

from corsgate.message.headers import Header

VARY_ORIGIN: Header = (b"Vary", b"Origin")
VARY_FETCH_SITE: Header = (b"Vary", b"Sec-Fetch-Site, Sec-Fetch-Mode")
VARY_BOTH: Header = (b"Vary", b"Origin, Sec-Fetch-Site, Sec-Fetch-Mode")
VARY_PREFLIGHT: Header = (
    b"Vary",
    b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
)


class Verdict(Enum):
    """What becomes of a request."""

    FORWARD = "forward"
    """It goes on to the upstream."""
    PREFLIGHT = "preflight"
    """It is answered here with 204 and the decision's headers, and nothing else."""
    REFUSE = "refuse"
    """It is answered here with 403."""


@attrs.frozen(kw_only=True)
class Decision:
    """What becomes of a request, and the CORS headers of its answer.

    Attributes:
        verdict: Where it goes.
        headers: The fields that go on whatever answer the route gives, the upstream's or one
            made here; Vary, where there is one, is the last.
        reason: Why, in one line of ASCII for logs and explanations, never for the client.
    """

    verdict: Verdict
    headers: tuple[Header, ...]
    reason: str

    @property
    def vary(self) -> bytes:
        """The value of the Vary field among the headers; empty where there is none."""
        if self.headers and self.headers[-1][0] == b"Vary":
            return self.headers[-1][1]
        return b""
