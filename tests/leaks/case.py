"""A daemon that does everything that could spill a secret, and all that it has said."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from twisted.internet.utils import getProcessOutputAndValue

from tests.certificates import self_signed
from tests.leaks.box import Box
from tests.leaks.markers import Marker, leaks
from tests.leaks.places import PLACES, Place, Written, summary
from tests.notified import Notified
from tests.ntlm_box import challenge_message
from tests.peers import reactor, request
from tests.processes.case import ProcessTestCase
from tests.support import APP, FROM_APP, FROM_FOREIGN, POLICY
from tests.tree import ROOT, outside
from tests.twistd import Daemon

STATUS = re.compile(r"status and metrics: http://127\.0\.0\.1:(\d+)/")

LISTENER = '[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'

RELOADED = "reload (SIGHUP) took"

PREFLIGHT = [FROM_APP, (b"Access-Control-Request-Method", b"PUT")]

WAYS = ("fine", "wrong", "forbidden", "error", "close", "garbage", "away", "crash", "early")
"""What the box does, or is done to a request for it, by the last segment of the target."""

CRASHES = """
import gc, os
def write_all():
    # The daemon has put what it started with out of reach.
    gc.unfreeze()
    with open(os.environ["REPRS"], "a") as file:
        for each in gc.get_objects():
            if str(type(each).__module__).startswith(PACKAGES):
                try:
                    print(repr(each), file=file)
                except Exception as error:
                    print(f"{type(each)} has no repr: {error}", file=file)
PACKAGES = ("corsgate.credentials", "corsgate.message", "corsgate.upstream", "corsgate.interfaces")

from corsgate.upstream import treq_client
_send = treq_client.ProxyClient.send
def send(self, origin, head, *rest):
    if b"crash" in head.target:
        seen = [repr(each) for each in (self, head, *rest)]
        raise RuntimeError(f"forced, with {seen}")
    return _send(self, origin, head, *rest)
treq_client.ProxyClient.send = send

from corsgate.upstream import signed
_signed = signed.send_signed
from corsgate.gate import sender
async def send_signed(credentials, head, origin, *rest, **named):
    if b"early" in head.target:
        attempt = credentials.begin(origin)
        done = await attempt.sign(head, b"")
        if b"-command/" in head.target:
            write_all()
        seen = [credentials, attempt, head, done, done.pins, *rest, *named.items()]
        seen = repr(seen)
        attempt.end()
        raise RuntimeError(f"forced, with {seen}")
    return await _signed(credentials, head, origin, *rest, **named)
