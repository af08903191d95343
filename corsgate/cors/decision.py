"""The decision of a route's CORS policy on a request, as a value."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import cached_property
from typing import ClassVar

import attrs

from corsgate.cors.names import UNEXPOSED
from corsgate.message.head import field_lines
from corsgate.message.headers import Header

MAX_SHAPES = 64
"""For how many sets of response fields each decision caches the exposed names."""

VARY_ORIGIN: Header = (b"Vary", b"Origin")
VARY_FETCH_SITE: Header = (b"Vary", b"Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest")
VARY_BOTH: Header = (b"Vary", b"Origin, Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest")
VARY_REFERRED: Header = (b"Vary", VARY_BOTH[1] + b", Referer")
VARY_PREFLIGHT: Header = (
    b"Vary",
    b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
)


class Verdict(Enum):
    """What happens to a request."""

    FORWARD = "forward"
    """It is forwarded to the upstream."""
    PREFLIGHT = "preflight"
    """The gate responds with the policy's status and only the decision's headers."""
    REFUSE = "refuse"
    """The gate responds with 403."""


@attrs.frozen(kw_only=True)
class Decision:
    """What happens to a request, and the CORS headers of its response.

    Attributes:
        verdict: What happens to it.
        headers: The fields of every response to it, from the upstream or made here. Vary, if
            present, is the last.
        reason: Why, in one line of ASCII for logs and explanations. A client gets it only through
            `corsgate.cors.debug.tell`.
        exposes_all: Whether `exposing` must complete the headers for each response.
        is_vouched: Whether an enforced policy allows the page's origin by name; see `Policy.names`.
    """

    exposes_all: ClassVar[bool] = False

    verdict: Verdict
    headers: tuple[Header, ...]
    reason: str
    is_vouched: bool = attrs.field(default=False, eq=False)
    # The properties below are computed on first use, because most refusals are only logged.

    @cached_property
    def lines(self) -> bytes:
        """The headers as sent on the wire."""
        return field_lines(self.headers)

    @cached_property
    def vary(self) -> bytes:
        """The value of the Vary field among the headers; empty if there is none."""
        if self.headers and self.headers[-1][0] == b"Vary":
            return self.headers[-1][1]
        return b""

    @cached_property
    def besides_vary(self) -> tuple[Header, ...]:
        """The headers without Vary."""
        return self.headers[:-1] if self.vary else self.headers

    @cached_property
    def lines_besides_vary(self) -> bytes:
        """The headers without Vary, as sent on the wire."""
        return field_lines(self.besides_vary)

    @cached_property
    def grants_origin(self) -> bool:
        """Whether the headers grant anything to an origin."""
        return any(name == b"Access-Control-Allow-Origin" for name, _ in self.headers)

    def exposing(self, _headers: Sequence[Header]) -> Decision:
        """Return the decision for a response with these fields; here always this one."""
        return self


@attrs.frozen(kw_only=True)
class ExposingDecision(Decision):
    """A decision of a policy that exposes all response fields that are suitable for scripts."""

    exposes_all: ClassVar[bool] = True

    _ready: dict[tuple[bytes, ...], Decision] = attrs.field(
        factory=dict, init=False, eq=False, repr=False
    )

    def exposing(self, headers: Sequence[Header]) -> Decision:
        """Return the decision for one response, usually a prepared one.

        Args:
            headers: The response fields, without those of the decision itself.

        Returns:
            A decision whose Access-Control-Expose-Headers names all of these fields except those
            in `UNEXPOSED`. If none is left, it has no such header.

        Source: Fetch ``#http-access-control-expose-headers``.
        """
        names = tuple([name for name, _ in headers])
        found = self._ready.get(names)
        if found is None:
            if len(self._ready) >= MAX_SHAPES:
                # The upstream determines the sets. If it has more than this, few of them repeat.
                self._ready.clear()
            found = self._ready[names] = self._expose(names)
        return found

    def _expose(self, names: Sequence[bytes]) -> Decision:
        exposed = {name.lower(): name for name in reversed(names) if name.lower() not in UNEXPOSED}
        field = (b"Access-Control-Expose-Headers", b", ".join(exposed[n] for n in sorted(exposed)))
        return Decision(
            verdict=self.verdict,
            headers=(*self.headers[:-1], field, *self.headers[-1:]) if exposed else self.headers,
            reason=self.reason,
        )


def shown(value: bytes) -> str:
    """Return a client's bytes as one short line of quoted ASCII, safe in any log."""
    text = ascii(value[:80].decode("latin-1"))
    return text if len(value) <= 80 else text + "..."
