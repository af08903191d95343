"""A stand-in for a camera whose web server is older than the standards."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from typing import Final

from tests.running import CHALLENGE, Box

USERNAME, PASSWORD = "viewer", "password-of-camera"
PICTURE: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

_FRAME: Final = b"--frame\nContent-Type: image/gif\nContent-Length: %d\n\n%b\n" % (
    len(PICTURE),
    PICTURE,
)
RESPONSES: Final = {
    # Bare line feeds, no length: the body ends with the connection (GoAhead, Axis).
    "/picture.gif": b"HTTP/1.0 200 OK\nServer: GoAhead-Webs\nContent-Type: image/gif\n\n" + PICTURE,
    # An ESP32's chunks: blanks behind the sizes, bare line feeds.
    "/status": (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        b'Connection: close\r\n\r\n5 \n{"up"\r\n6 ; x\r\n: 120}\n0\r\n\r\n'
    ),
    # Both lengths, an empty line first, a folded line, blanks before a colon.
    "/settings": (
        b"\r\nHTTP/1.1 200 OK\r\nContent-Type : text/plain\r\nX-Model: old\r\n  camera\r\n"
        b"Content-Length: 2\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    ),
    "/missing": b"HTTP/1.0 404 Not Found\nContent-Type: text/html\n\n<html>no such page",
    # What has no one meaning.
    "/lengths": b"HTTP/1.0 200 OK\nContent-Length: 2\nContent-Length: 5\n\nhello",
}
VIDEO: Final = (
    b"HTTP/1.0 200 OK\nContent-Type: multipart/x-mixed-replace; boundary=frame\n\n" + _FRAME * 3
)
_REFUSAL: Final = b"HTTP/1.0 401 Unauthorized\nWWW-Authenticate: %b\nContent-Type: text/html\n\n"


class Camera:
    """A server on 127.0.0.1 that wants digest credentials and closes after each response.

    Attributes:
        port: Where it listens.
        left: Set when a client has left the video.
    """

    def __init__(self) -> None:
        self.left = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as lines:
            path = lines.readline().decode().partition(" ")[2].partition(" ")[0]
            fields = dict[str, str]()
            while line := lines.readline().decode().strip():
                name, _, value = line.partition(":")
                fields[name.lower()] = value.strip()
            sent = fields.get("authorization", "")
            if not Box.admits(sent, path, USERNAME, PASSWORD):
                client.sendall(_REFUSAL % CHALLENGE.encode())
            elif path == "/video.mjpg":
                client.sendall(VIDEO)
                # It would go on for ever: what ends it is the client.
                with contextlib.suppress(ConnectionError):
                    lines.read(1)
                self.left.set()
            else:
                client.sendall(RESPONSES.get(path, RESPONSES["/missing"]))
