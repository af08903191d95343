"""``corsgate adopt`` before boxes that misbehave: it ends, and says what is wrong."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from corsgate.adopt.plan import look_at
from corsgate.adopt.probes import NO_TIME, Look, Probe, Reply
from corsgate.cli.adopt_client import BoxClient, Deadline, resolve
from corsgate.explain.url import Url
from tests.cli.test_adopt import AdoptTestCase

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
TLS_HANDSHAKE = b"\x16"


class RawBox:
    """A server on 127.0.0.1 that does as it likes with each connection.

    Args:
        serve: Called in a thread with each connection, after the head of its first request.
    """

    def __init__(self, serve: Callable[[socket.socket, bytes], object]) -> None:
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0
        self._over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self._over.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def hang(self, connection: socket.socket, head: bytes) -> None:
        """Say nothing until the end."""
        self._over.wait(60)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            head = b""
            # A handshake of TLS has no head to wait for, and nobody reads the response.
            while b"\r\n\r\n" not in head and (piece := connection.recv(65536)):
                head += piece
                if head.startswith(TLS_HANDSHAKE):
                    break
            self._serve(connection, head)


class OddBoxes(AdoptTestCase):
    """Each ends."""

    def raw(self, serve: Callable[[socket.socket, bytes], object]) -> RawBox:
        """Start a box."""
        box = RawBox(serve)
        self.addCleanup(box.stop)
        return box

    def look(self, box: RawBox, seconds: float) -> tuple[Look, list[Reply]]:
        """Return what is seen within a time."""
        url = Url.parse(f"http://127.0.0.1:{box.port}/")
        deadline = Deadline(seconds)
        client = BoxClient(url, resolve(url, deadline), deadline)
        plan = look_at(url, "http://localhost:4200", "http://localhost:5555")
        replies: list[Reply] = []
        try:
            probe: Probe = next(plan)
            while True:
                replies.append(client.send(probe))
                probe = plan.send(replies[-1])
        except StopIteration as done:
            return done.value, replies

    def test_hang(self) -> None:
        """A box that says nothing costs one time-out, and then no more requests."""
        box = self.raw(lambda connection, head: box.hang(connection, head))
        look, replies = self.look(box, 0.3)
        self.assertEqual(look.page.failure, "no response in time")
        self.assertEqual((len(replies), box.connections), (1, 1))

    def test_hang_later(self) -> None:
        """A box that begins to hang is over with the time for all: nothing more is sent."""

        def serve(connection: socket.socket, head: bytes) -> None:
            if box.connections == 1:
                connection.sendall(OK)
            else:
                box.hang(connection, head)

        box = self.raw(serve)
        look, replies = self.look(box, 0.5)
        self.assertEqual(box.connections, 2)
        self.assertEqual(replies[1].failure, "no response in time")
        self.assertEqual({each.failure for each in replies[2:]}, {NO_TIME})
        # Nothing follows from what was not tried.
        self.assertEqual((set(look.replies), look.shape), ({"first", "page", "app-origin"}, {}))

    def test_reset(self) -> None:
        """A box that resets is reported."""
        box = self.raw(lambda connection, head: connection.close())
        done = self.adopt(f"http://127.0.0.1:{box.port}/")
        self.assertEqual(done.status, 2)
        self.assertIn("closed the connection without a response", done.err)

    def test_no_http(self) -> None:
        """Something else than HTTP is reported, escapes and all."""
        box = self.raw(lambda connection, head: connection.sendall(b"\x1b[2JSSH-2.0\r\n\r\n"))
        done = self.adopt(f"http://127.0.0.1:{box.port}/")
        self.assertEqual(done.status, 2)
        self.assertIn("not HTTP", done.err)
        self.assertNotIn("\x1b", done.err + done.out)

    def test_endless_body(self) -> None:
        """A body without an end is left after the first 64 KiB."""

        def serve(connection: socket.socket, head: bytes) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(b"x" * 65536)

        look, _ = self.look(self.raw(serve), 20)
        self.assertEqual((len(look.page.body), look.page.is_whole), (65536, False))

    def test_endless_head(self) -> None:
        """A head without an end is an error."""

        def serve(connection: socket.socket, head: bytes) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                connection.sendall(b"X-A: " + b"a" * 8000 + b"\r\n")

        look, replies = self.look(self.raw(serve), 20)
        self.assertEqual(len(replies), 1)
        self.assertIn("not HTTP", look.page.failure)

    def test_short_body(self) -> None:
        """A body that is cut short is told from a stream."""
        short = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"
        box = self.raw(lambda connection, head: connection.sendall(short))
        done = self.adopt(f"http://127.0.0.1:{box.port}/")
        self.assertEqual(done.status, 1)
        self.assertIn("the connection ends before the body does", done.out)
        self.assertIn("NO GET from", done.out)

    def test_redirect_loop(self) -> None:
        """Redirects in a circle are a finding."""
        loop = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
        box = self.raw(lambda connection, head: connection.sendall(loop))
        done = self.adopt(f"http://127.0.0.1:{box.port}/", "--no-start")
        self.assertEqual(done.status, 0, done.err)
        self.assertIn("form a loop", done.out)

    def test_closes_kept_connections(self) -> None:
        """A box that closes on the second request gets ``keep_alive = false``."""

        def serve(connection: socket.socket, head: bytes) -> None:
            connection.sendall(OK.replace(b"Connection: close\r\n", b""))
            connection.recv(1)

        box = self.raw(serve)
        done = self.adopt(f"http://127.0.0.1:{box.port}/")
        self.assertEqual(done.status, 0, done.out)
        self.assertIn("keep_alive = false", self.written())

    def test_origin_and_forwarded(self) -> None:
        """What a box refuses of the gate's fields decides ``origin`` and ``forwarded``."""
        for name, key in ((b"X-Forwarded-For", "forwarded"), (b"Via:", "via")):

            def serve(connection: socket.socket, head: bytes, name: bytes = name) -> None:
                refused = b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                connection.sendall(refused if name in head else OK)

            box = self.raw(serve)
            done = self.adopt(f"http://127.0.0.1:{box.port}/")
            self.assertEqual(done.status, 0, done.out)
            self.assertIn(f"{key} = ", self.written())
