"""``[admin]`` in a file."""

from __future__ import annotations

from corsgate.config.model.admin import DEFAULT_ADMIN_LISTEN
from corsgate.errors import ConfigError
from tests.config.support import TableTestCase
from tests.support import parse

GOOD = """
{listen}
[upstreams.a]
servers = ["http://127.0.0.1:8000"]
[routes."/"]
upstream = "a"
"""
LISTEN = 'listen = ["tcp:5555:interface=127.0.0.1"]'


class AdminTests(TableTestCase):
    """`read_admin`."""

    def read(self, table: str, listen: str = LISTEN) -> str | None:
        """Return the address of the admin listener."""
        admin = parse(GOOD.format(listen=listen) + table).admin
        return None if admin is None else admin.listen

    def test_read(self) -> None:
        """Off by default; an empty table has the usual address."""
        self.assertIsNone(self.read(""))
        self.assertEqual(self.read("[admin]"), DEFAULT_ADMIN_LISTEN)
        for listen in ("tcp:9000:interface=127.0.0.1", "unix:/run/admin.sock"):
            self.assertEqual(self.read(f'[admin]\nlisten = "{listen}"'), listen)

    def test_faults(self) -> None:
        """Each fault has its line and key."""
        cases = (
            ('listen = "tcp:9901"', "other machines can connect to it"),
            ('listen = "tcp:5555:interface=127.0.0.1"', "has the same address as the gate's"),
            ("listen = 9901", "9901 is an integer"),
            ('port = "x"', "the key is unknown"),
        )
        for line, problem in cases:
            with self.assertRaises(ConfigError) as caught:
                self.read(f"[admin]\n{line}")
            (fault,) = caught.exception.faults
            self.assertEqual(fault.line, 8)
            self.assertIn(problem, str(fault))

    def test_same_socket(self) -> None:
        """A Unix socket is the same one with other permissions."""
        with self.assertRaises(ConfigError) as caught:
            self.read(
                '[admin]\nlisten = "unix:/run/gate.sock:mode=600"',
                'listen = ["unix:/run/gate.sock"]',
            )
        self.assertIn("has the same address as the gate's", str(caught.exception))

    def test_port_0(self) -> None:
        """Any free port is another one for each listener."""
        listen = "tcp:0:interface=127.0.0.1"
        self.assertEqual(
            self.read(f'[admin]\nlisten = "{listen}"', f'listen = ["{listen}"]'), listen
        )

    def test_exposed(self) -> None:
        """An upstream that is the admin listener itself produces a warning; others don't."""
        for listen, server, count in (
            ("tcp:8000:interface=127.0.0.1", "http://127.0.0.1:8000", 1),
            ("tcp:8000:interface=127.0.0.1", "http://localhost:8000", 1),
            ("tcp:8001:interface=127.0.0.1", "http://127.0.0.1:8000", 0),
            ("tcp:8000:interface=127.0.0.1", "http://10.0.0.1:8000", 0),
            ("unix:/run/a.sock", "unix:/run/a.sock", 1),
            ("unix:/run/a.sock:mode=660", "unix:/run/a.sock", 1),
            ("unix:address=/run/a.sock", "unix:/run/a.sock", 1),
            ("unix:/run/a.sock", "unix:/run/b.sock", 0),
        ):
            text = GOOD.format(listen=LISTEN).replace("http://127.0.0.1:8000", server)
            config = parse(f'{text}[admin]\nlisten = "{listen}"')
            found = [each for each in config.warnings if "admin listener" in each.problem]
            self.assertEqual(len(found), count, (listen, server))
