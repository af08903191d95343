"""A gate in a process, and a box that asks for digest credentials."""

from __future__ import annotations

import http.client
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import attrs

from tests.tree import ROOT, outside

PATIENCE_S = 60.0
"""In seconds. A limit that ends only a test that hangs, also on a busy machine."""

CHALLENGE = 'Digest realm="box", nonce="n", qop="auth"'
_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


@attrs.frozen(kw_only=True)
class Answer:
    """A response, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Gate:
    """A gate as a context manager: it serves inside the `with` block, and has ended after it.

    Args:
        command: Runs twistd in the foreground, on one port of 127.0.0.1.
        environ: Variables in addition to the test's.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=ROOT / "tests",
            env={**outside(), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._said: list[str] = []
        self._port = 0

    def __enter__(self) -> Self:
        watchdog = threading.Timer(PATIENCE_S, self._process.kill)
        watchdog.start()
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line)
            if found := re.search(r"listens on 127\.0\.0\.1:(\d+)", line):
                self._port = int(found[1])
                break
        watchdog.cancel()
        if not self._port:
            self._end()
            raise AssertionError(f"the gate did not start; its output:\n{''.join(self._said)}")
        # A full pipe would stop the gate.
        self._drainer = threading.Thread(target=self._keep_reading, daemon=True)
        self._drainer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        finally:
            self._end()

    def _keep_reading(self) -> None:
        assert self._process.stdout is not None
        self._said.extend(self._process.stdout)

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._port:
            self._drainer.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def port(self) -> int:
        """Its port of 127.0.0.1."""
        return self._port

    @property
    def said(self) -> str:
        """Its output so far; all of it after its end."""
        return "".join(self._said)

    def get(self, target: str, origin: str) -> Answer:
        """Send GET as a page of an origin does."""
        return self.request("GET", target, {"Origin": origin})

    def preflight(self, target: str, origin: str, method: str, headers: str) -> Answer:
        """Send a preflight for a method and headers."""
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": headers,
        }
        return self.request("OPTIONS", target, asked)

    def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Send a request on a new connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            return Answer(status=response.status, headers=response.headers, body=response.read())
        finally:
            connection.close()


class Box:
    """A server on loopback that sends ``opened`` to one user with digest credentials (RFC 7616).

    Attributes:
        url: Its origin.
        requests: The method and target of each request.
    """

    def __init__(self, username: str, password: str) -> None:
        self.requests: list[tuple[str, str]] = []
        box = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                box.requests.append((self.command, self.path))
                sent = self.headers["Authorization"] or ""
                good = box.admits(sent, self.path, username, password)
                body = b"opened" if good else b"closed"
                self.send_response(200 if good else 401)
                if not good:
                    self.send_header(
                        "WWW-Authenticate", 'Digest realm="box", nonce="n", qop="auth"'
                    )
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    @staticmethod
    def admits(sent: str, target: str, username: str, password: str) -> bool:
        """Return whether an Authorization field has the right response to the challenge."""
        fields: dict[str, str] = {
            name: quoted or bare for name, quoted, bare in _FIELD.findall(sent)
        }
        if not sent.startswith("Digest ") or fields.get("username") != username:
            return False
        digested = [_hash(username, "box", password)]
        digested += [fields[name] for name in ("nonce", "nc", "cnonce", "qop")]
        return fields["response"] == _hash(*digested, _hash("GET", target))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _hash(*parts: str) -> str:
    return md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()
