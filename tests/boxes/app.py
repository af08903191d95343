"""The app that uses a box: a page of another origin than the gate's, in a browser or not."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.boxes.installed import module_file

SCRIPTS = {
    "/socket.io.js": "socket.io-client/dist/socket.io.min.js",
    "/graphql-ws.js": "graphql-ws/umd/graphql-ws.min.js",
    "/tus.js": "tus-js-client/dist/tus.min.js",
    "/pouchdb.js": "pouchdb/dist/pouchdb.min.js",
}
"""The clients that pages may load: files of npm's packages by path."""

_PAGE = b'<!doctype html><meta charset="utf-8"><title>app</title>%b'


class App:
    """Serves an empty page on loopback, with the script that its query names.

    Attributes:
        port: Where it listens.
        origin: That of its pages, by name: ``http://localhost:PORT``.
        stranger: Another origin of the same pages, which is another site, too.
    """

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                if path in SCRIPTS:
                    content, kind = module_file(SCRIPTS[path]).read_bytes(), "text/javascript"
                else:
                    script = f'<script src="/{query}"></script>' if query else ""
                    content, kind = _PAGE % script.encode(), "text/html"
                self.send_response(200)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.origin = f"http://localhost:{self.port}"
        self.stranger = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
