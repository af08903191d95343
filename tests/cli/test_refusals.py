"""corsgate refusals, with daemons that twistd runs."""

from __future__ import annotations

import json
import os
import re
import socket
import tomllib
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli.refusals import as_lines
from corsgate.daemon.control import control_address
from corsgate.gate.log_style import Place
from tests.cli.commands import corsgate
from tests.peers import request
from tests.twistd import Daemon, DaemonTestCase

TOML = """listen = ["tcp:0:interface=127.0.0.1"]
access_log = "off"
[upstreams.a]
servers = ["http://127.0.0.1:9"]
credentials = { type = "basic", username = "u", password = "hunter2" }
[cors.app]
allow_origins = ["https://app.example"]
[routes."/v1"]
upstream = "a"
cors = "app"
"""
HOSTILE = b"https://x.example\x9b31m\x85gotcha"


class DaemonTests(DaemonTestCase):
    """The command, asking a daemon."""

    def refusals(self, daemon: Daemon, *arguments: str) -> tuple[str, str, int]:
        """Return what the command printed, and its exit status."""
        done = corsgate("refusals", "--pid", str(daemon.process.pid), *arguments)
        return done.out, done.err, done.status

    async def call(self, daemon: Daemon, origin: bytes, target: bytes = b"/v1/x") -> None:
        """Make a call that is refused."""
        port = await daemon.port()
        host = f"localhost:{port}".encode()
        data = request(b"GET", target, [(b"Origin", origin)], host=host)
        self.assertEqual((await self.send_to(port, data)).status, 403)

    async def test_listed(self) -> None:
        """It lists each refusal with its time, count, reason and the TOML, which is right."""
        path = Path(self.mktemp()).absolute()
        path.write_text(TOML)
        daemon = self.daemon("--config", str(path))
        await daemon.started()
        done = self.refusals(daemon)
        self.assertEqual(done, ("no refused calls since the daemon started\n", "", 0))
        for _ in range(2):
            await self.call(daemon, b"https://app2.example", b"/v1/x?key=hunter3")
        await self.call(daemon, HOSTILE)
        out, err, status = self.refusals(daemon)
        self.assertEqual((err, status), ("", 0))
        first, second = out.split("\n\n2")
        self.assertIn(r"from https://x.example\x9b31m\x85gotcha", first)
        self.assertTrue(out.isascii())
        self.assertNotIn("\x1b", out)
        self.assertRegex("2" + second, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d GET http://localhost:")
        self.assertIn("/v1/x from https://app2.example (2 times)", second)
        self.assertIn("reason: origin 'https://app2.example' is not allowed", second)
        self.assertIn(f"to allow it, write in {path}:", second)
        toml = second.partition(f"{path}:")[2]
        self.assertEqual(
            tomllib.loads(toml)["cors"]["app"]["allow_origins"],
            ["https://app.example", "https://app2.example"],
        )
        self.assertNotIn("hunter", out)
        out, err, status = self.refusals(daemon, "--json")
        said = json.loads(out)
        self.assertEqual((said["pid"], said["file"]), (daemon.process.pid, str(path)))
        self.assertEqual([each["count"] for each in said["refusals"]], [1, 2])
        self.assertTrue(all(each["explained"] for each in said["refusals"]))
        self.assertNotIn("hunter", out)

    async def test_quick_mode(self) -> None:
        """Without a file it names the option."""
        upstream = ["--upstream", "http://127.0.0.1:9", "--listen", "tcp:0:interface=127.0.0.1"]
        daemon = self.daemon(*upstream, "--allow-origin", "http://localhost:4200")
        await self.call(daemon, b"http://localhost:4201", b"/x")
        out, _, status = self.refusals(daemon)
        self.assertEqual(status, 0)
        self.assertRegex(out, r"start the gate with --allow\S* http://localhost:4201")

    async def test_found(self) -> None:
        """A daemon is found without its process id; of several, each is listed with its file."""
        path = Path(self.mktemp()).absolute()
        path.write_text(TOML)
        daemons = [self.daemon("--config", str(path)) for _ in range(2)]
        for each in daemons:
            await each.started()
        # Other tests may have daemons too.
        done = corsgate("refusals")
        self.assertEqual((done.out, done.status), ("", 2))
        self.assertIn("several corsgate daemons are running; choose one:", done.err)
        for each in daemons:
            self.assertIn(f"--pid {each.process.pid}   {path}, started in", done.err)


class UnaskedTests(SynchronousTestCase):
    """What the command says where it gets nothing."""

    def test_no_daemon(self) -> None:
        """A process that is none, or that has no control socket."""
        for pid, words in (
            ("4194305", "there is no process 4194305"),
            (str(os.getpid()), "has no control socket"),
            ("0", "is not a process id"),
        ):
            done = corsgate("refusals", "--pid", pid)
            self.assertEqual((done.status, done.out), (2, ""))
            self.assertIn(words, done.err)

    def test_older_daemon(self) -> None:
        """A daemon that closes the connection, as older versions do."""
        read, write = os.pipe()
        child = os.fork()
        if not child:
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(control_address(os.getpid()))
                listening.listen()
                os.write(write, b"x")
                listening.accept()[0].close()
            os._exit(0)
        os.read(read, 1)
        os.close(read)
        os.close(write)
        done = corsgate("refusals", "--pid", str(child))
        os.waitpid(child, 0)
        self.assertEqual((done.status, done.out), (2, ""))
        self.assertIn("did not send its refusals: it closed the connection", done.err)


class LinesTests(SynchronousTestCase):
    """`as_lines`."""

    def test_colors(self) -> None:
        """Only a terminal with colours gets them; what can't be explained yet is said."""
        refusal: dict[str, Any] = {
            "time_s": 0.0,
            "method": "OPTIONS",
            "url": None,
            "path": "/v1/x",
            "origin": "https://a.example",
            "asked_method": "PUT",
            "asked_headers": "x-a",
            "reason": "not allowed",
            "count": 1200,
            "near_miss": "port",
            "toml": '[cors.app]\nallow_methods = ["PUT"]\n',
            "option": None,
            "advice": ["a note"],
            "explained": False,
        }
        found = {"file": "gate.toml", "refusals": [refusal]}
        plain = "\n".join(as_lines(found, Place.FILE))
        self.assertIn("from https://a.example, asking for PUT with x-a (1,200 times)", plain)
        self.assertIn('    [cors.app]\n    allow_methods = ["PUT"]\n', plain)
        self.assertIn("near miss: port", plain)
        self.assertIn("note: a note", plain)
        self.assertIn("no proposal yet", plain)
        painted = "\n".join(as_lines(found, Place.COLOR_TERMINAL))
        self.assertNotEqual(painted, plain)
        self.assertEqual(re.sub(r"\x1b\[[0-9;]*m", "", painted), plain)
