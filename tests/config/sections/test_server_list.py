"""Tests of `corsgate.config.sections.server_list`: a list, DNS, or a separate file."""

from __future__ import annotations

from corsgate.config.sections.server_list import (
    ServerList,
    parse_resolver,
    parse_servers,
    read_servers,
)
from corsgate.config.sections.server_url import parse_server
from corsgate.errors import ConfigError
from tests.config.support import TableTestCase, noted, sources, table_of

AT = "c.toml:1: servers"


class ReadTests(TableTestCase):
    """``servers`` of an upstream."""

    def read(self, value: str, **changes: object) -> tuple[ServerList | None, list[str]]:
        """Return what a value is read as, and what was recorded."""
        table = table_of(f"servers = {value}")
        found = read_servers(table, sources(**changes))
        return found, noted(table)

    def test_list(self) -> None:
        """URLs, tables and DNS names may be mixed; templates are all of them."""
        found, recorded = self.read(
            '["http://a", { url = "http://b", weight = 3 }, "dns+http://c:1"]'
        )
        assert found is not None
        self.assertEqual(recorded, [])
        self.assertEqual([server.origin for server in found.servers], ["http://a", "http://b"])
        self.assertEqual([server.weight for server in found.servers], [1, 3])
        self.assertEqual([server.host for server in found.templates], ["a", "b", "c"])

    def test_faults_leave_the_others(self) -> None:
        """A faulty entry is recorded, and the reading goes on."""
        found, recorded = self.read('["ftp://a", "http://b", { weight = 2 }]')
        assert found is not None
        self.assertEqual([server.origin for server in found.servers], ["http://b"])
        self.assertEqual(
            recorded,
            [
                f'{AT}[0]: "ftp://a" has the scheme "ftp"; write "http://" or "https://"',
                f'{AT}[2].url: it is missing; write url = "http://127.0.0.1:8000"',
            ],
        )

    def test_the_list_as_a_whole(self) -> None:
        """There must be a server, none twice, and one that takes new clients."""
        fix = 'write servers = ["http://127.0.0.1:8000"]'
        drains = "every server has drain = true; leave at least one without it"
        for value, fault in (
            ("[]", f"{AT}: there are no servers; {fix}"),
            ("5", f"{AT}: it is an integer; {fix}"),
            (
                '["http://a", "http://A:80"]',
                f"{AT}[1]: http://a is listed twice; remove one, or raise the other's weight",
            ),
            ('[{ url = "http://a", drain = true }]', f"{AT}: {drains}"),
        ):
            self.assertEqual((value, self.read(value)[1]), (value, [fault]))
        self.assertEqual(self.read('[{ url = "http://a", drain = true }, "http://b"]')[1], [])
        # DNS may find one that does not drain.
        self.assertEqual(self.read('[{ url = "http://a", drain = true }, "dns+http://b"]')[1], [])

    def test_file(self) -> None:
        """The file's servers are read at once, and its first fault is shown with its own line."""
        found, recorded = self.read('{ file = "/servers.toml" }')
        assert found is not None
        self.assertEqual((found.file, recorded), ("/servers.toml", []))
        self.assertEqual([server.origin for server in found.servers], ["http://a:1", "http://b"])
        found, recorded = self.read('{ file = "/bad-servers.toml" }')
        self.assertEqual(
            (found, recorded),
            (
                None,
                [
                    f'{AT}.file: /bad-servers.toml:3: servers[1]: "ftp://b" has the scheme "ftp"'
                    ' (and 1 more); write "http://" or "https://"'
                ],
            ),
        )

    def test_a_file_that_others_can_write_to(self) -> None:
        """Its writers decide where credentials go."""
        value = '{ file = "/servers.toml" }'
        _, recorded = self.read(value, written_by=lambda path: f"the directory of {path}")
        self.assertEqual(
            recorded,
            [
                f"{AT}.file: others can write to the directory of /servers.toml, and so redirect"
                " requests and credentials; make it private (chmod go-w)"
            ],
        )
        self.assertEqual(self.read(value)[1], [])
        # Faults come first: nothing is sent anywhere as long as there are some.
        _, recorded = self.read('{ file = "/none" }', written_by=lambda path: path)
        self.assertEqual(len(recorded), 1)


class FileTests(TableTestCase):
    """A separate file."""

    def test_all_faults_at_once(self) -> None:
        """Each has the file's name and line; DNS is only for the configuration."""
        content = b'servers = [\n"http://a",\n"dns+http://b",\n5]\nserver = 1'
        error = self.assertRaises(ConfigError, parse_servers, content, "s.toml")
        self.assertEqual(
            [str(fault) for fault in error.faults],
            [
                "s.toml:3: servers[1]: DNS can't be used in this file; write it in the"
                " configuration file",
                "s.toml:4: servers[2]: it is an integer; write a URL, or"
                ' { url = "http://127.0.0.1:8000", weight = 2 }',
                's.toml:5: server: the key is unknown; did you mean "servers"?',
            ],
        )

    def test_servers(self) -> None:
        """It is TOML with the one key that an upstream has."""
        found = parse_servers(b'servers = ["http://a"]', "s.toml")
        self.assertEqual(found, (parse_server("http://a"),))


class ResolverTests(TableTestCase):
    """The DNS server to ask."""

    def test_addresses(self) -> None:
        """An IP address, perhaps with a port: a name would need a resolver itself."""
        for text, found in {
            "10.0.0.2": ("10.0.0.2", 53),
            "10.0.0.2:5353": ("10.0.0.2", 5353),
            "[::1]:5353": ("::1", 5353),
            "[::1]": ("::1", 53),
        }.items():
            self.assertEqual(parse_resolver(text), found)
        ask = 'write one such as "10.0.0.2:53"'
        bad = {
            "dns.example": f'"dns.example" is not an IP address; {ask}',
            "": f'"" is not an IP address; {ask}',
            "10.0.0.2:0": '"10.0.0.2:0" has a bad port; write a port from 1 to 65535',
            "::1": '"::1" has too many colons; write an IPv6 address in brackets',
        }
        self.assert_checked(parse_resolver, [], bad)
