"""Faults of the file as a whole, its listeners and hosts, word for word."""

from __future__ import annotations

from tests.config.support import ROUTE, TOP, UPSTREAM, TableTestCase

ENDPOINTS = (
    (
        '""',
        ('c.toml:1: listen[0]: "" is not an endpoint; write "tcp:5555:interface=127.0.0.1"'),
    ),
    (
        '"5556"',
        ('c.toml:1: listen[0]: "5556" is not an endpoint; write "tcp:5556:interface=127.0.0.1"'),
    ),
    (
        '"55556666"',
        (
            'c.toml:1: listen[0]: "55556666" is not an endpoint; write '
            '"tcp:5555:interface=127.0.0.1"'
        ),
    ),
    (
        '"web"',
        ('c.toml:1: listen[0]: "web" is not an endpoint; write "tcp:5555:interface=127.0.0.1"'),
    ),
    ("5555", "c.toml:1: listen[0]: 5555 is an integer; write text in quotes"),
    (
        '"http://localhost:5555"',
        (
            'c.toml:1: listen[0]: "http://localhost:5555" is not an endpoint; '
            'write one such as "tcp:5555:interface=127.0.0.1"'
        ),
    ),
    (
        '"localhost:5555"',
        (
            'c.toml:1: listen[0]: "localhost:5555" is not an endpoint; '
            'write one such as "tcp:5555:interface=127.0.0.1"'
        ),
    ),
    (
        '"127.0.0.1:5555"',
        (
            'c.toml:1: listen[0]: "127.0.0.1:5555" is not an endpoint; '
            'write one such as "tcp:5555:interface=127.0.0.1"'
        ),
    ),
    ('"tcp:"', 'c.toml:1: listen[0]: "tcp:" has a bad port; write a port from 0 to 65535'),
    ('"tcp:web"', 'c.toml:1: listen[0]: "tcp:web" has a bad port; write a port from 0 to 65535'),
    (
        '"tcp:65536"',
        'c.toml:1: listen[0]: "tcp:65536" has a bad port; write a port from 0 to 65535',
    ),
    ('"tcp:-1"', 'c.toml:1: listen[0]: "tcp:-1" has a bad port; write a port from 0 to 65535'),
    (
        '"tcp:80:iface=127.0.0.1"',
        (
            'c.toml:1: listen[0]: "tcp:80:iface=127.0.0.1" has the unknown argument "iface"; '
            'did you mean "interface"?'
        ),
    ),
    (
        '"tcp:80:x=1"',
        (
            'c.toml:1: listen[0]: "tcp:80:x=1" has the unknown argument "x"; '
            'give only "port", "interface" or "backlog"'
        ),
    ),
    (
        '"tcp:80:interface=::1"',
        (
            'c.toml:1: listen[0]: "tcp:80:interface=::1" has colons that end the interface; '
            r"put a backslash before each, interface=\:\:1, in single quotes"
        ),
    ),
    (r"'tcp:80\'", r'c.toml:1: listen[0]: "tcp:80\" ends in a backslash; remove it'),
    (
        '"tcp:80:127.0.0.1:50:9"',
        (
            'c.toml:1: listen[0]: "tcp:80:127.0.0.1:50:9" has too many parts; '
            'give only "port", "interface" or "backlog"'
        ),
    ),
    (
        '"tcp:80:port=80"',
        'c.toml:1: listen[0]: "tcp:80:port=80" gives "port" twice; remove one of them',
    ),
    (
        '"tcp:80:backlog=0"',
        (
            'c.toml:1: listen[0]: "tcp:80:backlog=0" has a bad backlog; '
            "write a number from 1 to 65535"
        ),
    ),
    ('"tcp6:x"', 'c.toml:1: listen[0]: "tcp6:x" has a bad port; write a port from 0 to 65535'),
)