sender.send_signed = send_signed
"""
"""Exceptions with all that is at hand in their messages, where heads with credentials are."""


class LeakTestCase(ProcessTestCase):
    """A daemon whose configuration has secrets everywhere.

    Attributes:
        outputs: All that was written, sent or shown, by where.
        statuses: The status of the first GET of each target.
    """

    places: Sequence[Place] = PLACES
    timeout = 400
    log_format = "text"
    prepare = CRASHES

    async def begin(self) -> None:
        """Start it."""
        self.outputs: dict[str, bytes] = {}
        self.statuses: dict[str, int] = {}
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir(mode=0o700)
        upstream = await self.upstream()
        self.written = Written(self.directory, upstream.url, self.places)
        self.box = Box(upstream, self.written.learned, challenge_message(self))
        self.file = self.directory / "corsgate.toml"
        self.toml = self.whole(self.written.toml() + self.tls())
        self.written.targets.append("/tls")
        self.file.write_text(self.toml, "utf-8")
        self.notified = Notified(self)
        self.reprs = self.directory / "reprs"
        self.environ: Mapping[str, str] = {
            **self.written.environ,
            **self.notified.environ,
            "REPRS": str(self.reprs),
        }
        self.daemon_process = Daemon(
            "--config", str(self.file), prepare=self.prepare, environ=self.environ
        )
        self.addCleanup(self.daemon_process.kill)
        self.port = await self.daemon_process.port()
        found = await self.daemon_process.when(lambda: STATUS.findall(self.daemon_process.said))
        self.admin = int(found[0])

    def tls(self) -> str:
        """Return an upstream and a listener with keys of their own; each key is a secret."""
        lines = []
        for name in ("client_certificate", "certificates"):
            issued = self_signed("localhost", "localhost")
            chain, key = self.directory / f"{name}.pem", self.directory / f"{name}-key.pem"
            chain.write_bytes(issued.pem)
            key.write_bytes(issued.key_pem)
            body = issued.key_pem.split(b"\n")[2].decode()
            self.written.markers.append(Marker(place=f"key of {name}", text=body, core=body))
            lines.append(f'{{ chain = "{chain}", key = "{key}" }}')
        return (
            f'[upstreams.tls]\nservers = ["https://127.0.0.1:1"]\nclient_certificate = {lines[0]}\n'
            '[routes."/tls"]\nupstream = "tls"\ncors = "app"\n'
            f'[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\ncertificates = [{lines[1]}]\n'
        )

    def whole(self, upstreams: str) -> str:
        """Return a whole configuration."""
        policy = POLICY.replace("[cors.app]", "[cors.app]\ndebug = true")
        return (
            f'log_format = "{self.log_format}"\n'
            f'[admin]\nlisten = "tcp:0:interface=127.0.0.1"\n{policy}{LISTENER}{upstreams}'
            '[limits]\nfirst_byte_timeout = "5s"\nconnect_timeout = "2s"\n'
        )

    def keep(self, where: str, data: bytes) -> None:
        """Keep an output."""
        self.outputs[where] = self.outputs.get(where, b"") + data

    async def call_all(self, ways: Sequence[str] = WAYS) -> None:
        """Send requests to each upstream, whatever becomes of them."""
        client = await self.connect_to(self.port)
        for target in self.written.targets:
            for way in ways:
                path = f"{target}/{way}?q=1".encode()
                calls = [request(target=path, headers=[FROM_APP])]
                if way in ("fine", "wrong") and len(ways) > 2:
                    calls += [
                        request(b"PUT", path, [FROM_APP], b"body"),
                        request(b"OPTIONS", path, PREFLIGHT),
                        request(target=path, headers=[FROM_FOREIGN]),
                    ]
                for call in calls:
                    client.send(call)
                    found = await client.response()
                    self.keep(f"response to {way}", found.raw)
                    self.statuses.setdefault(f"{target}/{way}", found.status)
                    if found.fields.get(b"connection") == [b"close"]:
                        await client.close()
                        client = await self.connect_to(self.port)
        await client.close()

    async def look_at_admin(self) -> None:
        """Read all addresses of the admin listener."""
        explain = (
            b"/api/explain?origin="
            + APP
            + b"&url=http://localhost"
            + self.written.targets[0].encode()
            + b"&method=PUT"
        )
        for target in (
            *(b"/", b"/healthz", b"/readyz", b"/metrics", b"/api/status", b"/api/config"),
            *(b"/api/explain", explain, b"/none"),
        ):
            found = await self.send_to(self.admin, request(target=target, host=b"localhost"))
            self.keep(f"admin {target.decode()}", found.raw)
        self.assertIn(b'"***"', self.outputs["admin /api/config"])

    async def run_commands(self) -> None:
        """Run each command of ``corsgate`` on the configuration."""
        other = self.directory / "other.toml"
        other.write_text(self.toml.replace("SECRET_", "OTHER_").replace("/cat", "/dog"), "utf-8")
        url = f"http://localhost{self.written.targets[0]}"
        asked = ["--origin", APP.decode(), "--method", "PUT", url]
        config, log = str(self.file), self.directory / "access.log"
        log.write_bytes(self.daemon_process.said.encode())
        for arguments in (
            ["check", config],
            ["check", "--json", config],
            ["check", str(other)],
            ["explain", "--config", config, *asked],
            ["explain", "--config", config, "--json", *asked],
            *(
                [
                    "explain",
                    "--config",
                    config,
                    "--live",
                    *asked[:-1],
                    f"http://localhost:{self.port}{each}",
                ]
                for each in ("/basic-literal/fine", "/query-file/away", "/session-basic-literal/x")
            ),
            ["diff", config, str(other)],
            ["diff", "--json", str(other), config],
            ["learn", "--from", str(log)],
            ["schema"],
            ["reload", "--pid", str(self.daemon_process.process.pid)],
        ):
            out, errors, status = await getProcessOutputAndValue(
                sys.executable,
                ["-m", "corsgate", *arguments],
                env={**outside(), "PYTHONPATH": str(ROOT), **self.written.environ},
                reactor=reactor,
            )
            self.keep(f"corsgate {arguments[0]}", out + errors + str(status).encode())

    async def reload(self, toml: str, until: str) -> None:
        """Reload another text, and wait for a line of the log."""
        self.file.write_text(toml, "utf-8")
        before = self.daemon_process.said.count(until)
        self.daemon_process.signal("HUP")
        await self.daemon_process.when(lambda: self.daemon_process.said.count(until) > before)

    def faulty(self) -> Sequence[str]:
        """Return configurations whose faults are at their secrets."""
        broken = self.toml
        for key in ("password", "token", "value", "secret"):
            broken = broken.replace(f"{key} = ", f"{key}s = ")
        return (
            broken,
            re.sub(r'(password|token|value|secret) = ("[^\n]*")( })', r"\1 = [\2]\3", self.toml),
            re.sub(r'= "([A-Z2-7]{18})', r'= "\\u0001\1', self.toml),
            self.toml.replace('["cat"', '["false"'),
            self.toml.replace('"basic"', '"bearer"').replace('"header"', '"digest"'),
            # An end of a string is missing, so that the text of a secret is no TOML.
            re.sub(r'= "([A-Z2-7]{18})', r"= \1", self.toml),
        )

    async def do_everything(self) -> None:
        """Have it start, serve, fail, crash, reload, rotate and end."""
        await self.begin()
        self.keep("process arguments", self.arguments())
        await self.call_all()
        # Other credentials, which know nothing yet.
        await self.reload(self.toml.replace("/login/", "/failing/"), RELOADED)
        await self.call_all(("fine", "fine"))
        self.written_before = list(self.written.sent)
        await self.look_at_admin()
        await self.run_commands()
        for each in self.faulty():
            self.assertNotEqual(each, self.toml)
            await self.reload(each, "the old configuration stays in force")
        await self.reload(self.toml, RELOADED)
        self.written.rotate()
        await self.daemon_process.when(
            lambda: "reload (a secret has changed) took" in self.daemon_process.said
        )
        await self.call_all(("wrong", "fine"))
        await self.look_at_admin()
        await self.end()

    async def end(self) -> None:
        """End it, and keep all that it has logged."""
        self.daemon_process.signal("TERM")
        await self.daemon_process.ended()
        self.keep("log", self.daemon_process.said.encode())
        if self.reprs.exists():
            self.keep("reprs", self.reprs.read_bytes())
        for message in self.notified.messages:
            self.keep("systemd", repr(message).encode())

    def arguments(self) -> bytes:
        """Return the arguments of the process."""
        return Path(f"/proc/{self.daemon_process.process.pid}/cmdline").read_bytes()

    def found(self) -> str:
        """Return which outputs have which secrets; empty if none has any."""
        assertions = [
            Marker(place="assertion", text=each, core=each.rpartition(".")[2])
            for each in self.box.assertions
        ]
        markers = [*self.written.markers, *assertions]
        return summary({where: leaks(data, markers) for where, data in self.outputs.items()})

    def unsent(self) -> list[str]:
        """Return which secrets the box has never got, so that nobody could have leaked them."""
        got = self.box.upstream.data
        return [each.place for each in self.written_before if not leaks(got, [each])]
