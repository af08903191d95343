"""Tests that no secret is in a fault, a repr or a str, wherever it was written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import BearerCredentials, Config, Secret
from corsgate.config.parse import parse_config
from corsgate.config.quick import quick_config
from corsgate.errors import BadValue, ConfigError
from tests.config.support import ROUTE, TOP, UPSTREAM

MARK = "hunter2"
HEAD = TOP + UPSTREAM

IN_CREDENTIALS = tuple(
    f"{kind}{secret}"
    for kind in (
        'type = "basic"\nusername = "a"\npassword = ',
        'type = "digest"\nusername = "a"\npassword = ',
        'type = "bearer"\ntoken = ',
        'type = "header"\nname = "X-Key"\nvalue = ',
        'type = "basic"\nusername = 5\npasword = ',
        "type = 5\npassword = ",
        "password = ",
        'type = "bearer"\npassword = ',
    )
    for secret in (
        f'"{MARK}"',
        f'"{MARK}\\n"',
        f'" {MARK} "',
        f'"é{MARK}"',
        f'["{MARK}"]',
        f'{{ text = "{MARK}" }}',
        f'{{ env = ["{MARK}"] }}',
        '{ env = "SECRET" }',
        '{ env = "LINES" }',
        '{ file = "/secret" }',
        '{ file = "/lines" }',
        '{ file = "/binary" }',
        '{ systemd = "secret" }',
    )
)
ELSEWHERE = (
    f'[upstreams.b]\nservers = ["http://admin:{MARK}@a"]',
    f'[upstreams.b]\nservers = ["http://{MARK}@a:x"]',
    f'[upstreams.b]\nservers = ["http://admin:{MARK}"]',
    f'[upstreams.b]\nservers = ["http://admin:{MARK}/@a"]',
    f'[upstreams.b]\nservers = ["http://admin:{MARK}?@a/#"]',
    f'[upstreams.b]\nservers = ["admin:{MARK}@a"]',
    f'[upstreams.b]\nservers = ["http://a/?token={MARK}"]',
    f'[upstreams.b]\nservers = ["http://a/#{MARK}"]',
    f'[upstreams.b]\nservers = "http://admin:{MARK}@a"',
    f'[upstreams.b]\nservers = [{{ uri = "http://admin:{MARK}@a" }}]',
    f'[upstreams.b]\nservers = ["http://a"]\ncredentials = "digest:admin:{MARK}"',
    f'[upstreams.b]\nservers = ["http://a"]\ncredentials = ["{MARK}"]',
    f'[upstreams.b]\nservers = ["http://a"]\npassword = "{MARK}"',
    '[upstreams.b]\nservers = ["http://a"]\nca = "/secret"',
    '[upstreams.b]\nservers = ["http://a"]\nca = "/pem"',
    f'[credentials]\npassword = "{MARK}"',
    f'credentials = "{MARK}"',
    f'[routes."/x"]\nupstream = "http://admin:{MARK}@a"',
    f"[credentials.b]\npassword = {MARK}",
    f'[credentials.b]\npassword = "{MARK}',
    f'[credentials.b]\npassword = "{MARK}" "{MARK}"',
)


def read_file(path: str) -> bytes:
    """Return files that contain the mark in various ways."""
    return {
        "/secret": f"{MARK}\n".encode(),
        "/run/secret": f"{MARK}\n".encode(),
        "/lines": f"{MARK}\n{MARK}\n".encode(),
        "/binary": b"\xff" + MARK.encode(),
        "/pem": f"-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n{MARK}\n".encode(),
    }[path]


def told(text: str) -> tuple[str, bool]:
    """Return all text of a configuration or its faults, and whether it was valid."""
    environ = {"SECRET": MARK, "LINES": f"{MARK}\n{MARK}", "CREDENTIALS_DIRECTORY": "/run"}
    try:
        config = parse_config(text, file="c.toml", environ=environ, read_file=read_file)
    except ConfigError as error:
        chain = f"{error.__cause__!r} {error.__context__ if not error.__suppress_context__ else ''}"
        return f"{error} {error!r} {error.faults!r} {chain}", False
    return f"{config} {config!r} {config.upstreams!r}", True


class FileTests(SynchronousTestCase):
    def test_in_credentials(self) -> None:
        """A secret under [credentials] is not shown, whether valid, faulty or under a wrong key."""
        right = 0
        for body in IN_CREDENTIALS:
            shown, is_config = told(f'{HEAD}credentials = "b"\n[credentials.b]\n{body}\n{ROUTE}')
            self.assertNotIn(MARK, shown, body)
            right += is_config
        self.assertGreater(right, 12)

    def test_elsewhere(self) -> None:
        """A secret in a wrong place is not shown either."""
        for body in ELSEWHERE:
            shown, _ = told(f"{TOP}{body}\n{UPSTREAM}{ROUTE}")
            self.assertNotIn(MARK, shown, body)

    @given(st.text(max_size=6), st.text(max_size=6))
    def test_user_info(self, before: str, after: str) -> None:
        """User info in a server's URL is never shown, whatever surrounds it."""
        url = "".join(f"\\U{ord(char):08x}" for char in f"http://u:{before}{MARK}{after}@a")
        shown, is_config = told(f'{TOP}[upstreams.a]\nservers = ["{url}"]\n{ROUTE}')
        self.assertFalse(is_config)
        self.assertNotIn(MARK, shown)


class QuickTests(SynchronousTestCase):
    def test_auth(self) -> None:
        """No form of --auth or --upstream shows its secret, whether valid or faulty."""
        for auth in (
            *(f"basic:user:{MARK}", f"digest:user:{MARK}:{MARK}", f"bearer:{MARK}"),
            *(MARK, f"basic:{MARK}", f"basic:u:{MARK}\n", f"bearer:{MARK} {MARK}"),
            *(f"oauth2:{MARK}", f"{MARK}:x:y", f":{MARK}"),
        ):
            self.assertNotIn(MARK, self.quick("http://a", auth), auth)
        self.assertNotIn(MARK, self.quick(f"http://u:{MARK}@a", None))

    def quick(self, upstream: str, auth: str | None) -> str:
        """Return all text of the configuration or its faults."""
        config: Config | None = None
        try:
            config = quick_config(upstream=upstream, allow_origins=["http://b"], auth=auth)
        except ConfigError as error:
            return f"{error} {error!r} {error.faults!r}"
        return f"{config} {config!r}"


class SecretTests(SynchronousTestCase):
    def test_only_reveal_tells(self) -> None:
        """Only reveal returns the text of a secret."""
        secret = Secret(MARK)
        self.assertNotIn(MARK, f"{secret} {secret!r} {[secret]} {BearerCredentials(token=secret)}")
        self.assertEqual(MARK, secret.reveal())

    def test_validators(self) -> None:
        """A validator that rejects a secret does not show it."""
        error = self.assertRaises(BadValue, BearerCredentials, token=Secret(f"{MARK} {MARK}"))
        self.assertNotIn(MARK, f"{error} {error!r}")
