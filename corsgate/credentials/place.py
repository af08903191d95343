"""One use of credentials, whose result is reported to the guard that admitted it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from corsgate.credentials.lockout import Term
from corsgate.errors import ConnectFailed, UpstreamBusy, UpstreamError

if TYPE_CHECKING:
    from corsgate.credentials.guard import Guard

_NO_VERDICT: Final = frozenset((429, 502, 503, 504))
"""Statuses that are no verdict, since the credentials may be unchecked (RFC 9110 15.6)."""


class Place:
    """One use of the credentials. Only the first recorded result counts; `end` must be called."""

    __slots__ = ("_guard", "_server", "_term", "_version")

    def __init__(self, guard: Guard, server: str, term: Term | None) -> None:
        self._guard: Guard | None = guard
        self._server = server
        self._term = term
        self._version = guard.version

    def responded(self, status: int) -> None:
        """Record the verdict that a response's status implies.

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
            error: The reason. If nothing was sent, the place is freed immediately.
        """
        if isinstance(error, ConnectFailed | UpstreamBusy):
            self.unjudged()

    def accepted(self) -> None:
        """Record that the server accepted the credentials."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.note_accepted(self._server, self._term)

    def rejected(self) -> None:
        """Record that the server rejected the credentials, unless the secret has changed."""
        guard, self._guard = self._guard, None
        if guard is not None and self._version == guard.version:
            guard.note_rejected(self._server, self._term)

    def doubted(self, *, is_stale: bool = False) -> None:
        """Record a refusal that may have another reason, such as an expired nonce.

        A server that accepted the credentials before must accept them again before many requests
        are sent at the same time. At any other server, four such refusals in a row have the same
        effect as two rejections.

        Args:
            is_stale: Whether the server reports that only the nonce has expired.
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
        """Whether another request may be sent on it: there was no verdict since, on any request."""
        guard, term = self._guard, self._term
        return guard is not None and term is not None and guard.is_current(self._server, term)

    def challenged(self, *, is_stale: bool = False) -> None:
        """Record a refusal, as `doubted` does, of a request that will be signed and resent.

        The place is kept for the retry if `is_current`. Waiting requests were signed at the same
        time, and may be refused for the same reason. So the retry goes before them.

        Args:
            is_stale: As for `doubted`.
        """
        guard, term = self._guard, self._term
        if term is None:
            self.doubted(is_stale=is_stale)
        elif guard is not None and not guard.note_challenged(self._server, term):
            self._guard = None

    def unjudged(self) -> None:
        """Free the place: the server got nothing, or its response is no verdict."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.note_ended(self._server, self._term)

    def end(self) -> None:
        """Free the place after a while if nothing was recorded; the server may still reject it."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.note_given_up(self._server, self._term)
