"""Warnings about the keys of routes, word for word: `corsgate.config.sections.routes`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import ConfigError
from tests.config.support import OPEN, SECRET, parse, warned


class PassedTests(SynchronousTestCase):
    """Fields that a route passes on purpose."""

    TOP = 'listen = ["tcp:80:interface=127.0.0.1"]\n'

    def test_warned(self) -> None:
        '""A name that is forwarded anyway, or is listed twice.""'
        source = (
            self.TOP
            + OPEN
            + 'pass_headers = ["X-Real-IP", "Accept", "x-real-ip", "X-Request-Id"]\n'
        )
        at = 'routes."/".pass_headers'
        self.assertEqual(
            warned(source),
            [
                f'c.toml:7: {at}[1]: "Accept" is forwarded anyway; remove it',
                f'c.toml:7: {at}[2]: "x-real-ip" is already listed; remove it',
            ],
        )
        override = 'pass_headers = ["X-HTTP-Method-Override"]\n'
        self.assertEqual(len(warned(self.TOP + OPEN + override)), 1)
        self.assertEqual(warned(self.TOP + OPEN + 'methods = ["GET"]\n' + override), [])

    def test_the_credentials_own(self) -> None:
        """A client can't send the field that the gate signs with."""
        for name in ("Authorization", "authorization"):
            source = self.TOP + SECRET + f'pass_headers = ["{name}"]\n'
            error = self.assertRaises(ConfigError, parse, source)
            self.assertEqual(
                str(error.faults[0]),
                f'c.toml:7: routes."/".pass_headers[0]: "{name}" is set by the gate, because the'
                " upstream has credentials; remove it, or the upstream's credentials",
            )


class AllowFramingTests(SynchronousTestCase):
    """``allow_framing`` where nothing forbids framing."""

    LOCAL = 'listen = ["tcp:80:interface=127.0.0.1"]\n'
    NOTHING = (
        'routes."/".allow_framing: it has no effect: frames are refused only if the upstream has'
        " credentials and enforce_origin is true, or if pages of other sites may use its"
        " cookies; remove it"
    )

    def test_warned(self) -> None:
        """Without credentials, and where origins are not enforced."""
        lenient = 'cors = { allow_origins = ["https://a.example"], enforce_origin = false }\n'
        for rest in (OPEN, SECRET + lenient):
            (warning,) = warned(f"{self.LOCAL}{rest}allow_framing = true\n")
            self.assertIn(self.NOTHING, warning)

    def test_not_warned(self) -> None:
        """With credentials, with or without a policy."""
        policy = 'cors = { allow_origins = ["https://a.example"] }\n'
        for rest in (SECRET, SECRET + policy):
            self.assertEqual(warned(f"{self.LOCAL}{rest}allow_framing = true\n"), [])

    def test_shared_cookies(self) -> None:
        """Where pages of other sites may use the upstream's cookies, frames are refused, too."""
        shared = 'cors = { allow_origins = ["https://a.example"], allow_credentials = true }\n'
        self.assertEqual(warned(f"{self.LOCAL}{OPEN}{shared}allow_framing = true\n"), [])
        self.assertEqual(warned(f"{self.LOCAL}{OPEN}allow_framing = false\n"), [])
