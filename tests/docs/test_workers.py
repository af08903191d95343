"""``docs/howto/workers.md``: two gates behind nginx, as it shows them."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from tests.programs import require
from tests.prose import Prose
from tests.running import Box, Gate
from tests.tree import ROOT

PAGE = Prose.read("docs/howto/workers.md")
NGINX = "pid nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n%s\n}\n"
TARGETS = ("/first", "/second", "/third", "/fourth")
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
ROUTE = """
[upstreams.box]
servers = ["%s"]
credentials = { type = "digest", username = "u", password = "p" }
[routes."/"]
upstream = "box"
cors = { allow_origins = ["http://localhost:4200"] }
"""


class WorkersTests(SynchronousTestCase):
    """The page."""

    def test_two_gates(self) -> None:
        """nginx serves pages through both gates, each of which knows the client and the name."""
        nginx = require("nginx", "nginx-light")
        (toml,), (block,) = PAGE.blocks("toml"), PAGE.blocks("nginx")
        with ExitStack() as stack:
            # Its path is short enough for a socket.
            place = Path(stack.enter_context(TemporaryDirectory(prefix="corsgate-")))
            box = stack.enter_context(Box("u", "p"))
            file = place / "gate.toml"
            shown = toml.replace(":5555:", ":0:").replace(":9901:", ":0:")
            file.write_text(shown + ROUTE % box.url, "utf-8")
            words = [sys.executable, "-m", "corsgate", "run", str(file)]
            gates = [stack.enter_context(Gate(words, {"PYTHONPATH": str(ROOT)})) for _ in (1, 2)]
            for port, gate in zip((5555, 5556), gates, strict=True):
                self.assertIn(f"127.0.0.1:{port}", block)
                block = block.replace(f"127.0.0.1:{port}", f"127.0.0.1:{gate.port}")
            block = block.replace("127.0.0.1:8080", f"unix:{place}/nginx.sock")
            block += "".join(f"{each}_temp_path {each};\n" for each in TEMPORARY)
            (place / "nginx.conf").write_text(NGINX % block, "utf-8")
            command = [nginx, "-p", f"{place}/", "-c", f"{place}/nginx.conf", "-e", "stderr"]
            # It goes into the background once it listens.
            subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL)
            try:
                for target in TARGETS:
                    self.check(f"{place}/nginx.sock", target)
            finally:
                subprocess.run([*command, "-s", "stop"], check=True, timeout=60)
        for gate in gates:
            served = [target for target in TARGETS if target in gate.said]
            self.assertNotEqual(served, [], "both have a share")

    def check(self, path: str, target: str) -> None:
        """Ask nginx as a page does."""
        connection = _Unix(path)
        origin = {"Origin": "http://localhost:4200", "Host": "api.example.com"}
        connection.request("GET", target, headers=origin)
        response = connection.getresponse()
        self.assertEqual((response.status, response.read()), (200, b"opened"))
        allowed = response.headers["Access-Control-Allow-Origin"]
        self.assertEqual(allowed, "http://localhost:4200")
        connection.close()


class _Unix(http.client.HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self._path)
