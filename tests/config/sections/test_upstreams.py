"""Tests of `corsgate.config.sections.upstreams`: upstreams and credentials, as they are read."""

from __future__ import annotations

from corsgate.config.model.limits import PoolLimits
from corsgate.config.model.secret import Secret
from corsgate.config.model.values import (
    BasicCredentials,
    BearerCredentials,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
    Upstream,
)
from corsgate.config.sections.upstreams import read_credentials, read_upstream
from corsgate.config.toml.reader import Named
from tests.config.support import TableTestCase, noted, sources, table_of

SECRET = Secret("hunter2")
TOKEN = BearerCredentials(token=Secret("t"))
KINDS: dict[str, Credentials] = {
    'type = "basic"\nusername = "a"\npassword = "hunter2"': BasicCredentials(
        username="a", password=SECRET
    ),
    'type = "digest"\nusername = "a:b"\npassword = "hunter2"': DigestCredentials(
        username="a:b", password=SECRET
    ),
    'type = "digest"\nusername = ""\npassword = "hunter2"\nmin_algorithm = "SHA-256"\n'
    "require_qop = true": DigestCredentials(
        username="", password=SECRET, min_algorithm="SHA-256", require_qop=True
    ),
    'type = "bearer"\ntoken = "hunter2"': BearerCredentials(token=SECRET),
    'type = "header"\nname = "X-Key"\nvalue = "hunter2"': HeaderCredentials(
        name="X-Key", value=SECRET
    ),
}


class CredentialTests(TableTestCase):
    """``[credentials.NAME]``."""

    def read(self, source: str) -> tuple[Credentials | None, list[str]]:
        """Return what a table is read as, and what was recorded."""
        table = table_of(source)
        return read_credentials(table, sources()), noted(table)

    def test_kinds(self) -> None:
        """Each kind has its keys, and nothing is recorded."""
        found = {source: self.read(source) for source in KINDS}
        self.assertEqual(found, {source: (value, []) for source, value in KINDS.items()})

    def test_a_missing_key(self) -> None:
        """Without any key that it needs there are no credentials, and that key is named."""
        for source in KINDS:
            lines = source.split("\n")
            for line in lines:
                key = line.partition(" ")[0]
                if key in ("min_algorithm", "require_qop"):
                    continue
                found, recorded = self.read("\n".join(each for each in lines if each != line))
                self.assertIsNone(found, line)
                self.assertEqual(
                    [f"c.toml: {key}: it is missing"], [r.partition(";")[0] for r in recorded]
                )

    def test_keys_of_another_kind(self) -> None:
        """A key that belongs to another kind is unknown, and the value stays."""
        found, recorded = self.read('type = "bearer"\ntoken = "hunter2"\nusername = "a"')
        self.assertEqual(found, BearerCredentials(token=SECRET))
        (fault,) = recorded
        self.assertTrue(fault.startswith("c.toml:3: username: the key is unknown; "), fault)

    def test_kinds_that_come_later(self) -> None:
        """They are named as such, not as a mistake."""
        known = 'write "basic", "digest", "bearer" or "header"'
        for kind in ("oauth2", "session"):
            _, recorded = self.read(f'type = "{kind}"')
            self.assertEqual(
                recorded, [f'c.toml:1: type: "{kind}" is not supported in this version; {known}']
            )
        self.assertEqual(self.read('type = "x"')[1], [f'c.toml:1: type: "x" is unknown; {known}'])


