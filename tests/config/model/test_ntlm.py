"""Credentials for NTLM: which values there can be."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.ntlm import NtlmCredentials
from corsgate.config.model.secret import Secret
from corsgate.errors import BadValue


class NtlmCredentialsTests(SynchronousTestCase):
    """`NtlmCredentials`."""

    def test_valid(self) -> None:
        """Names and passwords are any Unicode."""
        made = NtlmCredentials(
            username="jürgen@corp.example", password=Secret("pä ß€"), domain="CORP", workstation="W"
        )
        self.assertNotIn("pä", repr(made))

    def test_invalid(self) -> None:
        """UTF-16 must be able to carry them; the password is never shown."""
        for name in ("", "a\nb", "a\udcff"):
            for key in ("username", "domain", "workstation"):
                values = {"username": "a", key: name}
                with self.assertRaises(BadValue):
                    NtlmCredentials(password=Secret("p"), **values)
        for password in ("", "hunter2\udcff", "hunter2\n"):
            with self.assertRaises(BadValue) as caught:
                NtlmCredentials(username="a", password=Secret(password))
            self.assertNotIn("hunter2", str(caught.exception))
