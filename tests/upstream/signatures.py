"""Credentials that do as a test says."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from corsgate.credentials.attempt import with_fields
from corsgate.errors import (
    UpstreamError,
)
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed

HEAD = RequestHead(method=b"PUT", target=b"/", headers=[])
ORIGIN = "http://10.0.0.1"


@implementer(ICredentials, IAttempt)
class Looking:
    """Signs, and looks at bodies: one that has ``again`` is a challenge."""

    header_names = frozenset((b"x-signed",))
    fixed = None
    may_be_challenged = True

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def begin(self, server: str) -> Looking:
        """Return itself: it signs one request."""
        return self

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Sign."""
        return Signed(head=head, look=self.look)

    def look(self, body: bytes) -> bool:
        """Keep a body."""
        self.seen.append(body)
        return b"again" in body

    def responded(self, signed: Signed, response: ResponseHead) -> bool:
        """Take no head for a challenge."""
        return False

    def client_head(self, response: ResponseHead) -> ResponseHead:
        """Return the head."""
        return response

    def end(self) -> None:
        """Do nothing."""


@implementer(ICredentials, IAttempt)
class Signature:
    """Signs with a number, and takes every response for a challenge until it is content.

    Args:
        challenges: How many are challenges.
        error: What is raised for one, if anything.
        signs: Members of what it signs.
        asks: Whether it says of the first request that a challenge is likely.
    """

    header_names = frozenset((b"x-signed",))
    fixed = None
    may_be_challenged = True

    def __init__(
        self,
        challenges: int,
        error: UpstreamError | None = None,
        *,
        asks: bool = False,
        **signs: Any,
    ) -> None:
        self.signed = self.ends = 0
        self.bodies: list[bytes | None] = []
        self._challenges = challenges
        self._error = error
        self._signs = signs
        self._asks = asks

    def begin(self, server: str) -> Signature:
        """Return itself: it signs one request."""
        return self

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Sign."""
        self.signed += 1
        self.bodies.append(body)
        head = with_fields(head, [(b"X-Signed", b"%d" % self.signed)])
        asks = self._asks and self.signed == 1
        return Signed(head=head, awaits_continue=asks, **self._signs)

    def client_head(self, response: ResponseHead) -> ResponseHead:
        """Mark the head that the client gets."""
        return ResponseHead(response.status, b"marked", response.headers)

    def end(self) -> None:
        """Count the ends."""
        self.ends += 1

    def responded(self, signed: Signed, response: ResponseHead) -> bool | Awaitable[bool]:
        """Return whether this is a challenge."""
        if self._error is not None:
            raise self._error
        return response.status == 401 and self.signed <= self._challenges


class Rotating(Signature):
    """Looks for other secrets after the first response.

    Args:
        challenges: How many responses are rejections or challenges.
        signs: Members of what it signs.
    """

    def __init__(self, challenges: int, **signs: Any) -> None:
        super().__init__(challenges, **signs)
        self.renewed: Deferred[bool] = Deferred()

    def responded(self, signed: Signed, response: ResponseHead) -> bool | Awaitable[bool]:
        """Return whether there are other secrets, or this is a challenge."""
        return self.renewed if self.signed == 1 else super().responded(signed, response)
