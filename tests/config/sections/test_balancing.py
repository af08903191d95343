"""Reading of balancing, health checks and retries, and of the kinds of servers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.balancing import (
    Balancing,
    Ejection,
    Fallback,
    HealthCheck,
    Sticky,
)
from corsgate.config.model.secret import Secret
from corsgate.config.model.values import Upstream
from tests.config.support import ROUTE, TOP, parse


def upstream(keys: str = "", servers: str = '"http://a"') -> Upstream:
    """Return an upstream with these keys and servers."""
    return parse(f"{TOP}[upstreams.a]\nservers = [{servers}]\n{keys}\n{ROUTE}").upstreams["a"]


class ReadTests(SynchronousTestCase):
    def test_defaults(self) -> None:
        """Without keys, or with an empty table, the defaults apply."""
        self.assertEqual(upstream().balancing, Balancing())
        self.assertEqual(upstream("eject = {}").balancing, Balancing())
        self.assertEqual(upstream("on_down = {}").balancing.on_down, Fallback())

    def test_health(self) -> None:
        """A path is enough; the rest has defaults."""
        found = upstream('health = { path = "/" }').balancing.health
        self.assertEqual(found, HealthCheck(path="/"))

    def test_everything(self) -> None:
        """Each key sets its own field."""
        found = upstream(
            'balance = "hash"\n'
            'hash_on = "header:X-Tenant"\n'
            'slow_start = "30s"\n'
            "max_requests = 500\n"
            'sticky = { cookie = "gate", secret = { env = "NAME" } }\n'
            'health = { path = "/ok?x=1", method = "OPTIONS", status = [200, 204], body = "up",'
            ' port = 9000, interval = "1s", timeout = "500ms", rise = 3, fall = 4,'
            " anonymous = true }\n"
            'eject = { failures = 3, on = ["connect", "500"], time = "1m" }\n'
            "retries = 2\n"
            "max_tries = 3\n"
            'retry_on = ["connect"]\n'
            'on_down = { status = 200, body = "{}", content_type = "application/json" }'
        ).balancing
        self.assertEqual(
            found,
            Balancing(
                balance="hash",
                hash_on="header:X-Tenant",
                slow_start_s=30.0,
                max_requests=500,
                sticky=Sticky(cookie="gate", secret=Secret("from environment")),
                health=HealthCheck(
                    path="/ok?x=1",
                    method="OPTIONS",
                    status=(200, 204),
                    body="up",
                    port=9000,
                    interval_s=1.0,
                    timeout_s=0.5,
                    rise=3,
                    fall=4,
                    anonymous=True,
                ),
                eject=Ejection(failures=3, on=("connect", "500"), time_s=60.0),
                retries=2,
                max_tries=3,
                retry_on=("connect",),
                on_down=Fallback(status=200, body="{}", content_type="application/json"),
            ),
        )

    def test_servers(self) -> None:
        """A server may be a backup, or drain."""
        servers = (
            '"http://a", { url = "http://b", backup = true }, { url = "http://c", drain = true }'
        )
        found = upstream(servers=servers).servers
        self.assertEqual(
            [(server.backup, server.drain) for server in found],
            [(False, False), (True, False), (False, True)],
        )

    def test_secret_is_not_shown(self) -> None:
        """The key that signs cookies is in no repr."""
        keys = 'sticky = { cookie = "gate", secret = "0123456789abcdef" }'
        self.assertNotIn("0123456789abcdef", repr(upstream(keys)))


class ServersTests(SynchronousTestCase):
    """Where an upstream's servers come from."""

    def upstream(self, keys: str) -> Upstream:
        """Return an upstream with these keys."""
        return parse(f"{TOP}[upstreams.a]\n{keys}\n{ROUTE}").upstreams["a"]

    def test_discovered(self) -> None:
        """DNS may be asked for a host's addresses, or for a service."""
        found = self.upstream(
            'servers = ["dns+http://api.internal:8000/base",'
            ' { url = "srv+https://_api._tcp.internal", weight = 3, backup = true }]\n'
            'resolver = "[::1]:5353"'
        )
        self.assertEqual(found.servers, ())
        host, service = found.discovered
        self.assertEqual(
            (host.template.origin, host.is_service), ("http://api.internal:8000", False)
        )
        self.assertEqual(host.template.base_path, "/base")
        self.assertEqual(
            (service.template.origin, service.is_service), ("https://_api._tcp.internal", True)
        )
        self.assertEqual((service.template.weight, service.template.backup), (3, True))
        self.assertEqual(found.resolver, ("::1", 5353))

    def test_resolver_port(self) -> None:
        """The default port of a DNS server is 53."""
        found = self.upstream('servers = ["dns+http://a.internal"]\nresolver = "10.0.0.2"')
        self.assertEqual(found.resolver, ("10.0.0.2", 53))

    def test_file(self) -> None:
        """A separate file is read like the key, and its name is kept to be watched."""
        found = self.upstream('servers = { file = "/servers.toml" }')
        self.assertEqual([server.origin for server in found.servers], ["http://a:1", "http://b"])
        self.assertEqual([server.backup for server in found.servers], [False, True])
        self.assertEqual(found.servers_file, "/servers.toml")

    def test_unix(self) -> None:
        """A Unix socket gets plain HTTP with the Host localhost."""
        for url in ("unix:/run/app.sock", "unix:///run/app.sock"):
            (server,) = self.upstream(f'servers = ["{url}"]').servers
            self.assertEqual(
                (server.socket, server.origin), ("/run/app.sock", "unix:/run/app.sock")
            )
            self.assertEqual((server.scheme, server.authority), ("http", "localhost"))
