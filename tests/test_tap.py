"""``twistd corsgate``: its options, how it starts, how it refuses to, and how it ends."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from pathlib import Path

from twisted.internet.error import ConnectError
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import BasicCredentials, DigestCredentials
from corsgate.errors import ConfigError
from corsgate.tap import Options
from tests.peers import ABORTED, Upstream, reactor, request, response
from tests.support import APP, FROM_APP, LISTEN
from tests.twistd import Daemon, DaemonTestCase

ANYWHERE = "tcp:0:interface=127.0.0.1"
STATUS = re.compile(r"status and metrics: http://127\.0\.0\.1:(\d+)/")


class OptionsTests(SynchronousTestCase):
    """The command line options."""

    def options(self, *arguments: str) -> Options:
        """Return options that were parsed."""
        options = Options()
        options.parseOptions(list(arguments))
        return options

    def test_quick(self) -> None:
        """An upstream and origins make a whole configuration."""
        options = self.options(
            *("--upstream", "http://localhost:8000", "--auth", "basic:admin:a:b"),
            *("--allow-origin", "http://localhost:4200", "--allow-origin", "https://app.example"),
        )
        loaded, loader = options.load(reactor)
        self.assertIsNone(loader)
        config = loaded.config
        (route,) = config.routes
        assert route.cors is not None
        self.assertEqual(route.cors.allow_origins, ("http://localhost:4200", "https://app.example"))
        credentials = route.upstream.credentials
        assert isinstance(credentials, BasicCredentials)
        self.assertEqual(credentials.password.reveal(), "a:b")

    def test_short_forms(self) -> None:
        """``--allow`` and a port are short for ``--allow-origin`` and an endpoint."""
        short = ("--upstream", "http://localhost:8000", "--allow", "http://localhost:4200")
        long = ("--upstream", "http://localhost:8000", "--allow-origin", "http://localhost:4200")
        endpoint = "tcp:5556:interface=127.0.0.1"
        loaded, _ = self.options(*short, "--listen", "5556").load(reactor)
        same, _ = self.options(*long, "--listen", endpoint).load(reactor)
        self.assertEqual(loaded.config, same.config)
        other, _ = self.options(*short, "--allow-credentials").load(reactor)
        cors = other.config.routes[0].cors
        assert cors is not None
        self.assertTrue(cors.allow_credentials)

    def test_completed_by_a_variable(self) -> None:
        """``--auth-env`` may contain only what ``--auth`` lacks."""
        quick = ("--upstream", "http://localhost:8000", "--allow", "http://localhost:4200")
        self.patch(os, "environ", {"PASSWORD": "a:b", "PAIR": "admin:a:b"})
        for auth, variable in (("digest:admin", "PASSWORD"), ("digest", "PAIR")):
            loaded, _ = self.options(*quick, "--auth", auth, "--auth-env", variable).load(reactor)
            credentials = loaded.config.routes[0].upstream.credentials
            assert isinstance(credentials, DigestCredentials)
            self.assertEqual(credentials.username, "admin")
            self.assertEqual(credentials.password.reveal(), "a:b")

    def test_contradictions(self) -> None:
        """A file can't be combined with other options; a file or an upstream is required."""
        cases = (
            (),
            ("--allow-origin", "http://localhost:4200"),
            ("--config", "x", "--upstream", "http://localhost"),
            ("--config", "x", "--allow-origin", "http://localhost"),
            ("--config", "x", "--auth", "basic:a:b"),
            ("--config", "x", "--auth-env", "A"),
            ("--config", "x", "--allow-credentials"),
            ("--upstream", "x", "--auth", "basic:a:b", "--auth-env", "A"),
            ("--config", "x", "--listen", "tcp:1"),
            ("--nonsense",),
            ("stray",),
        )
        for arguments in cases:
            with self.assertRaises(UsageError, msg=repr(arguments)):
                self.options(*arguments)

    def test_auth_from_the_environment(self) -> None:
        """``--auth-env`` names a variable with the value of ``--auth``."""
        quick = ("--upstream", "http://localhost:8000", "--allow-origin", "http://localhost:4200")
        self.patch(os, "environ", {"GOOD": "basic:admin:a:b", "BAD": "mystic:a:pass-word"})
        loaded, _ = self.options(*quick, "--auth-env", "GOOD").load(reactor)
        credentials = loaded.config.routes[0].upstream.credentials
        assert isinstance(credentials, BasicCredentials)
        self.assertEqual(credentials.password.reveal(), "a:b")
        for name in ("BAD", "MISSING"):
            with self.assertRaises(ConfigError) as caught:
                self.options(*quick[:2], "--auth-env", name).load(reactor)
            keys = {fault.key for fault in caught.exception.faults}
            self.assertEqual(keys, {"--auth-env", "--allow-origin"})
            self.assertNotIn("pass-word", str(caught.exception))

    def test_preflight_of_a_command_line(self) -> None:
        """An endpoint that Twisted rejects is a fault of its option."""
        options = self.options(
            *("--upstream", "http://localhost:8000", "--allow-origin", "http://localhost:4200"),
            *("--listen", "foo:1"),
        )
        with self.assertRaises(ConfigError) as caught:
            options.load(reactor)
        self.assertEqual([fault.key for fault in caught.exception.faults], ["--listen"])

    def test_all_faults(self) -> None:
        """All faults of the command line are reported together, without the password."""
        options = self.options(
            *(
                "--upstream",
                "ftp://x",
                "--allow-origin",
                "nonsense/",
                "--auth",
                "mystic:a:pass-word",
            )
        )
        with self.assertRaises(ConfigError) as caught:
            options.load(reactor)
        self.assertEqual(len(caught.exception.faults), 3)
        self.assertNotIn("pass-word", str(caught.exception))


