"""Third-party servers that handle CORS as the test decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

Answering: TypeAlias = Callable[
    [str, str], tuple[int, Mapping[str, str] | Sequence[tuple[str, str]]]
]
"""Returns status and fields for a method and a path."""


class Server:
    """A server on loopback with responses that the test decides.

    Args:
        answer: Called with method and path; answers status and fields.
    """

    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one(self) -> None:
                server.seen.append((self.command, self.path, dict(self.headers)))
                status, fields = server.answer(self.command, self.path)
                self.send_response(status)
                for name, value in fields.items() if isinstance(fields, Mapping) else fields:
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one
            do_patch = handle_one

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
