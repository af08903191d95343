"""Tests of `corsgate.config.sections.upstreams`: upstreams, as they are read."""

from __future__ import annotations

from corsgate.config.model.limits import PoolLimits
from corsgate.config.model.secret import Secret
from corsgate.config.model.values import (
    BearerCredentials,
    Credentials,
    NtlmCredentials,
    Upstream,
)
from corsgate.config.sections.upstreams import read_upstream
from corsgate.config.toml.reader import Named
from tests.config.support import TableTestCase, noted, sources, table_of

TOKEN = BearerCredentials(token=Secret("t"))


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

    def test_keep_alive_of_ntlm(self) -> None:
        """It authenticates connections, so they are kept."""
        user = NtlmCredentials(username="a", password=Secret("p"))
        named: Named[Credentials] = Named(section="credentials", entries={"n": user})
        for line, faults in (("", 0), ("keep_alive = true", 0), ("keep_alive = false", 1)):
            table = table_of(f'servers = ["http://b"]\ncredentials = "n"\n{line}')
            read_upstream("a", table, named, sources())
            self.assertEqual(len(noted(table)), faults)
            self.assertEqual("keep_alive: NTLM" in "".join(noted(table)), faults == 1)

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
