"""A daemon that does everything that could spill a secret, and all that it has said."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

from twisted.internet.utils import getProcessOutputAndValue

from corsgate.cli.explain_web import explained
from tests.certificates import self_signed
from tests.cli.commands import corsgate
from tests.leaks.box import Box
from tests.leaks.markers import Marker, leaks, marker
from tests.leaks.places import PLACES, TOKEN, Place, Written, summary
from tests.notified import Notified
from tests.ntlm_box import challenge_message
from tests.peers import reactor, request
from tests.processes.case import ProcessTestCase
from tests.support import APP, FOREIGN, FROM_APP, FROM_FOREIGN, POLICY
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
PACKAGES = ("corsgate.",)

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
        """Send requests to each upstream, whatever becomes of them.

        The responses to ``echo`` are not kept. They repeat what the box got, and pass unchanged.
        """
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
                    if way != "echo":
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

    async def look_around(self) -> None:
        """Call addresses that no route serves, as a developer does; then what explains them."""
        near = self.written.targets[0].encode()[:-1]
        for target in (b"/", b"/nothing", near, near + b"/x?q=1"):
            kinds = ([(b"Accept", each)] for each in (b"text/html", b"text/plain"))
            for more in ([], [FROM_APP], [FROM_FOREIGN], *kinds):
                call = request(target=target, headers=more, host=b"localhost")
                self.keep("pages without a route", (await self.send_to(self.port, call)).raw)
        self.assertIn(b"This is corsgate", self.outputs["pages without a route"])

    async def run_commands(self) -> None:
        """Run each command of ``corsgate`` on the configuration."""
        other, copy = self.directory / "other.toml", self.directory / "copy.toml"
        other.write_text(self.toml.replace("SECRET_", "OTHER_").replace("/cat", "/dog"), "utf-8")
        copy.write_text(self.toml, "utf-8")
        url = f"http://localhost{self.written.targets[0]}"
        asked = ["--origin", APP.decode(), "--method", "PUT", url]
        strange = ["--origin", "https://strange.example", "--method", "PUT", url]
        config, log = str(self.file), self.directory / "access.log"
        log.write_bytes(self.daemon_process.said.encode())
        here: Sequence[tuple[int | None, Sequence[str]]] = (
            (0, ["check", config]),
            (0, ["check", "--json", config]),
            (1, ["check", str(other)]),
            (0, ["explain", "--config", config, *asked]),
            (0, ["explain", "--config", config, "--json", *asked]),
            (1, ["explain", "--config", config, *strange]),
            (0, ["explain", "--apply", str(copy), "--yes", *strange]),
            (1, ["diff", config, str(other)]),
            (1, ["diff", "--json", str(other), config]),
            (None, ["learn", "--from", str(log)]),
            (0, ["schema"]),
            *((0, ["completion", shell]) for shell in ("bash", "zsh", "tcsh")),
        )
        for status, arguments in here:
            self.run_here(status, *arguments)
        self.run_faulty(asked)
        self.print_configs()
        pid = str(self.daemon_process.process.pid)
        calls = ("/basic-literal/fine", "/query-file/away", "/session-basic-literal/x")
        elsewhere: Sequence[Sequence[str]] = (
            *(
                [
                    *("explain", "--config", config, "--live", *asked[:-1]),
                    f"http://localhost:{self.port}{each}",
                ]
                for each in (*calls, "/basic-literal/wrong")
            ),
            ["reload", "--pid", pid],
            ["refusals", "--pid", pid],
            ["refusals", "--pid", pid, "--json"],
        )
        for arguments in elsewhere:
            out, errors, ended = await getProcessOutputAndValue(
                sys.executable,
                ["-m", "corsgate", *arguments],
                env={**outside(), "PYTHONPATH": str(ROOT), **self.written.environ},
                reactor=reactor,
            )
            self.keep(f"corsgate {arguments[0]} of a daemon", out + errors + str(ended).encode())
        self.assertIn(FOREIGN, self.outputs["corsgate refusals of a daemon"])

    def run_here(self, status: int | None, *arguments: str) -> None:
        """Run a command in this process; check its exit status unless that is None."""
        with mock.patch.dict(os.environ, self.written.environ):
            done = corsgate(*arguments)
        self.keep(f"corsgate {arguments[0]}", (done.out + done.err).encode())
        if status is not None:
            self.assertEqual(done.status, status, f"{arguments}: {done.err[:500]}")

    def run_faulty(self, asked: Sequence[str]) -> None:
        """Run commands, and the explainer's page, on configurations with faults."""
        path = self.directory / "faulty.toml"
        paste = f"curl -X PUT -H 'Origin: {APP.decode()}' {asked[-1]}"
        for each in (*self.faulty(), self.toml):
            path.write_text(each, "utf-8")
            if each != self.toml:
                self.run_here(1, "check", str(path))
                self.run_here(1, "check", "--json", str(path))
                self.run_here(None, "diff", str(path), str(self.file))
                self.run_here(None, "explain", "--config", str(path), *asked)
            form = json.dumps({"paste": paste, "toml": each}).encode()
            self.keep("explain --web", json.dumps(explained(form)[1]).encode())

    def print_configs(self) -> None:
        """Print the configuration of each kind of credentials on a command line, also faulty."""
        options = ("run", "http://localhost:8000", "--allow", APP.decode(), "--print-config")
        made = marker("--auth", TOKEN)
        self.written.markers.append(made)
        variable = mock.patch.dict(os.environ, AUTH=f"admin:{made.text}", LONE=made.text)
        for kind in (
            "basic:admin",
            "digest:admin",
            "auto:admin",
            "ntlm:admin",
            "bearer",
            "header:X",
        ):
            self.run_here(0, *options, "--auth", f"{kind}:{made.text}")
            self.assertIn("env = ", self.outputs["corsgate run"].decode())
            self.run_here(78, *options, "--auth", f"{kind}:\x01{made.text}")
            with variable:
                self.run_here(0, *options, "--auth", kind, "--auth-env", "LONE")
        for each in (made.text, f"basic {made.text}", f"basik:admin:{made.text}", f":{made.text}"):
            self.run_here(78, *options, "--auth", each)
        with variable:
            self.run_here(0, *options, "--auth", "basic", "--auth-env", "AUTH")
            self.run_here(78, *options, "--auth-env", "AUTH")

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
        await self.look_around()
        await self.call_all(("fine", "echo", "fine"))
        self.echoed = self.box.upstream.data.count(b"/echo")
        await self.look_at_admin()
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
        derived = [Marker(place="derived", text=each, core=each) for each in self.box.derived]
        markers = [*self.written.markers, *assertions, *derived]
        return summary({where: leaks(data, markers) for where, data in self.outputs.items()})

    def unsent(self) -> list[str]:
        """Return which secrets the box has never got, so that nobody could have leaked them."""
        got = self.box.upstream.data
        return [each.place for each in self.written_before if not leaks(got, [each])]
