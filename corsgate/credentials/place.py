"""One use of credentials: says how it went to the guard that has admitted it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from corsgate.credentials.lockout import Term
from corsgate.errors import ConnectFailed, UpstreamBusy, UpstreamError

if TYPE_CHECKING:
    from corsgate.credentials.guard import Guard

_NO_VERDICT: Final = frozenset((429, 502, 503, 504))
"""Statuses that say nothing of the credentials: nobody may have looked at them (RFC 9110 15.6)."""


class Place:
    """One use of the credentials. What is recorded first counts; `end` must be called."""

    __slots__ = ("_guard", "_server", "_term", "_version")

    def __init__(self, guard: Guard, server: str, term: Term | None) -> None:
        self._guard: Guard | None = guard
        self._server = server
        self._term = term
        self._version = guard.version

    def responded(self, status: int) -> None:
        """Record the verdict that a response's status is.

        Args:
            status: The status. 401 rejects the credentials, most others accept them.
        """
        if status == 401:
            self.rejected()
        elif status in _NO_VERDICT:
            self.unjudged()
        else:
            self.accepted()

    def failed(self, error: UpstreamError) -> None:
        """Record why there is no response.

        Args:
            error: Why. If nothing was sent, the place is given back at once.
        """
        if isinstance(error, ConnectFailed | UpstreamBusy):
            self.unjudged()

    def accepted(self) -> None:
        """Record that the server accepted the credentials."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.note_accepted(self._server, self._term)

    def rejected(self) -> None:
        """Record that the server rejected the credentials, unless the secret is another one now."""
        guard, self._guard = self._guard, None
        if guard is not None and self._version == guard.version:
            guard.note_rejected(self._server, self._term)

    def doubted(self, *, is_stale: bool = False) -> None:
        """Record a refusal that may have another reason, such as a nonce that has expired.

        A server that has accepted the credentials before has to accept them again before many
        requests are sent at once. At another one, four in a row are like two rejections.

        Args:
            is_stale: Whether the server says that only the nonce has expired.
        """
        guard, self._guard = self._guard, None
        if guard is None or self._version != guard.version:
            return
        if self._term is not None:
            guard.note_rejected(self._server, self._term, in_doubt=True)
        elif not is_stale:
            guard.proven.pop(self._server, None)

    @property
    def is_current(self) -> bool:
        """Whether it allows another request: there was no verdict since on it or on another one."""
        guard, term = self._guard, self._term
        return guard is not None and term is not None and guard.is_current(self._server, term)

    def challenged(self, *, is_stale: bool = False) -> None:
        """Record a refusal as `doubted` does, of a request that is signed and sent once more.

        The place is kept for that while `is_current`. The others that wait were signed at the same
        time, and may be refused for the same reason. So this one goes before them.

        Args:
            is_stale: As for `doubted`.
        """
        guard, term = self._guard, self._term
        if term is None:
            self.doubted(is_stale=is_stale)
        elif guard is not None and not guard.note_challenged(self._server, term):
            self._guard = None

    def unjudged(self) -> None:
        """Give the place back: the server got nothing, or its response says nothing of them."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.note_ended(self._server, self._term)

    def end(self) -> None:
        """Give the place back soon if nothing else was recorded; the server may reject it yet."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.note_given_up(self._server, self._term)
