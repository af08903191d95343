"""Faults of listeners, word for word: `corsgate.config.sections.listeners`."""

from __future__ import annotations

from tests.config.support import ROUTE, UPSTREAM, TableTestCase

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
            'write "tcp:5555:interface=127.0.0.1"'
        ),
    ),
    (
        '"localhost:5555"',
        (
            'c.toml:1: listen[0]: "localhost:5555" is not an endpoint; '
            'write "tcp:5555:interface=127.0.0.1"'
        ),
    ),
    (
        '"127.0.0.1:5555"',
        (
            'c.toml:1: listen[0]: "127.0.0.1:5555" is not an endpoint; '
            'write "tcp:5555:interface=127.0.0.1"'
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
            r"put a backslash before each, as in interface=\:\:1, in single quotes"
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


class ListenerFaultTests(TableTestCase):
    """Each fault has its line, its key, what is wrong and the fix."""

    def test_endpoints(self) -> None:
        """A listener is an endpoint string; the arguments of tcp are checked."""
        self.assert_faults("listen = [@@]\n" + UPSTREAM + ROUTE, ENDPOINTS)

    def test_listeners(self) -> None:
        """A [[listener]] has an endpoint and networks."""
        self.assert_faults("@@\n" + UPSTREAM + ROUTE, LISTENERS)
