"""Several credentials that sign the same request."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import attrs
from twisted.internet.defer import Deferred
from zope.interface import implementer

from corsgate.credentials.logins import LoginFailure, log_out_of, login_failure_of
from corsgate.interfaces import IAttempt, ICredentials, ILogin, ILogOut
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import Header
from corsgate.message.signed import Signed


@implementer(ICredentials, ILogin, ILogOut)
@attrs.frozen(kw_only=True, eq=False)
class CombinedSigner:
    """Signs with each of its parts in turn.

    Attributes:
        parts: The signers. One whose signature covers what others add comes last.
        header_names: The names of the fields of all parts.
        fixed: The fields of all parts, if all are fixed; otherwise None.
        may_be_challenged: Whether any part may be challenged.
    """

    parts: Sequence[ICredentials]
    header_names: frozenset[bytes] = attrs.field(init=False)
    fixed: tuple[Header, ...] | None = attrs.field(init=False, repr=False)
    may_be_challenged: bool = attrs.field(init=False)

    @header_names.default
    def _header_names(self) -> frozenset[bytes]:
        return frozenset().union(*(part.header_names for part in self.parts))

    @fixed.default
    def _fixed(self) -> tuple[Header, ...] | None:
        fields: list[Header] = []
        for part in self.parts:
            if part.fixed is None:
                return None
            fields += part.fixed
        return tuple(fields)

    @may_be_challenged.default
    def _may_be_challenged(self) -> bool:
        return any(part.may_be_challenged for part in self.parts)

    def begin(self, server: str) -> CombinedAttempt:
        """Return an attempt of all parts.

        Args:
            server: The server's origin.
        """
        return CombinedAttempt([part.begin(server) for part in self.parts])

    @property
    def login_failure(self) -> LoginFailure | None:
        """Why the last login of a part failed; None if no part's did."""
        return login_failure_of(self.parts)

    def log_out(self) -> Deferred[None]:
        """Log out of the servers at which the parts have sessions.

        Returns:
            A Deferred that fires when this is done; it has no time limit.
        """
        return log_out_of(self.parts)


@implementer(IAttempt)
class CombinedAttempt:
    """Signs a request with several attempts in turn.

    Args:
        attempts: At least one. The last one determines how the request must be sent.
    """

    __slots__ = ("_attempts", "_signed")

    def __init__(self, attempts: Sequence[IAttempt]) -> None:
        self._attempts = attempts
        self._signed: list[Signed] = []

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Sign with each attempt in turn; return the last result.

        Args:
            head: The head to send.
            body: Its body; None if it is streamed.

        Raises:
            UpstreamError: One of the attempts can't sign the request.
        """
        done: list[Signed] = []
        for attempt in self._attempts:
            done.append(await attempt.sign(head, body))
            head = done[-1].head
        self._signed = done
        return done[-1]

    def responded(self, signed: Signed, response: ResponseHead) -> bool:
        """Let each attempt learn from the response; return whether any wants to sign again.

        Args:
            signed: What `sign` returned.
            response: The response.
        """
        # No part returns an awaitable: only `RotatingAttempt` does, and it wraps this attempt.
        found = [
            attempt.responded(part, response)
            for attempt, part in zip(self._attempts, self._signed, strict=True)
        ]
        return any(found)

    def client_head(self, response: ResponseHead) -> ResponseHead:
        """Return the head without the fields that belong to the attempts.

        Args:
            response: The head of the last response.
        """
        for attempt in self._attempts:
            response = attempt.client_head(response)
        return response

    def end(self) -> None:
        """End each attempt, even if ending another one fails."""
        with ExitStack() as ending:
            for attempt in reversed(self._attempts):
                ending.callback(attempt.end)
