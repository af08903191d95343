"""``aliases`` and ``cookies`` of an upstream, as they are read."""

from __future__ import annotations

from corsgate.config.model.addresses import Addresses
from corsgate.config.model.values import Server
from corsgate.config.sections.addresses import read_addresses
from tests.config.support import TableTestCase, noted, table_of
from tests.support import LISTEN, parse

SERVERS = (Server(scheme="http", host="box", port=80),)


class ReadTests(TableTestCase):
    """``[upstreams.NAME]``."""

    def read(self, source: str) -> tuple[Addresses, list[str]]:
        """Return what a table is read as, and what was recorded."""
        table = table_of(source)
        return read_addresses(table, SERVERS), noted(table)

    def test_values(self) -> None:
        """Both keys have defaults."""
        self.assertEqual(self.read(""), (Addresses(), []))
        found, recorded = self.read('aliases = ["https://box.lan"]\ncookies = "drop"')
        self.assertEqual(found, Addresses(aliases=("https://box.lan",), cookies="drop"))
        self.assertEqual(recorded, [])

    def test_faults(self) -> None:
        """All faults are recorded at once."""
        found, recorded = self.read('aliases = ["box", "http://a/b", 1]\ncookies = "keep"')
        self.assertEqual(found, Addresses())
        self.assertEqual(len(recorded), 4)
        self.assertIn("adapt", recorded[-1] + recorded[0])

    def test_accounts(self) -> None:
        """Cookies of several accounts would get mixed up: they are dropped unless one insists."""
        for lines, cookies, warnings in (
            ("", "drop", 0),
            ('cookies = "drop"', "drop", 0),
            ('cookies = "pass"', "pass", 1),
        ):
            table = table_of(lines)
            found = read_addresses(table, SERVERS, has_accounts=True)
            recorded = noted(table)
            self.assertEqual((found.cookies, len(recorded)), (cookies, warnings))

    def test_needless(self) -> None:
        """An alias that names a server, or is there twice, produces a warning."""
        for aliases in ('"http://BOX:80"', '"http://a", "http://a/"'):
            _, recorded = self.read(f"aliases = [{aliases}]")
            self.assertEqual(len(recorded), 1)
            self.assertIn("remove it", recorded[0])

    def test_foreign(self) -> None:
        """An alias that is a server of another upstream produces a warning."""
        for server, warned in (("http://10.0.0.2", True), ("http://10.0.0.1", False)):
            toml = (
                f'[upstreams.a]\nservers = ["{server}"]\n[upstreams.b]\nservers = ["http://x"]\n'
                'aliases = ["http://10.0.0.2:80/"]\n'
                '[routes."/a"]\nupstream = "a"\n[routes."/b"]\nupstream = "b"\n'
            )
            warnings = [str(each) for each in parse(LISTEN + toml).warnings]
            self.assertEqual(len(warnings), warned, warnings)
            if warned:
                self.assertIn(
                    '"http://10.0.0.2:80/" is a server of upstream "a"; remove it', warnings[0]
                )
