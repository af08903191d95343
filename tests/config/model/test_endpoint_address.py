"""Which endpoints can share a listening socket."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.endpoint import address_of, backlog_of, socket_mode_of


class AddressTests(SynchronousTestCase):
    """`address_of` and what else an endpoint says."""

    def test_same(self) -> None:
        """The same address is the same, whatever else is said."""
        for one, other in (
            ("tcp:80", "tcp:port=80"),
            ("tcp:80", "tcp:80:backlog=9"),
            ("tcp:80:interface=127.0.0.1", "tcp:80:127.0.0.1:backlog=9"),
            ("unix:/run/a", "unix:address=/run/a:mode=660"),
            ("haproxy:tcp:80", "haproxy:tcp:80:backlog=9"),
        ):
            self.assertEqual(address_of(one), address_of(other))

    def test_different(self) -> None:
        """Anything else is another one."""
        for one, other in (
            ("tcp:80", "tcp:81"),
            ("tcp:80", "tcp6:80"),
            ("tcp:80", "tcp:80:interface=127.0.0.1"),
            ("tcp:80", "haproxy:tcp:80"),
            ("unix:/run/a", "unix:/run/b"),
            ("ssl:443:privateKey=a", "ssl:443:privateKey=b"),
            ("systemd:domain=INET:index=0", "systemd:domain=INET:index=1"),
        ):
            self.assertNotEqual(address_of(one), address_of(other))

    def test_rest(self) -> None:
        """Backlogs and permissions are known where they are said."""
        self.assertEqual(backlog_of("haproxy:tcp:80:backlog=9"), 9)
        self.assertIsNone(backlog_of("tcp:80"))
        self.assertEqual(socket_mode_of("unix:/run/a:mode=660"), ("/run/a", 0o660))
        self.assertEqual(socket_mode_of("unix:/run/a"), ("/run/a", 0o666))
        self.assertIsNone(socket_mode_of("tcp:80"))
