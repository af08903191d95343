"""Servers of other people's, which do with CORS what they are told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """A server on loopback that answers as it is told.

    Args:
        answer: Called with method and path; answers status and fields.
    """

    def __init__(self, answer: Callable[[str, str], tuple[int, dict[str, str]]]) -> None:
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one(self) -> None:
                server.seen.append((self.command, self.path, dict(self.headers)))
                status, fields = answer(self.command, self.path)
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_PUT = do_OPTIONS = do_POST = handle_one

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
