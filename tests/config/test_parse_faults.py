"""Faults of the keys at the top of a file, word for word: `corsgate.config.parse`."""

from __future__ import annotations

from tests.config.support import ROUTE, TOP, UPSTREAM, TableTestCase

TOP_LEVEL = (
    (
        'hosts = "localhost"',
        'c.toml:2: hosts: it is text; write an array, such as ["localhost:5555"]',
    ),
    ("hosts = []", "c.toml:2: hosts: it is empty; list the names that clients use"),
    ('hosts = ["*"]', 'c.toml:2: hosts[0]: "*" serves any host; list the names that clients use'),
    (
        'hosts = ["http://localhost:5555/x"]',
        'c.toml:2: hosts[0]: "http://localhost:5555/x" is a URL; write "localhost:5555"',
    ),
    (
        'hosts = ["localhost:x"]',
        'c.toml:2: hosts[0]: "localhost:x" has a bad port; write a port from 1 to 65535',
    ),
    (
        'hosts = ["::1"]',
        'c.toml:2: hosts[0]: "::1" has too many colons; write an IPv6 address in brackets',
    ),
    (
        'hosts = ["*.example.com:80"]',
        'c.toml:2: hosts[0]: "example.com:80" has a port; write "example.com"',
    ),
    (
        'hosts = ["a b"]',
        'c.toml:2: hosts[0]: "a b" is not a host name; write a host name or an IP address',
    ),
    (
        'log_format = "xml"',
        'c.toml:2: log_format: "xml" is unknown; write "auto", "json", "text" or "combined"',
    ),
    ("log_format = 5", "c.toml:2: log_format: 5 is an integer; write text in quotes"),
    ('access_log = ""', "c.toml:2: access_log: it is empty; write a value or remove the key"),
    ("access_log = false", "c.toml:2: access_log: false is a boolean; write text in quotes"),
    (
        'admin = { listen = "tcp:1" }',
        'c.toml:2: admin.listen: "tcp:1": other machines can connect to it, and the admin listener'
        ' has no authentication; write "tcp:9901:interface=127.0.0.1", or a Unix socket such as '
        "unix:/run/corsgate/admin.sock",
    ),
    ("listen_on = 5", 'c.toml:2: listen_on: the key is unknown; did you mean "listen"?'),
    ("limits = 5", "c.toml:2: limits: it is an integer; write a table [limits]"),
    ("[upstream.b]", 'c.toml:2: upstream: the key is unknown; did you mean "upstreams"?'),
    (
        "[cors]\nspa = 5",
        "c.toml:3: cors.spa: it is not a table; give the heading a name, such as [cors.app]",
    ),
)


class TopLevelFaultTests(TableTestCase):
    """Each fault has its line, its key, what is wrong and the fix."""

    def test_top_level(self) -> None:
        """Keys at the top have their types and forms; others are unknown."""
        self.assert_faults(TOP + "@@\n" + UPSTREAM + ROUTE, TOP_LEVEL)
