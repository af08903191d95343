"""The configurations proposed for nginx and Caddy fix real ones, before another server."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli.live import NoAnswer, send
from corsgate.explain.browser import fetch
from corsgate.explain.call import Call
from corsgate.explain.servers import all_fixes
from corsgate.explain.trace import Trace, values
from corsgate.explain.url import Url
from corsgate.explain.wanted import wanted
from tests.ports import free_port
from tests.programs import require

ORIGIN = b"https://app.example"
HEADERS = ((b"X-App", b"1"), (b"Content-Type", b"application/json"))
STARTS_S = 20.0

NGINX = """\
daemon off;
pid {root}/pid;
error_log {root}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c;
  uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;
  server {{
    listen 127.0.0.1:{port};
    {fix}
  }}
  server {{
    listen 127.0.0.1:{behind};
    add_header Access-Control-Allow-Origin "*" always;
    add_header Vary "Accept" always;
    location / {{ return 401 "no"; }}
  }}
}}
"""

CADDY = """\
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  {fix}
  reverse_proxy 127.0.0.1:{behind}
}}
http://127.0.0.1:{behind} {{
  header Access-Control-Allow-Origin "*"
  header Vary "Accept"
  respond 401
}}
"""


class ProxyTests(SynchronousTestCase):
    """Each server is before another one that refuses every request and sends a wrong origin."""

    def start(self, command: Sequence[str], port: int) -> None:
        """Start a server, and wait until it accepts connections."""
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.addCleanup(lambda: process.communicate(timeout=STARTS_S))
        self.addCleanup(process.terminate)
        ends = time.monotonic() + STARTS_S
        while time.monotonic() < ends:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                if process.poll() is not None:
                    assert process.stderr is not None
                    self.fail(f"{command[0]} ended: {process.stderr.read()}")
                time.sleep(0.02)  # Neither server says when it is ready.
            else:
                return
        self.fail(f"{command[0]} did not start")

    def fix_of(self, name: str, call: Call) -> str:
        """Return the fix for a server that sends another origin."""
        wrong = [(b"Access-Control-Allow-Origin", b"*")]
        return next(fix.text for fix in all_fixes(call, wrong) if fix.name == name)

    def nginx(self, call: Call, port: int, behind: int) -> None:
        """Run nginx with its fix for a call."""
        root = Path(tempfile.mkdtemp(prefix="corsgate-nginx-"))
        self.addCleanup(lambda: subprocess.run(["rm", "-r", str(root)], check=True))
        proxy = f"proxy_pass http://127.0.0.1:{behind};"
        fix = self.fix_of("nginx", call).replace("# ... the present content", proxy)
        path = root / "nginx.conf"
        path.write_text(NGINX.format(root=root, port=port, behind=behind, fix=fix))
        program = require("nginx", "nginx-light")
        self.start([program, "-e", f"{root}/error.log", "-c", str(path)], port)

    def caddy(self, call: Call, port: int, behind: int) -> None:
        """Run Caddy with its fix for a call."""
        path = Path(self.mktemp()).absolute()
        path.write_text(CADDY.format(port=port, behind=behind, fix=self.fix_of("Caddy", call)))
        program = require("caddy", "caddy")
        self.start([program, "run", "--adapter", "caddyfile", "--config", str(path)], port)

    def check(self, call: Call, statuses: list[int]) -> Trace:
        """Make the call; it is allowed, its response is the refusal, and no field is doubled."""
        try:
            trace = fetch(call, send)
        except NoAnswer as error:
            self.fail(str(error))
        self.assertTrue(trace.allowed, trace.failed)
        self.assertEqual([answer.status for _, answer in trace.exchanges], statuses)
        last = trace.exchanges[-1][1].headers
        for name, value in wanted(call).fields:
            if name != "Vary":
                self.assertEqual(values(last, name.lower().encode()), [value.encode()], name)
        vary = b", ".join(values(last, b"vary"))
        self.assertIn(b"Origin", vary)
        self.assertIn(b"Accept", vary)
        return trace

    def both(self, path: str) -> None:
        """Try a call with a preflight and credentials, and a simple one, at both servers."""
        for run in (self.nginx, self.caddy):
            for method, headers, credentials, statuses in (
                (b"PUT", HEADERS, True, [204, 401]),
                (b"GET", (), False, [401]),
            ):
                port, behind = free_port(), free_port()
                call = Call(
                    origin=ORIGIN,
                    method=method,
                    url=Url.parse(f"http://127.0.0.1:{port}{path}"),
                    headers=headers,
                    credentials=credentials,
                )
                run(call, port, behind)
                self.check(call, statuses)

    def test_proxies(self) -> None:
        """The call is allowed, though the server behind sends another origin and 401."""
        self.both("/v1/x?y=1")

    def test_paths(self) -> None:
        """A path with characters that are special in a configuration is matched too."""
        self.both("/a%20b;c/d{e}")
