"""Small servers that behave as the documentation of a box says, where the box cannot be had."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

import attrs


@attrs.frozen(kw_only=True)
class Asked:
    """A request that came.

    Attributes:
        method: Its method.
        target: Its target.
        headers: Its fields, by lower-case name.
        body: Its body.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@attrs.frozen(kw_only=True)
class Reply:
    """A response; with several pieces, it is chunked, and each is sent by itself."""

    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)
    pieces: tuple[bytes, ...] = (b"",)


Replying: TypeAlias = Callable[[Asked], Reply]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that have left."""


class StandIn:
    """A server on 127.0.0.1.

    Args:
        reply: Called for each request, whatever its method.

    Attributes:
        port: Where it listens.
        asked: What came, in order.
    """

    def __init__(self, reply: Replying) -> None:
        self.asked: list[Asked] = []
        box = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return self.serve
                raise AttributeError(name)

            def serve(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                fields = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(length)
                asked = Asked(method=self.command, target=self.path, headers=fields, body=body)
                box.asked.append(asked)
                self.send(reply(asked))

            def send(self, answer: Reply) -> None:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if len(answer.pieces) == 1:
                    self.send_header("Content-Length", str(len(answer.pieces[0])))
                    self.end_headers()
                    self.wfile.write(answer.pieces[0])
                    return
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for piece in (*answer.pieces, b""):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
