"""Warnings about listeners, word for word: `corsgate.config.sections.rebinding`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.config.support import OPEN, SECRET, warned

OF_A_HOST = SECRET.replace('"/"', '"gate.example/"')
ANY_HOST = (
    "it serves any Host: a site that points its name here (DNS rebinding) has the "
    'gate\'s own origin, and can use the credentials of upstream "box"; list the names that '
    "clients use in hosts"
)
UNLESS = "Host, unless its socket is on loopback:"
NO_SITES = (
    "over plain http browsers do not send Sec-Fetch-*, so any page can embed or frame "
    'responses that need the credentials of upstream "box"'
)
BOTH = ANY_HOST.replace(
    "; list",
    f"; and {NO_SITES}; add certificates, for https; if that is not possible, list",
)
CLOSED = (
    "it serves loopback names only: requests that its trusted proxies receive under "
    "another name (Host, X-Forwarded-Host, Forwarded) get 421; list the names that clients "
    "use in hosts"
)
PROXIED = '[[listener]]\nendpoint = "tcp:5555"\ntrusted_proxies = ["10.0.0.1"]\n'
TLS = (
    '[[listener]]\nendpoint = "tcp:443"\n'
    'certificates = [{ chain = "/chain.pem", key = "/key.pem" }]\n'
)


class AnyHostTests(SynchronousTestCase):
    """A gate with credentials that serves any name."""

    def test_warned(self) -> None:
        """Beyond loopback without TLS, and if the address or the proxy in front is unknown."""
        for top, expected in (
            ('listen = ["tcp:0"]\n', [f"c.toml:1: listen[0]: {BOTH}"]),
            ('listen = ["TCP:0"]\n', [f"c.toml:1: listen[0]: {BOTH}"]),
            (
                'listen = ["tcp:80:interface=10.0.0.1"]\n',
                [f"c.toml:1: listen[0]: {BOTH}"],
            ),
            (
                'listen = ["tcp:80:interface=127.0.0.1",\n"tcp:80", "tcp6:80"]\n',
                [f"c.toml:2: listen[{number}]: {BOTH}" for number in (1, 2)],
            ),
            (
                'listen = ["systemd:domain=INET:index=0"]\n',
                [f"c.toml:1: listen[0]: {ANY_HOST}".replace("Host:", UNLESS)],
            ),
            ('listen = ["unix:/run/gate"]\n', [f"c.toml:1: listen[0]: {ANY_HOST}"]),
            (PROXIED, [f"c.toml:1: listener[0]: {ANY_HOST}"]),
            (
                'listen = ["tcp:80:interface=127.0.0.1"]\n' + TLS + PROXIED,
                [f"c.toml:5: listener[1]: {ANY_HOST}"],
            ),
        ):
            self.assertEqual(warned(top + SECRET), expected)

    def test_not_warned(self) -> None:
        """With hosts, loopback, TLS, a route of one host, or no credentials there is no risk."""
        hosts = 'hosts = ["gate.example"]\n'
        for top in (
            'listen = ["tcp:80:interface=127.0.0.1"]\n',
            'listen = ["ssl:443:privateKey=k:certKey=c"]\n',
            'listen = ["tls:/etc/certs:tcp:443"]\n',
            TLS,
            hosts + PROXIED,
            hosts + 'listen = ["systemd:domain=INET:index=0", "unix:/run/gate"]\n',
        ):
            self.assertEqual(warned(top + SECRET), [], top)
        self.assertEqual(warned('listen = ["tcp:80"]\n' + OPEN), [])
        self.assertEqual(warned('listen = ["unix:/run/gate"]\n' + OF_A_HOST), [])


class PlainHttpTests(SynchronousTestCase):
    """A gate with credentials to which browsers send no Sec-Fetch-*."""

    LENIENT = 'cors = { allow_origins = ["https://a.example"], enforce_origin = false }\n'
    LISTEN = 'hosts = ["gate.example"]\nlisten = ["tcp:80"]\n'
    WARNING = (
        f"listen[0]: {NO_SITES}; add certificates, for https, or name the proxy in front of it"
        " in trusted_proxies"
    )

    def test_warned(self) -> None:
        """Beyond loopback without TLS, with any hosts."""
        for rest in (SECRET, OF_A_HOST):
            self.assertEqual(warned(self.LISTEN + rest), [f"c.toml:2: {self.WARNING}"])
        self.assertEqual(
            warned('listen = ["tcp6:80"]\n' + OF_A_HOST), [f"c.toml:1: {self.WARNING}"]
        )

    def test_not_warned(self) -> None:
        """With TLS or a proxy, and if nothing would be refused anyway."""
        hosts = 'hosts = ["gate.example"]\n'
        for top, rest in (
            (hosts + TLS, SECRET),
            (hosts + PROXIED, SECRET),
            (hosts + 'listen = ["ssl:443:privateKey=k:certKey=c", "unix:/run/gate"]\n', SECRET),
            (hosts + 'listen = ["tcp:80:interface=127.0.0.1"]\n', SECRET),
            (self.LISTEN, OPEN),
        ):
            self.assertEqual(warned(top + rest), [], top)

    def test_not_enforced(self) -> None:
        """With ``enforce_origin = false``, there is only the warning about any Host."""
        self.assertEqual(warned(self.LISTEN + SECRET + self.LENIENT), [])
        self.assertEqual(
            warned('listen = ["tcp:80"]\n' + SECRET + self.LENIENT),
            [f"c.toml:1: listen[0]: {ANY_HOST}, or add certificates, for https"],
        )


class ClosedTests(SynchronousTestCase):
    """A gate behind a proxy on its own machine."""

    NEAR = '[[listener]]\nendpoint = "tcp:80:interface=127.0.0.1"\n'

    def test_warned(self) -> None:
        """Without hosts it serves no public name, with or without credentials."""
        top = self.NEAR + 'trusted_proxies = ["127.0.0.1"]\n'
        for rest in (OPEN, SECRET):
            self.assertEqual(warned(top + rest), [f"c.toml:1: listener[0]: {CLOSED}"])

    def test_not_warned(self) -> None:
        """Without a proxy, or with hosts."""
        self.assertEqual(warned(self.NEAR + OPEN), [])
        top = f'hosts = ["gate.example"]\n{self.NEAR}trusted_proxies = ["127.0.0.1"]\n'
        self.assertEqual(warned(top + OPEN), [])
