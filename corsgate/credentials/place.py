"""One use of credentials, whose result is reported to the guard that admitted it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from corsgate.credentials.lockout import Trial
from corsgate.credentials.spots import Spot
from corsgate.errors import ConnectFailed, UpstreamBusy, UpstreamError

if TYPE_CHECKING:
    from corsgate.credentials.guard import Guard

_NO_VERDICT: Final = frozenset((429, 502, 503, 504))
"""Statuses that are no verdict, since the credentials may be unchecked (RFC 9110 15.6)."""


class Place:
    """One use of the credentials. Only the first recorded result counts; `end` must be called."""

    __slots__ = ("_guard", "_server", "_spot", "_trial", "_version")

    def __init__(
        self, guard: Guard, server: str, trial: Trial | None, spot: Spot | None = None
    ) -> None:
        self._guard: Guard | None = guard
        self._server = server
        self._spot = spot
        self._trial = trial
        self._version = guard.version

    def responded(self, status: int, *, is_proof: bool = False) -> None:
        """Record the verdict that a response's status implies.

        Args:
            status: The status. 401 rejects the credentials, most others accept them. A 403 accepts
                them too, unless they were rejected before: a box may also respond with 403 because
                it has locked the account.
            is_proof: As for `accepted`.
        """
        if status == 401:
            self.rejected()
        elif status in _NO_VERDICT or (status == 403 and self._is_in_doubt):
            self.unjudged()
        else:
            self.accepted(is_served=status < 400, is_proof=is_proof)

    def failed(self, error: UpstreamError) -> None:
        """Record why there is no response.

        Args:
            error: The reason. If nothing was sent, the place is freed immediately.
        """
        if isinstance(error, ConnectFailed | UpstreamBusy):
            self.unjudged()

    def accepted(self, *, is_served: bool = True, is_proof: bool = False) -> None:
        """Record that the server accepted the credentials.

        Args:
            is_served: Whether the response has what was asked for.
            is_proof: Whether the server had challenged the request, so that it has checked them.
        """
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.note_accepted(
                self._server, self._trial, self._spot, is_served=is_served, is_proof=is_proof
            )

    def rejected(self) -> None:
        """Record that the server rejected the credentials, unless the secret has changed."""
        guard, self._guard = self._guard, None
        if guard is not None and self._version == guard.version:
            guard.note_rejected(self._server, self._trial, self._spot)

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
        if self._trial is not None:
            guard.note_rejected(self._server, self._trial, self._spot, in_doubt=True)
        elif not is_stale:
            guard.doubt(self._server)

    @property
    def _is_in_doubt(self) -> bool:
        """Whether the server has rejected the credentials since it last accepted them."""
        return self._guard is not None and self._guard.has_rejections(self._server)

    @property
    def is_current(self) -> bool:
        """Whether another request may be sent on it: there was no verdict since, on any request."""
        guard, trial = self._guard, self._trial
        return guard is not None and trial is not None and guard.is_current(self._server, trial)

    def challenged(self, *, is_stale: bool = False) -> None:
        """Record a refusal, as `doubted` does, of a request that will be signed and resent.

        The place is kept for the retry if `is_current`. Waiting requests were signed at the same
        time, and may be refused for the same reason. So the retry goes before them.

        Args:
            is_stale: As for `doubted`.
        """
        guard, trial = self._guard, self._trial
        if trial is None:
            self.doubted(is_stale=is_stale)
        elif guard is not None and not guard.note_challenged(self._server, trial):
            self._guard = None

    def unjudged(self) -> None:
        """Free the place: the server got nothing, or its response is no verdict."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.note_ended(self._server, self._trial)

    def end(self) -> None:
        """Free the place after a while if nothing was recorded; the server may still reject it."""
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.note_given_up(self._server, self._trial)
