"""The units of ``etc/`` under systemd as PID 1: sandbox, reload, restart under load, failures."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import Authority
from tests.pid1 import Machine
from tests.running import PATIENCE_S
from tests.tree import ROOT

SERVICE = "corsgate.service"
SOCKET = "corsgate.socket"
DROP_IN = """\
[Service]
# A Python that was built with a shared library finds it here; tests may run by one in /root.
Environment=LD_LIBRARY_PATH=/opt/corsgate/python/lib
RestartSec=100ms
LoadCredential=box-password:/etc/corsgate/credentials/box-password
"""


class Box:
    """A server on loopback that says which Authorization it got; ``/slow`` waits for `go`.

    Args:
        context: Speaks TLS; None for plain HTTP.

    Attributes:
        port: Where it is.
        slow: Set once a request for ``/slow`` has come.
        go: Lets that one go on.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.slow, self.go = threading.Event(), threading.Event()
        box = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path == "/slow":
                    box.slow.set()
                    box.go.wait(PATIENCE_S)
                body = (self.headers["Authorization"] or "nothing").encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        """Close it."""
        self.go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class UnderSystemd(SynchronousTestCase):
    """A machine with both units, and a box beside it."""

    def setUp(self) -> None:
        """Copy the units."""
        self.files = Path(self.mktemp()).absolute()
        self.units = self.files / "etc/systemd/system"
        (self.units / f"{SERVICE}.d").mkdir(parents=True)
        (self.units / f"{SERVICE}.d" / "test.conf").write_text(DROP_IN)
        shutil.copy(ROOT / "etc" / SERVICE, self.units)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        text = (ROOT / "etc" / SOCKET).read_text()
        self.assertIn("ListenStream=127.0.0.1:5555", text)
        (self.units / SOCKET).write_text(text.replace("127.0.0.1:5555", f"127.0.0.1:{self.port}"))
        secret = self.files / "etc/corsgate/credentials/box-password"
        secret.parent.mkdir(parents=True)
        secret.write_text("of-the-box")
        secret.chmod(0o600)
        self.box = Box()
        self.addCleanup(self.box.stop)

    def toml(self, listen: str, server: str = "", more: str = "") -> str:
        """Return a configuration with credentials from systemd."""
        return (
            f'{listen}\n[upstreams.box]\nservers = ["{server or self.url()}"]\n{more}\n'
            'credentials = { type = "bearer", token = { systemd = "box-password" } }\n'
            '[routes."/"]\nupstream = "box"\ncors = { allow_origins = ["http://app.example"] }\n'
        )

    def url(self) -> str:
        """Return the box's URL."""
        return f"http://127.0.0.1:{self.box.port}"

    @contextmanager
    def machine(self, toml: str) -> Iterator[Machine]:
        """Boot a machine with a configuration; it is gone at the end."""
        (self.files / "etc/corsgate/corsgate.toml").write_text(toml)
        with Machine(self.files) as machine:
            yield machine

    def get(self, path: str = "/", port: int = 0) -> tuple[int, bytes]:
        """Return the status and the body of a response on a new connection."""
        client = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE_S)
        with ExitStack() as stack:
            stack.callback(client.close)
            client.request("GET", path, headers={"Origin": "http://app.example"})
            response = client.getresponse()
            return response.status, response.read()

    def in_thread(self, call: Callable[[], object]) -> threading.Thread:
        """Run a call in a thread."""
        thread = threading.Thread(target=call)
        thread.start()
        self.addCleanup(thread.join)
        return thread

    OVER_SOCKET = 'listen = ["systemd:name=corsgate"]'

    def test_socket_reload_restart(self) -> None:
        """A connection starts it; no request is lost in reloads and restarts, slow ones neither."""
        with self.machine(self.toml(self.OVER_SOCKET)) as machine:
            machine.systemctl("start", SOCKET)
            self.assertEqual(machine.show(SERVICE, "ActiveState"), "inactive")
            self.assertEqual(self.get(), (200, b"Bearer of-the-box"))
            self.assertEqual(machine.show(SERVICE, "SubState"), "running")
            machine.until(SERVICE, "StatusText", "^serving .* 1 server up")
            before = machine.show(SERVICE, "MainPID")
            machine.systemctl("reload", SERVICE)
            machine.until(SERVICE, "StatusText", r"last reload \(SIGHUP\)")
            self.assertEqual(machine.show(SERVICE, "MainPID"), before)
            results: list[tuple[int, bytes]] = []
            ended = threading.Event()

            def load() -> None:
                while not ended.is_set():
                    results.append(self.get())

            slow: list[tuple[int, bytes]] = []
            clients = [self.in_thread(load) for _ in range(4)]
            clients.append(self.in_thread(lambda: slow.append(self.get("/slow"))))
            self.assertTrue(self.box.slow.wait(PATIENCE_S))
            restart = self.in_thread(lambda: machine.systemctl("restart", SERVICE))
            machine.until(SERVICE, "StatusText", "^draining 1 request")
            self.box.go.set()
            restart.join()
            self.assertNotEqual(machine.show(SERVICE, "MainPID"), before)
            machine.systemctl("reload", SERVICE)
            machine.systemctl("restart", SERVICE)
            ended.set()
            for client in clients:
                client.join()
            self.assertEqual({*results, *slow}, {(200, b"Bearer of-the-box")})
            self.assertGreater(len(results), 10)
            self.assertEqual(machine.show(SERVICE, "NRestarts"), "0")
            machine.systemctl("stop", SOCKET, SERVICE)
            self.assertEqual(machine.show(SERVICE, "Result"), "success")
            self.assertEqual(machine.show(SERVICE, "ActiveState"), "inactive")

    def test_without_the_socket_unit(self) -> None:
        """It listens by itself; the port is free at once when it stops, although it drains."""
        listen = f'listen = ["tcp:{self.port}:interface=127.0.0.1"]'
        with self.machine(self.toml(listen)) as machine:
            machine.systemctl("start", SERVICE)
            self.assertEqual(self.get()[0], 200)
            slow = self.in_thread(lambda: self.get("/slow"))
            self.assertTrue(self.box.slow.wait(PATIENCE_S))
            stop = self.in_thread(lambda: machine.systemctl("stop", SERVICE))
            machine.until(SERVICE, "StatusText", "^draining 1 request")
            socket.create_server(("127.0.0.1", self.port)).close()
            self.box.go.set()
            slow.join()
            stop.join()
            self.assertEqual(machine.show(SERVICE, "Result"), "success")

    def test_command_in_the_sandbox(self) -> None:
        """A command for a secret runs there, at the start and in the thread of a reload."""
        text = self.toml(self.OVER_SOCKET)
        command = f'{{ command = ["cat", "/run/credentials/{SERVICE}/box-password"] }}'
        with self.machine(text.replace('{ systemd = "box-password" }', command)) as machine:
            machine.systemctl("start", SOCKET)
            self.assertEqual(self.get(), (200, b"Bearer of-the-box"))
            machine.systemctl("reload", SERVICE)
            machine.until(SERVICE, "StatusText", r"last reload \(SIGHUP\)")
            self.assertEqual(self.get(), (200, b"Bearer of-the-box"))
            self.assertNotIn("failed", machine.journal(SERVICE))

    def test_long_drain(self) -> None:
        """A drain may take longer than TimeoutStopSec=: the gate asks for the time."""
        (self.units / f"{SERVICE}.d" / "stop.conf").write_text("[Service]\nTimeoutStopSec=2s\n")
        toml = self.toml(self.OVER_SOCKET) + '[limits]\ndrain_timeout = "60s"\n'
        with self.machine(toml) as machine:
            machine.systemctl("start", SOCKET, SERVICE)
            slow: list[tuple[int, bytes]] = []
            client = self.in_thread(lambda: slow.append(self.get("/slow")))
            self.assertTrue(self.box.slow.wait(PATIENCE_S))
            stop = self.in_thread(lambda: machine.systemctl("stop", SOCKET, SERVICE))
            machine.until(SERVICE, "StatusText", "^draining 1 request .* cut in 60 s")
            # The state is sent every five seconds.
            machine.until(SERVICE, "StatusText", "^draining 1 request .* cut in 5[0-6] s")
            self.box.go.set()
            client.join()
            stop.join()
            self.assertEqual(slow, [(200, b"Bearer of-the-box")])
            self.assertEqual(machine.show(SERVICE, "Result"), "success")

    def test_bad_configuration(self) -> None:
        """It ends with 78, says why, and is not started again; once it is right, it starts."""
        listen = f'listen = ["tcp:{self.port}:interface=127.0.0.1"]'
        with self.machine("odd = 1\n" + self.toml(listen)) as machine:
            self.assertNotEqual(machine.run("systemctl", "start", SERVICE).returncode, 0)
            self.assertEqual(machine.show(SERVICE, "ExecMainStatus"), str(os.EX_CONFIG))
            self.assertEqual(machine.show(SERVICE, "ActiveState"), "failed")
            self.assertEqual(machine.show(SERVICE, "NRestarts"), "0")
            self.assertIn("corsgate.toml:1: odd: ", machine.journal(SERVICE))
            self.assertIn("did not start: ", machine.show(SERVICE, "StatusText"))
            (machine.root / "etc/corsgate/corsgate.toml").write_text(self.toml(listen))
            machine.systemctl("start", SERVICE)
            self.assertEqual(self.get()[0], 200)

    def test_bad_configuration_with_the_socket_unit(self) -> None:
        """A waiting client does not make systemd start it again without end."""
        text = (self.units / SOCKET).read_text()
        self.assertIn("\nTriggerLimitBurst=20\n", text)
        # As many starts would take their time.
        (self.units / SOCKET).write_text(text.replace("Burst=20", "Burst=3"))
        with self.machine("odd = 1\n" + self.toml(self.OVER_SOCKET)) as machine:
            machine.systemctl("start", SOCKET)
            client = socket.create_connection(("127.0.0.1", self.port))
            self.addCleanup(client.close)
            machine.until(SOCKET, "ActiveState", "failed")
            self.assertEqual(machine.show(SOCKET, "Result"), "trigger-limit-hit")
            self.assertEqual(machine.show(SERVICE, "ActiveState"), "failed")
            # As docs/howto/systemd.md has it.
            toml = self.toml(self.OVER_SOCKET)
            (machine.root / "etc/corsgate/corsgate.toml").write_text(toml)
            machine.systemctl("start", SOCKET, SERVICE)
            self.assertEqual(self.get()[0], 200)

    def test_port_in_use(self) -> None:
        """It is tried again until the port is free."""
        listen = f'listen = ["tcp:{self.port}:interface=127.0.0.1"]'
        with self.machine(self.toml(listen)) as machine:
            with socket.create_server(("127.0.0.1", self.port)):
                self.assertNotEqual(machine.run("systemctl", "start", SERVICE).returncode, 0)
                machine.until(SERVICE, "NRestarts", "[1-9]")
                self.assertIn("status=1/FAILURE", machine.journal(SERVICE))
            machine.until(SERVICE, "SubState", "running")
            self.assertEqual(self.get()[0], 200)

    def test_hangs(self) -> None:
        """A process whose reactor stands still is killed, and the next one serves."""
        (self.units / f"{SERVICE}.d" / "watchdog.conf").write_text(
            "[Service]\nWatchdogSec=3s\nTimeoutAbortSec=1s\n"
        )
        with self.machine(self.toml(self.OVER_SOCKET)) as machine:
            machine.systemctl("start", SOCKET, SERVICE)
            before = machine.show(SERVICE, "MainPID")
            machine.systemctl("kill", f"--signal={signal.SIGSTOP.name}", SERVICE)
            # The connection waits in the socket's queue for the next process. But systemd sends the
            # old one SIGCONT after SIGABRT, and it may accept the connection before it ends.
            try:
                status, _ = self.get()
            except ConnectionError:
                status, _ = self.get()
            self.assertEqual(status, 200)
            self.assertNotEqual(machine.show(SERVICE, "MainPID"), before)
            self.assertIn("Watchdog timeout", machine.journal(SERVICE))

    def test_tls_in_the_sandbox(self) -> None:
        """TLS works on both sides; its callbacks need memory that is writable and executable."""
        authority = Authority.make()
        issued = authority.issue("localhost")
        etc = self.files / "etc/corsgate"
        (etc / "chain.pem").write_bytes(issued.pem)
        (etc / "key.pem").write_bytes(issued.key_pem)
        (etc / "ca.pem").write_bytes(authority.pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(etc / "chain.pem", etc / "key.pem")
        box = Box(context)
        self.addCleanup(box.stop)
        # systemd hands the key to the gate's own user.
        (self.units / f"{SERVICE}.d" / "key.conf").write_text(
            "[Service]\nLoadCredential=key.pem:/etc/corsgate/key.pem\n"
        )
        (etc / "key.pem").chmod(0o600)
        listen = (
            '[[listener]]\nendpoint = "systemd:name=corsgate"\nhttp2 = true\n'
            'certificates = [{ chain = "/etc/corsgate/chain.pem",'
            f' key = "/run/credentials/{SERVICE}/key.pem" }}]\n'
        )
        toml = self.toml(listen, f"https://localhost:{box.port}", 'ca = "/etc/corsgate/ca.pem"')
        with self.machine(toml) as machine:
            machine.systemctl("start", SOCKET, SERVICE)
            trusted = ssl.create_default_context(cadata=authority.pem.decode())
            client = http.client.HTTPSConnection("localhost", self.port, context=trusted)
            self.addCleanup(client.close)
            client.request("GET", "/", headers={"Origin": "http://app.example"})
            response = client.getresponse()
            body = response.read()
            self.assertEqual((response.status, body), (200, b"Bearer of-the-box"), body)