LISTENERS = (
    ("", ('c.toml: listen: there is no listener; write listen = ["tcp:5555:interface=127.0.0.1"]')),
    (
        'listen = "tcp:80"',
        ('c.toml:1: listen: it is text; write an array, such as ["tcp:5555:interface=127.0.0.1"]'),
    ),
    (
        "listen = []",
        ('c.toml:1: listen: there is no listener; write listen = ["tcp:5555:interface=127.0.0.1"]'),
    ),
    (
        '[listener]\nendpoint = "tcp:80"',
        "c.toml:1: listener: it is a table; write tables [[listener]]",
    ),
    (
        "[[listener]]",
        (
            "c.toml:1: listener[0].endpoint: it is missing; "
            'write endpoint = "tcp:5555:interface=127.0.0.1"'
        ),
    ),
    (
        '[[listener]]\nendpoint = "80"',
        (
            'c.toml:2: listener[0].endpoint: "80" is not an endpoint; write '
            '"tcp:80:interface=127.0.0.1"'
        ),
    ),
    (
        '[[listener]]\nendpoint = "tcp:80"\ntrusted_proxies = ["10.0.0.1/8"]',
        (
            'c.toml:3: listener[0].trusted_proxies[0]: "10.0.0.1/8" has bits set beyond its '
            'prefix; write "10.0.0.0/8"'
        ),
    ),
    (
        '[[listener]]\nendpoint = "tcp:80"\ntrusted_proxies = ["proxy"]',
        (
            'c.toml:3: listener[0].trusted_proxies[0]: "proxy" is not a network; '
            'write one such as "10.0.0.0/8"'
        ),
    ),
    (
        '[[listener]]\nendpoint = "tcp:80"\ntrusted_proxies = "10.0.0.1"',
        (
            "c.toml:3: listener[0].trusted_proxies: it is text; "
            'write an array, such as ["10.0.0.0/8"]'
        ),
    ),
    (
        '[[listener]]\nendpoint = "tcp:80"\ntrusted_proxy = "10.0.0.1"',
        (
            "c.toml:3: listener[0].trusted_proxy: the key is unknown; "
            'did you mean "trusted_proxies"?'
        ),
    ),
)

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
    ('log_format = "xml"', 'c.toml:2: log_format: "xml" is unknown; write "json" or "combined"'),
    ("log_format = 5", "c.toml:2: log_format: 5 is an integer; write text in quotes"),
    ('access_log = ""', "c.toml:2: access_log: it is empty; write a value or remove the key"),
    ("access_log = false", "c.toml:2: access_log: false is a boolean; write text in quotes"),
    (
        'admin = { listen = "tcp:1" }',
        "c.toml:2: admin: this version does not support it yet; remove it",
    ),
    ("listen_on = 5", 'c.toml:2: listen_on: the key is unknown; did you mean "listen"?'),
    ("limits = 5", "c.toml:2: limits: it is an integer; write a table [limits]"),
    ("[upstream.b]", 'c.toml:2: upstream: the key is unknown; did you mean "upstreams"?'),
    ("[cors]\nspa = 5", "c.toml:3: cors.spa: it is an integer; write a table [cors.spa]"),
)

SYNTAX = (
    (
        "listen = ",
        ("c.toml:2: Invalid value; quote text, and write numbers and arrays in TOML syntax"),
    ),
    (
        "[routes./v1]",
        (
            "c.toml:2: Invalid initial character for a key part; quote keys that contain "
            'other characters than letters, digits, "_" and "-"'
        ),
    ),
    (
        "[routes.a/b]",
        (
            "c.toml:2: Expected ']' at the end of a table declaration; quote names that "
            'contain other characters than letters, digits, "_" and "-"'
        ),
    ),
    (
        "a = 1\na = 2",
        "c.toml:3: Cannot overwrite a value; remove it, or the earlier key that it conflicts with",
    ),
    ('a = "x', r"c.toml:2: Illegal character '\n'; fix the TOML syntax here"),
    (
        "listen = tcp:80",
        ("c.toml:2: Invalid value; quote text, and write numbers and arrays in TOML syntax"),
    ),
    (
        "a b = 1",
        (
            "c.toml:2: Expected '=' after a key in a key/value pair; quote keys that "
            'contain other characters than letters, digits, "_" and "-"'
        ),
    ),
    (
        "a = 'x' 'y'",
        (
            "c.toml:2: Expected newline or end of document after a statement; fix the TOML "
            "syntax here"
        ),
    ),
)


class DocumentFaultTests(TableTestCase):
    """Each fault has its line, its key, what is wrong and the fix."""

    def test_endpoints(self) -> None:
        """A listener is an endpoint string; tcp ones are looked into."""
        self.assert_faults("listen = [@@]\n" + UPSTREAM + ROUTE, ENDPOINTS)

    def test_listeners(self) -> None:
        """A [[listener]] has an endpoint and networks; TLS by the gate itself comes later."""
        self.assert_faults("@@\n" + UPSTREAM + ROUTE, LISTENERS)

    def test_top_level(self) -> None:
        """Keys at the top have their types and forms; others are unknown."""
        self.assert_faults(TOP + "@@\n" + UPSTREAM + ROUTE, TOP_LEVEL)

    def test_syntax(self) -> None:
        """What is no TOML is one fault at its line."""
        self.assert_faults("# one\n@@\n# three\n", SYNTAX)
