"""What an upstream's servers call themselves: which values are valid."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.addresses import Addresses, check_alias
from corsgate.errors import BadValue


class AddressTests(SynchronousTestCase):
    def test_valid(self) -> None:
        """An alias is a scheme with a host, and perhaps a port."""
        aliases = ("http://box.lan", "HTTPS://10.0.0.11:8443", "http://[fd00::1]/")
        self.assertEqual(Addresses(aliases=aliases).aliases, aliases)
        self.assertEqual(Addresses(), Addresses(aliases=(), cookies="adapt"))

    def test_invalid(self) -> None:
        """Anything else is rejected, each with its fix; a password is never shown."""
        for alias, problem, fix in (
            ("box.lan", "is not an http or https URL", "http://box.lan"),
            ("ftp://box", "is not an http or https URL", "http://box.lan"),
            ("http://box/api", "has more than a host", 'write "http://box"'),
            ("http://box?x", "has more than a host", 'write "http://box"'),
            ("http://", "has no valid host", "http://box.lan"),
            ("http://box:99999", "has no valid host", "http://box.lan"),
            ("http://böx", "is not ASCII", "Punycode"),
            ("http://me:hunter2@box", "user name or password", "remove it"),
        ):
            error = self.assertRaises(BadValue, check_alias, alias)
            self.assertIn(problem, error.problem)
            self.assertIn(fix, error.fix)
            self.assertNotIn("hunter2", str(error))
            self.assertRaises(BadValue, Addresses, aliases=(alias,))
        self.assertRaises(BadValue, Addresses, cookies="keep")
