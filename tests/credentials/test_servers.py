"""Tests of `corsgate.credentials.servers`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.servers import MAX_SERVERS, is_private, remember


class RememberTests(SynchronousTestCase):
    """`remember`."""

    def test_forgets_the_oldest(self) -> None:
        """A server that is stored again counts as new, and no more than the maximum is kept."""
        known: dict[str, int] = {}
        for number in range(MAX_SERVERS):
            self.assertEqual(remember(known, f"http://{number}", number), number)
        remember(known, "http://0", -1)
        self.assertEqual((len(known), list(known.items())[-1]), (MAX_SERVERS, ("http://0", -1)))
        remember(known, "http://new", 5)
        self.assertEqual(len(known), MAX_SERVERS)
        self.assertIn("http://0", known)
        self.assertNotIn("http://1", known)


class PrivateTests(SynchronousTestCase):
    """`is_private`."""

    def test_private(self) -> None:
        """TLS, this machine and Unix sockets keep a request from others on the network."""
        servers = (
            *("https://box.lan", "http://127.0.0.1:8000", "http://[::1]:80"),
            *("http://localhost", "http://LOCALHOST", "unix:/run/box.sock"),
        )
        for server in servers:
            self.assertTrue(is_private(server), server)

    def test_exposed(self) -> None:
        """Anything else can be read by others, also if its name only looks like this machine."""
        for server in (
            "http://box.lan",
            "http://10.0.0.11:8000",
            "http://localhost.example",
            "http://",
        ):
            self.assertFalse(is_private(server), server)
