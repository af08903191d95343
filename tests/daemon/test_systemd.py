"""The daemon as a service of systemd: messages, exit statuses, and sockets that are handed over."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
from pathlib import Path

from twisted.internet.defer import Deferred

from tests.notified import Notified
from tests.peers import Upstream, request, response
from tests.programs import output, require
from tests.support import LISTEN
from tests.tree import ROOT, TWISTD, run
from tests.twistd import TWISTD as PROGRAM
from tests.twistd import Daemon, DaemonTestCase


class SystemdTestCase(DaemonTestCase):
    """A test case whose daemons are started as systemd starts them."""

    def toml(self, upstream: Upstream, listen: str = LISTEN) -> str:
        """Return a small configuration."""
        return (
            f'{listen}[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n'
        )

    def file(self, toml: str) -> str:
        """Return the path of a file with this text."""
        path = Path(self.mktemp()).absolute()
        path.write_text(toml, "utf-8")
        return str(path)

    def service(
        self, toml: str, notified: Notified | None = None, *sockets: socket.socket, usec: int = 0
    ) -> Daemon:
        """Return a daemon on its way up.

        Args:
            toml: Its configuration.
            notified: Gets its messages.
            sockets: What it is handed, all named ``web``.
            usec: The interval of its watchdog.
        """
        environ = dict(notified.environ if notified else {})
        if usec:
            environ["WATCHDOG_USEC"] = str(usec)
        daemon = Daemon(
            *("--config", self.file(toml)),
            environ=environ,
            sockets=[("web", each) for each in sockets],
        )
        self.addCleanup(daemon.kill)
        return daemon

    def listening(self) -> tuple[socket.socket, int]:
        """Return a socket that listens, as that of a socket unit, and its port."""
        opened = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.addCleanup(opened.close)
        return opened, opened.getsockname()[1]

    def ready(self, notified: Notified) -> Deferred[list[dict[str, str]]]:
        """Return a Deferred that fires once a daemon is ready."""
        return notified.when(lambda: notified.with_field("READY"))


class Messages(SystemdTestCase):
    """What systemd hears from a real process."""

    async def test_start_reload_drain_stop(self) -> None:
        """Each step is reported in its order, and nothing else is."""
        upstream, notified = await self.upstream(None), Notified(self)
        daemon = self.service(self.toml(upstream), notified)
        (ready,) = await self.ready(notified)
        self.assertIn("serving 0 requests on 0 connections; 1 server up", ready["STATUS"])
        client = await self.client(daemon)
        client.send(request())
        arrived = await upstream.arrived()
        daemon.signal("HUP")
        await notified.when(lambda: len(notified.with_field("READY")) == 2)
        last = notified.with_field("READY")[-1]
        self.assertIn("serving 1 request on 1 connection", last["STATUS"])
        self.assertIn("last reload (SIGHUP) 0 s ago", last["STATUS"])
        daemon.signal("TERM")
        await notified.when(lambda: notified.with_field("EXTEND_TIMEOUT_USEC"))
        draining = notified.with_field("EXTEND_TIMEOUT_USEC")[0]["STATUS"]
        self.assertIn("draining 1 request on 1 connection; cut in 30 s", draining)
        arrived.connection.send(response(body=b"done"))
        self.assertEqual((await client.response()).body, b"done")
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertEqual(
            notified.names,
            [
                ("READY", "STATUS"),
                ("RELOADING", "MONOTONIC_USEC"),
                ("READY", "STATUS"),
                ("STOPPING",),
                ("EXTEND_TIMEOUT_USEC", "STATUS"),
            ],
        )
        self.assertEqual(notified.with_field("WATCHDOG"), [])

    async def test_all_listen_when_it_is_ready(self) -> None:
        """A client that connects on READY is never refused."""
        upstream, notified = await self.upstream(), Notified(self)
        free, port = self.listening()
        free.close()
        listen = f'listen = ["tcp:0:interface=127.0.0.1", "tcp:{port}:interface=127.0.0.1"]\n'
        self.service(self.toml(upstream, listen), notified)
        await self.ready(notified)
        client = await self.connect_to(port)
        client.send(request())
        self.assertEqual((await client.response()).status, 200)

    async def test_watchdog(self) -> None:
        """It is fed while the reactor turns, also during a drain."""
        upstream, notified = await self.upstream(None), Notified(self)
        daemon = self.service(self.toml(upstream), notified, usec=200_000)
        await notified.when(lambda: len(notified.with_field("WATCHDOG")) > 3)
        client = await self.client(daemon)
        client.send(request())
        arrived = await upstream.arrived()
        daemon.signal("TERM")
        await notified.when(lambda: notified.with_field("STOPPING"))
        before = len(notified.with_field("WATCHDOG"))
        await notified.when(lambda: len(notified.with_field("WATCHDOG")) > before + 3)
        arrived.connection.send(response(body=b"done"))
        await daemon.ended()

    async def test_bad_configuration(self) -> None:
        """The first fault is in the state, and the status says not to try again."""
        notified = Notified(self)
        daemon = self.service("odd = 1\nbad = 2\n", notified)
        self.assertEqual(await daemon.ended(), os.EX_CONFIG)
        await notified.when(lambda: notified.messages)
        (message,) = notified.messages
        self.assertEqual(list(message), ["STATUS"])
        self.assertIn("did not start: ", message["STATUS"])
        self.assertIn("there is no listener; write", message["STATUS"])
        self.assertIn(" (and 3 more faults)", message["STATUS"])

    async def test_port_in_use(self) -> None:
        """The system's reason is reported, and the status says to try again."""
        upstream, notified = await self.upstream(), Notified(self)
        port = upstream.authority.rpartition(b":")[2].decode()
        listen = f'listen = ["tcp:{port}:interface=127.0.0.1"]\n'
        daemon = self.service(self.toml(upstream, listen), notified)
        self.assertEqual(await daemon.ended(), 1)
        await notified.when(lambda: notified.messages)
        (message,) = notified.messages
        self.assertEqual(message["ERRNO"], str(errno.EADDRINUSE))
        self.assertIn("Address already in use", message["STATUS"])

    async def test_daemonized(self) -> None:
        """A twistd that forks says which process is the service."""
        upstream, notified = await self.upstream(), Notified(self)
        pid_file = Path(self.mktemp()).absolute()
        log = Path(self.mktemp()).absolute()
        command = [*TWISTD, f"--pidfile={pid_file}", f"--logfile={log}", "corsgate"]
        program = [*command, "--config", self.file(self.toml(upstream))]
        self.assertEqual(await Daemon(command=program, environ=notified.environ).ended(), 0)
        (ready,) = await self.ready(notified)
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        self.assertEqual(int(ready["MAINPID"]), pid)
        await notified.when(lambda: notified.with_field("STOPPING"))