class UpstreamTests(TableTestCase):
    """``[upstreams.NAME]``."""

    def read(self, source: str, name: str = "a") -> tuple[Upstream | None, list[str]]:
        """Return what a table is read as, with the credentials "t" to name."""
        table = table_of(source)
        named: Named[Credentials] = Named(section="credentials", entries={"t": TOKEN, "bad": None})
        return read_upstream(name, table, named, sources()), noted(table)

    def test_defaults(self) -> None:
        """Servers are enough: they are verified, by their own names, without credentials."""
        found, recorded = self.read('servers = ["https://b"]')
        assert found is not None
        self.assertEqual(recorded, [])
        self.assertEqual((found.name, found.pool), ("a", PoolLimits()))
        self.assertEqual((found.verify, found.ca_pem, found.server_name), (True, None, None))
        self.assertEqual((found.credentials, found.preserve_host), (None, False))
        self.assertFalse(found.strict_responses)

    def test_strict_responses(self) -> None:
        """Responses may have to be well-formed."""
        found, recorded = self.read('servers = ["https://b"]\nstrict_responses = true')
        assert found is not None
        self.assertEqual((found.strict_responses, recorded), (True, []))

    def test_pool(self) -> None:
        """Each bound is written by its unit."""
        found, recorded = self.read(
            'servers = ["http://b"]\nmax_connections = 1\nmax_queue = 2\nqueue_timeout = "3s"\n'
            'max_tunnels = 4\nidle_timeout = "5ms"\nmax_requests_per_connection = 6'
        )
        assert found is not None
        self.assertEqual(recorded, [])
        self.assertEqual(
            found.pool,
            PoolLimits(
                max_connections=1,
                max_queue=2,
                queue_timeout_s=3,
                max_tunnels=4,
                idle_timeout_s=0.005,
                max_requests_per_connection=6,
            ),
        )

    def test_keep_alive(self) -> None:
        """Connections are kept unless the file says no."""
        for line, expected in (("", True), ("true", True), ("false", False)):
            line = f"keep_alive = {line}" if line else ""
            found, recorded = self.read(f'servers = ["http://b"]\n{line}')
            assert found is not None
            self.assertEqual((found.pool.keep_alive, recorded), (expected, []))

    def test_keep_alive_faults(self) -> None:
        """It is true or false, and false leaves nothing to limit."""
        for lines, key in (
            ('keep_alive = "no"', "keep_alive"),
            ("keep_alive = 0", "keep_alive"),
            ("max_requests_per_connection = 0", "max_requests_per_connection"),
            (
                "keep_alive = false\nmax_requests_per_connection = 2",
                "max_requests_per_connection",
            ),
        ):
            _, recorded = self.read(f'servers = ["http://b"]\n{lines}')
            self.assertEqual(len(recorded), 1)
            self.assertIn(f" {key}: ", recorded[0])

    def test_credentials(self) -> None:
        """They are resolved by name; faulty ones were recorded where they stand."""
        for key, found, faults in (
            ('credentials = "t"', TOKEN, 0),
            ('credentials = "bad"', None, 0),
            ('credentials = "none"', None, 1),
        ):
            upstream, recorded = self.read(f'servers = ["https://b"]\n{key}')
            assert upstream is not None
            self.assertEqual((key, upstream.credentials, len(recorded)), (key, found, faults))

    def test_credentials_in_clear(self) -> None:
        """There is a warning where the upstream names them, and only if they can be read."""
        for scheme, count in (("http", 1), ("https", 0)):
            _, recorded = self.read(f'servers = ["{scheme}://b"]\ncredentials = "t"')
            self.assertEqual(len(recorded), count)
        _, (warning,) = self.read('servers = ["http://b"]\ncredentials = "t"')
        self.assertTrue(warning.startswith("c.toml:2: credentials: the secret is sent"), warning)

    def test_without_servers(self) -> None:
        """There is no upstream; the faults of its other keys are recorded all the same."""
        found, recorded = self.read("servers = []\nmax_queue = -1")
        self.assertIsNone(found)
        self.assertEqual(
            recorded,
            [
                "c.toml:1: servers: there are no servers;"
                ' write servers = ["http://127.0.0.1:8000"]',
                "c.toml:2: max_queue: -1 is too small; write 0 or more",
            ],
        )

    def test_an_unusable_name(self) -> None:
        """The reader of the section records that, so it is not recorded twice."""
        self.assertEqual(self.read('servers = ["http://b"]', name="a b"), (None, []))
