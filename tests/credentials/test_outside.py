"""Tests of `corsgate.credentials.outside`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Server
from corsgate.credentials.outside import Outside
from tests.certificates import Authority


class OutsideTests(SynchronousTestCase):
    def test_repr(self) -> None:
        """The repr shows neither certificates nor keys."""
        issued = Authority.make().issue("gate")
        outside = Outside(
            server=Server(scheme="https", host="login.example", port=443),
            ca_pem=issued.pem,
            client_certificate=issued.certified,
        )
        self.assertIn("login.example", repr(outside))
        self.assertNotIn("BEGIN", repr(outside))
