"""Warnings of what a configuration says beside its policies, word for word."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import ConfigError
from tests.config.support import parse

SECRET = """[upstreams.box]
servers = ["http://127.0.0.1:8001"]
credentials = { type = "bearer", token = "t" }
[routes."/"]
upstream = "box"
"""
OPEN = SECRET.replace('credentials = { type = "bearer", token = "t" }', "")
OF_A_HOST = SECRET.replace('"/"', '"gate.example/"')
ANY_HOST = (
    "it serves any Host: a site that points its name here (DNS rebinding) passes for the "
    'gate\'s own and can use the credentials of upstream "box"; list the names that '
    "clients use in hosts"
)
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


def warned(source: str) -> list[str]:
    """Return the warnings of a file, as they are shown."""
    return [str(warning) for warning in parse(source).warnings]


class AnyHostTests(SynchronousTestCase):
    """A gate with credentials that is reached by any name."""

    def test_warned(self) -> None:
        """Off loopback without TLS, and where the address or the proxy in front is unknown."""
        for top, expected in (
            ('listen = ["tcp:0"]\n', [f"c.toml:1: listen[0]: {BOTH}"]),
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
                [f"c.toml:1: listen[0]: {ANY_HOST}"],
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
        """Names, loopback, TLS, a route of one host, or no credentials: no page gets at any."""
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
    """A gate with credentials that browsers tell nothing."""

    LENIENT = 'cors = { allow_origins = ["https://a.example"], enforce_origin = false }\n'
    LISTEN = 'hosts = ["gate.example"]\nlisten = ["tcp:80"]\n'
    WARNING = (
        f"listen[0]: {NO_SITES}; add certificates, for https, or name the proxy in front of it"
        " in trusted_proxies"
    )

    def test_warned(self) -> None:
        """Off loopback without TLS, whatever its names are."""
        for rest in (SECRET, OF_A_HOST):
            self.assertEqual(warned(self.LISTEN + rest), [f"c.toml:2: {self.WARNING}"])
        self.assertEqual(
            warned('listen = ["tcp6:80"]\n' + OF_A_HOST), [f"c.toml:1: {self.WARNING}"]
        )

    def test_not_warned(self) -> None:
        """Where TLS or a proxy is in front, and where nothing would be refused anyway."""
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
        """With ``enforce_origin = false`` it is no matter, only what the name may be is."""
        self.assertEqual(warned(self.LISTEN + SECRET + self.LENIENT), [])
        self.assertEqual(
            warned('listen = ["tcp:80"]\n' + SECRET + self.LENIENT),
            [f"c.toml:1: listen[0]: {ANY_HOST}, or add certificates, for https"],
        )


class ClosedTests(SynchronousTestCase):
    """A gate behind a proxy on its own machine."""

    NEAR = '[[listener]]\nendpoint = "tcp:80:interface=127.0.0.1"\n'

    def test_warned(self) -> None:
        """Without hosts it serves no public name, with credentials or without."""
        top = self.NEAR + 'trusted_proxies = ["127.0.0.1"]\n'
        for rest in (OPEN, SECRET):
            self.assertEqual(warned(top + rest), [f"c.toml:1: listener[0]: {CLOSED}"])

    def test_not_warned(self) -> None:
        """Without a proxy, or with hosts."""
        self.assertEqual(warned(self.NEAR + OPEN), [])
        top = f'hosts = ["gate.example"]\n{self.NEAR}trusted_proxies = ["127.0.0.1"]\n'
        self.assertEqual(warned(top + OPEN), [])


class PassedTests(SynchronousTestCase):
    """Fields that a route passes on purpose."""

    TOP = 'listen = ["tcp:80:interface=127.0.0.1"]\n'

    def test_warned(self) -> None:
        """One that passes anyway, or that is listed twice."""
        source = self.TOP + OPEN + 'pass_headers = ["X-Real-IP", "Accept", "x-real-ip"]\n'
        at = 'routes."/".pass_headers'
        self.assertEqual(
            warned(source),
            [
                f'c.toml:7: {at}[1]: "Accept" passes anyway; remove it',
                f'c.toml:7: {at}[2]: "x-real-ip" is already listed; remove it',
            ],
        )
        override = 'pass_headers = ["X-HTTP-Method-Override"]\n'
        self.assertEqual(len(warned(self.TOP + OPEN + override)), 1)
        self.assertEqual(warned(self.TOP + OPEN + 'methods = ["GET"]\n' + override), [])

    def test_the_credentials_own(self) -> None:
        """What the gate logs in with is no client's to send."""
        for name in ("Authorization", "authorization"):
            source = self.TOP + SECRET + f'pass_headers = ["{name}"]\n'
            error = self.assertRaises(ConfigError, parse, source)
            self.assertEqual(
                str(error.faults[0]),
                f'c.toml:7: routes."/".pass_headers[0]: "{name}" is set by the gate where the'
                " upstream has credentials; remove it, or the upstream's credentials",
            )