class Starting(DaemonTestCase):
    """It starts completely, or reports why not."""

    def config(self, upstream: Upstream, listen: str = LISTEN) -> str:
        """Return a small configuration."""
        return (
            f'{listen}[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n'
        )

    def quick(self, upstream: Upstream, listen: str) -> list[str]:
        """Return options for a start without a file."""
        origin = APP.decode()
        return ["--upstream", upstream.url, "--allow-origin", origin, "--listen", listen]

    async def test_quick_mode(self) -> None:
        """One line is enough."""
        upstream = await self.upstream()
        daemon = self.daemon(
            *("--upstream", upstream.url, "--allow-origin", APP.decode()),
            *("--auth", "basic:admin:secret", "--listen", ANYWHERE),
        )
        client = await self.client(daemon)
        client.send(request(headers=[FROM_APP]))
        answer = await client.response()
        self.assertEqual((answer.status, answer.body), (200, b"ok"))
        self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
        port = await daemon.port()
        said = f"{APP.decode()} may call http://localhost:{port}, which forwards to {upstream.url}"
        await daemon.when(lambda: said in daemon.messages)
        encoded = b64encode(b"admin:secret")
        self.assertEqual(upstream.requests[0].one(b"Authorization"), b"Basic " + encoded)
        await daemon.when(lambda: '"status": 200' in daemon.said)
        self.assertNotIn("secret", daemon.said)
        self.assertNotIn(encoded.decode(), daemon.said)

    async def admin_port(self, daemon: Daemon) -> int:
        """Return the port of a daemon's admin listener, once its log names it."""
        found = await daemon.when(lambda: STATUS.search(daemon.said))
        assert found is not None, "that was waited for"
        return int(found[1])

    async def test_admin_in_quick_mode(self) -> None:
        """Status and metrics are on, on a port of their own for each gate, which the log names."""
        upstream = await self.upstream()
        ports = set()
        for _ in range(2):
            daemon = self.daemon(*self.quick(upstream, ANYWHERE))
            port = await self.admin_port(daemon)
            ports.add(port)
            for target in (b"/readyz", b"/metrics", b"/api/status"):
                answer = await self.send_to(port, request(target=target))
                self.assertEqual(answer.status, 200, target)
        self.assertEqual(len(ports), 2)

    async def test_admin_in_use(self) -> None:
        """With a file, an address that is taken ends the start with a fault."""
        upstream = await self.upstream()
        toml = (
            f'{LISTEN}[admin]\nlisten = "tcp:{upstream.port}:interface=127.0.0.1"\n'
            f'[upstreams.a]\nservers = ["http://h"]\n[routes."/"]\nupstream = "a"\n'
        )
        daemon = self.configured(toml)
        self.assertEqual(await daemon.ended(), 1)
        self.assertIn("admin.listen: can't listen on", daemon.said)

    async def test_file(self) -> None:
        """So is a file."""
        upstream = await self.upstream()
        client = await self.client(self.configured(self.config(upstream)))
        client.send(request())
        self.assertEqual((await client.response()).status, 200)

    async def test_log_to_standard_output(self) -> None:
        """With ``access_log = "-"`` the lines are written as they are."""
        upstream = await self.upstream()
        daemon = self.configured('access_log = "-"\n' + self.config(upstream))
        client = await self.client(daemon)
        client.send(request())
        await client.response()
        await daemon.when(lambda: '\n{"time": ' in daemon.said)

    async def test_twist(self) -> None:
        """``twist``, which starts services in one step rather than two, listens as well."""
        upstream = await self.upstream()
        daemon = self.twisted(*self.quick(upstream, ANYWHERE), "--auth", "basic:admin:secret")
        client = await self.client(daemon)
        client.send(request(b"PROPFIND", headers=[FROM_APP]))
        answer = await client.response()
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended(), 0)
        self.assertEqual(daemon.said.count("listens on"), 1)

    async def test_port_in_use_by_twist(self) -> None:
        """There too, a port in use ends it with one line."""
        upstream = await self.upstream()
        port = upstream.authority.rpartition(b":")[2].decode()
        listen = f"tcp:{port}:interface=127.0.0.1"
        daemon = self.twisted(*self.quick(upstream, listen))
        await self.assert_refuses(daemon, f"can't listen on '{listen}'")

    async def assert_refuses(self, daemon: Daemon, *faults: str, status: int = 1) -> None:
        """Assert that it ends with a status and only these faults."""
        self.assertEqual(await daemon.ended(), status, daemon.said)
        for fault in faults:
            self.assertIn(fault, daemon.said)
        self.assertNotIn("Traceback", daemon.said)
        self.assertNotIn("Unhandled", daemon.said)
        self.assertNotIn("listens on", daemon.said)

    async def test_bad_file(self) -> None:
        """An invalid file ends it with all faults."""
        daemon = self.configured(
            f'{LISTEN}[upstreams.a]\nservers = ["ftp://x"]\n[routes."/"]\nupstream = "b"\nodd = 1\n'
        )
        faults = (":3: upstreams.a.servers", ":5: routes.", ":6: routes.")
        await self.assert_refuses(daemon, *faults, status=os.EX_CONFIG)

    async def test_no_file(self) -> None:
        """So does a missing file."""
        for daemon in (
            self.daemon("--config", "/nowhere.toml"),
            self.twisted("--config", "/nowhere.toml"),
        ):
            await self.assert_refuses(daemon, "can't be read", status=os.EX_CONFIG)

    async def test_bad_option(self) -> None:
        """So does an option with an invalid value, which a restart would not change either."""
        daemon = self.daemon("--upstream", "ftp://x", "--allow-origin", APP.decode())
        await self.assert_refuses(daemon, "command line: --upstream", status=os.EX_CONFIG)

    async def test_usage(self) -> None:
        """So does an invalid command line."""
        await self.assert_refuses(self.daemon(), "--config FILE")

    async def test_port_in_use(self) -> None:
        """A port in use ends it with one line, and no other port opens."""
        upstream = await self.upstream()
        port = upstream.authority.rpartition(b":")[2].decode()
        listen = f'listen = ["{ANYWHERE}", "tcp:{port}:interface=127.0.0.1"]\n'
        daemon = self.configured(self.config(upstream, listen))
        await self.assert_refuses(daemon, f"can't listen on 'tcp:{port}:interface=127.0.0.1'")
        self.assertEqual(daemon.said.count("Address already in use"), 1)

    async def test_bad_log(self) -> None:
        """An access log that can't be opened ends it."""
        upstream = await self.upstream()
        daemon = self.configured('access_log = "/nowhere/x"\n' + self.config(upstream))
        fault = ":1: access_log: '/nowhere/x' can't be opened"
        await self.assert_refuses(daemon, fault, status=os.EX_CONFIG)


