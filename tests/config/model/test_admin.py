"""Where the admin listener may listen."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.admin import Admin, check_admin_endpoint, check_not_taken
from corsgate.errors import BadValue

LOCAL = (
    "tcp:9901:interface=127.0.0.1",
    "tcp:0:interface=127.0.0.1",
    "TCP:9901:127.0.0.2",
    r"tcp:9901:interface=\:\:1",
    r"tcp6:9901:interface=\:\:1",
    "tcp:9901:interface=localhost",
    "unix:/run/corsgate/admin.sock",
    "unix:/run/corsgate/admin.sock:mode=660",
)
ELSEWHERE = (
    "tcp:9901",
    "tcp6:9901",
    "tcp:9901:interface=0.0.0.0",
    r"tcp:9901:interface=\:\:",
    "tcp:9901:interface=10.0.0.1",
    "tcp:9901:interface=localhost.example",
    "ssl:9901:interface=127.0.0.1:privateKey=k.pem",
    "tls:/etc/keys:9901:interface=127.0.0.1",
    "systemd:domain=INET:index=0",
    "haproxy:tcp:9901:interface=127.0.0.1",
    "9901",
    "",
)


class AddressTests(SynchronousTestCase):
    """`check_admin_endpoint`."""

    def test_local(self) -> None:
        """TCP on loopback and Unix sockets are accepted."""
        for text in LOCAL:
            check_admin_endpoint(text)
            self.assertEqual(Admin(listen=text).listen, text)

    def test_elsewhere(self) -> None:
        """Whatever others could connect to, or may, is rejected with a fix."""
        for text in ELSEWHERE:
            with self.assertRaises(BadValue, msg=text) as caught:
                Admin(listen=text)
            self.assertIn("127.0.0.1", caught.exception.fix, text)


class TakenTests(SynchronousTestCase):
    """`check_not_taken`."""

    def test_taken(self) -> None:
        """The gate's own address is rejected, however it is written."""
        for text, listener in (
            ("tcp:9901:interface=127.0.0.1", "tcp:9901:interface=127.0.0.1"),
            ("tcp:9901:interface=127.0.0.1", "tcp:9901"),
            ("tcp:9901:127.0.0.1", "tcp:9901:interface=localhost"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
        ):
            self.assertRaises(BadValue, check_not_taken, text, ["tcp:1", listener])

    def test_free(self) -> None:
        """Another port, another interface or another path is fine."""
        for text, listener in (
            ("tcp:9901:interface=127.0.0.1", "tcp:9902"),
            ("tcp:9901:interface=127.0.0.1", "tcp:9901:interface=10.0.0.1"),
            ("tcp:0:interface=127.0.0.1", "tcp:0:interface=127.0.0.1"),
            ("unix:/run/a.sock", "unix:/run/b.sock"),
            ("unix:/run/a.sock", "tcp:9901"),
        ):
            check_not_taken(text, [listener])