class UnusedTests(SynchronousTestCase):
    """A table that no other names."""

    LOCAL = 'listen = ["tcp:80:interface=127.0.0.1"]\n'
    SPARE = """[credentials.a]
type = "bearer"
token = "t"
[cors.b]
allow_origins = ["https://a.example.com"]
[upstreams.c]
servers = ["http://127.0.0.1:8001"]
"""

    def test_warned(self) -> None:
        """Each kind, in the order of the lines, with where it could be named."""
        self.assertEqual(
            warned(self.LOCAL + self.SPARE + OPEN),
            [
                "c.toml:2: credentials.a: it is not used; use it as the credentials of an "
                "upstream, or remove it",
                "c.toml:5: cors.b: it is not used; use it as the cors of a route, or remove it",
                "c.toml:7: upstreams.c: it is not used; use it as the upstream of a route, "
                "or remove it",
            ],
        )

    def test_not_warned(self) -> None:
        """What is named once, be it by a policy that is tried, or several times."""
        for cors in ('cors = "b"', 'cors_report_only = "b"', 'cors = "b"\ncors_report_only = "b"'):
            source = (
                f'{self.LOCAL}{self.SPARE}credentials = "a"\n'
                f'[routes."/"]\nupstream = "c"\n{cors}\n[routes."/d"]\nupstream = "c"\n'
            )
            self.assertEqual(warned(source), [])

    def test_misspelled(self) -> None:
        """What is named wrongly is told as that alone."""
        source = self.LOCAL + OPEN.replace('= "box"', '= "bocks"')
        error = self.assertRaises(ConfigError, parse, source)
        self.assertEqual((len(error.faults), error.warnings), (1, ()))


class AllowFramingTests(SynchronousTestCase):
    """``allow_framing`` where nothing forbids framing."""

    LOCAL = 'listen = ["tcp:80:interface=127.0.0.1"]\n'
    NOTHING = (
        'routes."/".allow_framing: it has no effect: frames are refused only where the upstream'
        " has credentials and enforce_origin is true; remove it"
    )

    def test_warned(self) -> None:
        """Without credentials, and where origins are not enforced."""
        lenient = 'cors = { allow_origins = ["https://a.example"], enforce_origin = false }\n'
        for rest in (OPEN, SECRET + lenient):
            (warning,) = warned(f"{self.LOCAL}{rest}allow_framing = true\n")
            self.assertIn(self.NOTHING, warning)

    def test_not_warned(self) -> None:
        """With credentials, with a policy or without, and where it says what holds anyway."""
        policy = 'cors = { allow_origins = ["https://a.example"] }\n'
        for rest in (SECRET, SECRET + policy):
            self.assertEqual(warned(f"{self.LOCAL}{rest}allow_framing = true\n"), [])
        self.assertEqual(warned(f"{self.LOCAL}{OPEN}allow_framing = false\n"), [])