class Rotating(DaemonTestCase):
    """SIGHUP reopens the access log, and interrupts nothing."""

    async def test_hangup(self) -> None:
        """After a rename, lines go on in a new file; a request in flight is answered."""
        upstream = await self.upstream(None)
        log = Path(self.mktemp()).absolute()
        daemon = self.configured(
            f'access_log = "{log}"\n{LISTEN}[upstreams.a]\nservers = ["{upstream.url}"]\n'
            '[routes."/"]\nupstream = "a"\n'
        )
        busy, other = await self.client(daemon), await self.client(daemon)
        other.send(request(target=b"/before", host=b"evil.example"))
        await other.response()
        busy.send(request(target=b"/in-flight"))
        arrived = await upstream.arrived()
        old = log.with_name(f"{log.name}.1")
        log.rename(old)
        daemon.signal("HUP")
        await daemon.when(lambda: "access log was reopened" in daemon.said)
        await daemon.when(lambda: "nothing changed" in daemon.said)
        arrived.connection.send(response(body=b"done"))
        self.assertEqual((await busy.response()).body, b"done")
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertIn("/before", old.read_text())
        self.assertNotIn("/in-flight", old.read_text())
        self.assertIn("/in-flight", log.read_text())


class Ending(DaemonTestCase):
    """The first signal drains, the second cuts; either way its status is 0."""

    async def started(self, upstream: Upstream, drain: str = "30s") -> Daemon:
        """Return a daemon that listens."""
        daemon = self.configured(
            f'{LISTEN}[upstreams.a]\nservers = ["{upstream.url}"]\n'
            f'[routes."/"]\nupstream = "a"\n[limits]\ndrain_timeout = "{drain}"\n'
        )
        await daemon.port()
        return daemon

    async def assert_takes_no_more(self, daemon: Daemon) -> None:
        """Assert that new connections are refused, or closed unserved if they came just before."""
        for _ in range(100):
            try:
                late = await self.client(daemon)
            except ConnectError:
                # Refused, or reset where it waited to be accepted as the port was closed.
                return
            await late.gone()
        self.fail("it goes on taking connections")

    async def test_in_flight(self) -> None:
        """A request in flight finishes, idle connections are closed, and no new one opens."""
        for name in ("TERM", "INT"):
            upstream = await self.upstream(None)
            daemon = await self.started(upstream)
            idle, busy = await self.client(daemon), await self.client(daemon)
            busy.send(request(b"POST", body=b"x"))
            arrived = await upstream.arrived()
            daemon.signal(name)
            self.assertEqual(await idle.gone(), "closed")
            await self.assert_takes_no_more(daemon)
            self.assertIsNone(daemon.status)
            arrived.connection.send(response(body=b"done"))
            answer = await busy.response()
            self.assertEqual((answer.body, answer.one(b"Connection")), (b"done", b"close"))
            self.assertEqual(await daemon.ended(), 0, daemon.said)
            self.assertNotIn("Traceback", daemon.said)

    async def test_drain_timeout(self) -> None:
        """A request that takes longer than ``drain_timeout`` is cut."""
        upstream = await self.upstream(None)
        daemon = await self.started(upstream, drain="200ms")
        client = await self.client(daemon)
        client.send(request())
        await upstream.arrived()
        daemon.signal("TERM")
        self.assertEqual(await client.gone(), ABORTED)
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertIn('"status": 499', daemon.said)

    async def test_second_signal(self) -> None:
        """A second signal cuts at once."""
        upstream = await self.upstream(None)
        daemon = await self.started(upstream)
        idle, client = await self.client(daemon), await self.client(daemon)
        client.send(request())
        await upstream.arrived()
        daemon.signal("TERM")
        await idle.gone()
        self.assertEqual(client.outcome, "")
        daemon.signal("TERM")
        self.assertEqual(await client.gone(), ABORTED)
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertNotIn("Traceback", daemon.said)

    async def test_nothing_to_do(self) -> None:
        """A daemon that has nothing to do ends at once."""
        daemon = await self.started(await self.upstream())
        client = await self.client(daemon)
        client.send(request())
        await client.response()
        await client.close()
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended(), 0, daemon.said)
