"""Tests of `corsgate.config.model.credentials`: what exists is valid and shows no secret."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.credentials import (
    BasicCredentials,
    BearerCredentials,
    DigestCredentials,
    HeaderCredentials,
)
from corsgate.config.model.secret import Secret
from corsgate.errors import BadValue

KINDS: tuple[Callable[[Secret], object], ...] = (
    lambda secret: BasicCredentials(username="a", password=secret),
    lambda secret: DigestCredentials(username="a", password=secret),
    lambda secret: BearerCredentials(token=secret),
    lambda secret: HeaderCredentials(name="X-Key", value=secret),
)


class CredentialsTests(SynchronousTestCase):
    """Each kind of credentials."""

    def test_not_shown(self) -> None:
        """No kind shows its secret."""
        for make in KINDS:
            self.assertNotIn("hunter2", repr(make(Secret("hunter2"))))

    def test_sendable(self) -> None:
        """A secret that can't be sent is rejected, without being shown."""
        for make in KINDS:
            for text in ("", "hunter2\n"):
                with self.assertRaises(BadValue) as caught:
                    make(Secret(text))
                self.assertNotIn("hunter2", str(caught.exception))
