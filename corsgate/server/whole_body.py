"""Collect a short request body."""

from __future__ import annotations

from collections.abc import Callable

from twisted.python.failure import Failure

from corsgate.errors import BodyTooLarge


class WholeBody:
    """A `BodyReceiver` that collects a body, whose size `RequestBody.limit` must bound.

    Args:
        done: Called with the complete body.
        too_large: Called instead if the body exceeds its limit. If the client leaves, neither is
            called.
    """

    def __init__(self, done: Callable[[bytes], None], too_large: Callable[[], None]) -> None:
        self._done = done
        self._too_large = too_large
        self._pieces: list[bytes] = []

    def body_data(self, data: bytes) -> None:
        """Keep a piece."""
        self._pieces.append(data)

    def body_ended(self) -> None:
        """Pass on the complete body."""
        self._done(b"".join(self._pieces))

    def body_failed(self, reason: Failure) -> None:
        """Report a body that is too large."""
        if reason.check(BodyTooLarge):
            self._too_large()