class Ports(SystemdTestCase):
    async def test_free_while_it_drains(self) -> None:
        """Without a socket unit, the next process has the port while the last one drains."""
        upstream, notified = await self.upstream(None), Notified(self)
        free, port = self.listening()
        free.close()
        toml = self.toml(upstream, f'listen = ["tcp:{port}:interface=127.0.0.1"]\n')
        first = self.service(toml, notified)
        await self.ready(notified)
        busy = await self.connect_to(port)
        busy.send(request())
        slow = await upstream.arrived()
        first.signal("TERM")
        await notified.when(lambda: notified.with_field("STOPPING"))
        then = Notified(self)
        self.service(toml, then)
        await self.ready(then)
        client = await self.connect_to(port)
        client.send(request())
        (await upstream.arrived(2)).connection.send(response(body=b"second"))
        self.assertEqual((await client.response()).body, b"second")
        self.assertIsNone(first.status)
        slow.connection.send(response(body=b"first"))
        self.assertEqual((await busy.response()).body, b"first")
        self.assertEqual(await first.ended(), 0)


class Sockets(SystemdTestCase):
    """Sockets of a socket unit."""

    WEB = 'listen = ["systemd:name=web"]\n'

    async def test_restart(self) -> None:
        """The next process serves while the last one drains, and no client is refused between."""
        upstream, notified = await self.upstream(None), Notified(self)
        opened, port = self.listening()
        toml = self.toml(upstream, self.WEB)
        first = self.service(toml, notified, opened)
        await self.ready(notified)
        busy = await self.connect_to(port)
        busy.send(request(target=b"/first"))
        slow = await upstream.arrived()
        first.signal("TERM")
        await notified.when(lambda: notified.with_field("STOPPING"))
        # Nobody accepts now; these wait in the queue.
        waiting = [await self.connect_to(port) for _ in range(20)]
        for client in waiting:
            client.send(request(target=b"/second"))
        self.assertEqual(len(upstream.requests), 1)
        then = Notified(self)
        second = self.service(toml, then, opened)
        await self.ready(then)
        for number in range(2, 2 + len(waiting)):
            arrived = await upstream.arrived(number)
            self.assertEqual(arrived.target, b"/second")
            arrived.connection.send(response(body=b"second"))
        for client in waiting:
            self.assertEqual((await client.response()).body, b"second")
        self.assertIsNone(first.status)
        slow.connection.send(response(body=b"first"))
        self.assertEqual((await busy.response()).body, b"first")
        self.assertEqual(await first.ended(), 0)
        # Nor has the first one's end broken the socket.
        late = await self.connect_to(port)
        late.send(request())
        last = await upstream.arrived(2 + len(waiting))
        last.connection.send(response(body=b"late"))
        self.assertEqual((await late.response()).body, b"late")
        second.signal("TERM")
        self.assertEqual(await second.ended(), 0)

    async def test_reload_keeps_it(self) -> None:
        """A reload goes on with the same socket."""
        upstream, notified = await self.upstream(), Notified(self)
        opened, port = self.listening()
        daemon = self.service(self.toml(upstream, self.WEB), notified, opened)
        await self.ready(notified)
        daemon.signal("HUP")
        await notified.when(lambda: len(notified.with_field("READY")) == 2)
        client = await self.connect_to(port)
        client.send(request())
        self.assertEqual((await client.response()).status, 200)

    async def test_unix(self) -> None:
        """A Unix socket is served, and is left as it was for the next process."""
        curl = require("curl", "curl")
        directory = tempfile.mkdtemp(prefix="corsgate-")
        self.addCleanup(shutil.rmtree, directory)
        path = f"{directory}/gate"
        opened = socket.socket(socket.AF_UNIX)
        self.addCleanup(opened.close)
        opened.bind(path)
        os.chmod(path, 0o660)
        opened.listen()
        upstream = await self.upstream()
        for _ in range(2):
            notified = Notified(self)
            daemon = self.service(self.toml(upstream, self.WEB), notified, opened)
            await self.ready(notified)
            said = await output(curl, ["-s", "--unix-socket", path, "http://localhost/"])
            self.assertEqual(said, "ok")
            daemon.signal("TERM")
            self.assertEqual(await daemon.ended(), 0, daemon.said)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o660)

    async def test_proxy_protocol(self) -> None:
        """A proxy that speaks the PROXY protocol may be in front of it."""
        upstream, notified = await self.upstream(), Notified(self)
        opened, port = self.listening()
        listen = 'listen = ["haproxy:systemd:name=web"]\n'
        daemon = self.service(self.toml(upstream, listen), notified, opened)
        await self.ready(notified)
        client = await self.connect_to(port)
        client.send(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n" + request())
        self.assertEqual((await client.response()).status, 200)
        await daemon.when(lambda: '"client": "192.0.2.7"' in daemon.said)

    async def test_host_on_loopback(self) -> None:
        """A socket on loopback serves loopback names alone, as an endpoint there does."""
        upstream, notified = await self.upstream(), Notified(self)
        opened, port = self.listening()
        self.service(self.toml(upstream, self.WEB), notified, opened)
        await self.ready(notified)
        for host, status in ((b"localhost", 200), (b"evil.example", 421)):
            client = await self.connect_to(port)
            client.send(request(host=host))
            self.assertEqual((await client.response()).status, status)

    async def test_wrong_name(self) -> None:
        """The fault has its line, and lists the names that there are."""
        upstream, (opened, _) = await self.upstream(), self.listening()
        listen = 'listen = ["systemd:name=wep"]\n'
        daemon = self.service(self.toml(upstream, listen), None, opened)
        self.assertEqual(await daemon.ended(), os.EX_CONFIG)
        self.assertIn(":1: listen[0]: systemd handed over no socket for", daemon.said)
        self.assertIn("but 1 named 'web'; use one of these names", daemon.said)

    async def test_no_socket(self) -> None:
        """A service that was started without its socket unit says so; `corsgate check` does not."""
        toml = self.toml(await self.upstream(), self.WEB)
        daemon = self.service(toml)
        self.assertEqual(await daemon.ended(), os.EX_CONFIG)
        self.assertIn("systemd handed over no socket for 'systemd:name=web'", daemon.said)
        self.assertIn("enable the socket unit", daemon.said)
        self.assertNotIn("Traceback", daemon.said)
        command = [sys.executable, "-m", "corsgate", "check", self.file(toml)]
        done = run(command, ROOT)
        self.assertEqual(done.returncode, 0, done.stderr)

    async def test_taken_twice(self) -> None:
        """Two listeners can't share a socket, by whatever they name it."""
        upstream, (opened, _) = await self.upstream(), self.listening()
        for second in ("systemd:name=web", "systemd:index=0"):
            toml = self.toml(upstream, f'listen = ["systemd:name=web", "{second}"]\n')
            daemon = self.service(toml, None, opened)
            self.assertEqual(await daemon.ended(), os.EX_CONFIG)
            said = f"listen[1]: '{second}' names the socket of another listener; remove"
            self.assertIn(said, daemon.said)

    async def test_unused(self) -> None:
        """A socket that no listener uses produces a warning."""
        (opened, _) = self.listening()
        daemon = self.service(self.toml(await self.upstream()), None, opened)
        said = 'systemd handed over the socket "web"'
        await daemon.when(lambda: any(each.startswith(said) for each in daemon.messages))

    async def test_socket_activate(self) -> None:
        """systemd's own program starts it at the first connection, which is served."""
        activate = require("systemd-socket-activate", "systemd")
        upstream = await self.upstream()
        free, port = self.listening()
        free.close()
        config = self.file(self.toml(upstream, self.WEB))
        command = [
            *(activate, f"--listen=127.0.0.1:{port}", "--fdname=web"),
            *("-E", "PYTHONPATH", "-E", "PATH"),
            *(sys.executable, "-c", PROGRAM, "-n", "--pidfile=", "corsgate", "--config", config),
        ]
        daemon = Daemon(command=command)
        self.addCleanup(daemon.kill)
        await daemon.when(lambda: "Listening on 127.0.0.1" in daemon.said)
        client = await self.connect_to(port)
        client.send(request())
        self.assertEqual((await client.response()).status, 200)
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended(), 0, daemon.said)


class Twist(SystemdTestCase):
    """``twist corsgate``, the other program that runs it."""

    async def test_whole_life(self) -> None:
        """With a file and a log in JSON: it is ready, reloads, drains and ends with 0."""
        upstream, notified = await self.upstream(None), Notified(self)
        opened, port = self.listening()
        daemon = Daemon(
            *("--config", self.file(self.toml(upstream, Sockets.WEB))),
            twist=True,
            log_format="json",
            environ=notified.environ,
            sockets=[("web", opened)],
        )
        self.addCleanup(daemon.kill)
        await self.ready(notified)
        client = await self.connect_to(port)
        client.send(request())
        arrived = await upstream.arrived()
        daemon.signal("HUP")
        await notified.when(lambda: len(notified.with_field("READY")) == 2)
        daemon.signal("TERM")
        await notified.when(lambda: notified.with_field("STOPPING"))
        arrived.connection.send(response(body=b"done"))
        self.assertEqual((await client.response()).body, b"done")
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertNotIn("Traceback", daemon.said)
