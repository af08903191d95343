"""A daemon that ends, and its WebSockets: the websockets package on both sides sees no fault."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from ssl import create_default_context
from threading import Event, Thread

from twisted.internet.threads import deferToThread
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server, ServerConnection, serve

from corsgate.message.websocket_frames import GOING_AWAY, close_frame
from tests.certificates import Authority
from tests.peers import Client, request
from tests.twistd import Daemon, DaemonTestCase

LISTEN = 'listen = ["tcp:0:interface=127.0.0.1"]'

TOML = """
{listener}
[upstreams.a]
servers = ["http://127.0.0.1:{port}"]
[routes."/"]
upstream = "a"
[limits]
tunnel_grace = "{grace}"
"""

BYTES = os.urandom(150_000)
"""What compression makes no smaller."""


def closed_with(error: ConnectionClosed) -> int | None:
    """Return the status of the Close frame that came."""
    return None if error.rcvd is None else error.rcvd.code


class Box:
    """A server of WebSockets in a thread.

    Attributes:
        port: Its port.
        codes: The statuses of the Close frames that it was sent.
        received: How many messages came.
    """

    def __init__(self, *, floods: bool = False) -> None:
        self.codes: list[int | None] = []
        self.received = 0
        self._floods = floods
        self._server: Server = serve(self._serve, "127.0.0.1", 0, max_size=None)
        self.port: int = self._server.socket.getsockname()[1]
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()

    def _serve(self, connection: ServerConnection) -> None:
        flood = Thread(target=self._flood, args=(connection,))
        if self._floods:
            flood.start()
        try:
            while True:
                message = connection.recv()
                self.received += 1
                if not self._floods:
                    connection.send(message)
        except ConnectionClosed as error:
            self.codes.append(closed_with(error))
        if self._floods:
            flood.join()

    def _flood(self, connection: ServerConnection) -> None:
        """Send messages without an end: small, large, compressed, and in fragments."""
        try:
            while True:
                connection.send("x" * 70_000)
                connection.send(self._pieces())
                connection.ping()
                connection.send(BYTES)
        except ConnectionClosed:
            pass

    def _pieces(self) -> Iterator[bytes]:
        for start, end in pairwise((0, 1, 126, 252, 70_000)):
            yield BYTES[start:end]


class Talk:
    """What a client did: how it ended, and what it saw."""

    def __init__(self, port: int, *, floods: bool, trusted: str | None = None) -> None:
        self.code: int | None = None
        self.received = 0
        tls = None if trusted is None else create_default_context(cadata=trusted)
        scheme = "ws://127.0.0.1" if tls is None else "wss://localhost"
        self._connection: ClientConnection = connect(f"{scheme}:{port}/", ssl=tls, max_size=None)
        self.has_received = Event()
        self._floods = floods

    def run(self) -> None:
        """Talk until the WebSocket is closed."""
        sender = Thread(target=self._flood)
        if self._floods:
            sender.start()
        try:
            while True:
                message = self._connection.recv()
                self.received += 1
                assert message in ("x" * 70_000, BYTES[: len(message)]), len(message)
                if self.received > 4:
                    self.has_received.set()
        except ConnectionClosed as error:
            self.code = closed_with(error)
        if self._floods:
            sender.join()

    def say(self, message: str | bytes) -> str | bytes:
        """Send a message; return the answer."""
        self._connection.send(message)
        return self._connection.recv()

    def _flood(self) -> None:
        try:
            while True:
                self._connection.send(BYTES)
                self._connection.send("x" * 300)
        except ConnectionClosed:
            pass


class WebSocketDrain(DaemonTestCase):
    """SIGTERM with an open WebSocket."""

    def box(self, *, floods: bool = False) -> Box:
        """Return a box that ends with the test."""
        box = Box(floods=floods)
        self.addCleanup(deferToThread, box.stop)
        return box

    async def started(self, box: Box, grace: str, listener: str = LISTEN) -> tuple[Daemon, int]:
        """Return a daemon before a box, and its port."""
        daemon = self.configured(TOML.format(listener=listener, port=box.port, grace=grace))
        return daemon, await daemon.port()

    async def test_quiet(self) -> None:
        """Both sides of a WebSocket on which nothing moves see 1001, and the gate ends with 0."""
        box = self.box()
        daemon, port = await self.started(box, "0s")
        talk = await deferToThread(Talk, port, floods=False)
        self.assertEqual(await deferToThread(talk.say, "hello"), "hello")
        daemon.signal("TERM")
        await deferToThread(talk.run)
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertEqual((talk.code, box.codes), (1001, [1001]))
        self.assertIn("1 WebSocket closed; nothing was cut", daemon.said)
        self.assertNotIn("Traceback", daemon.said)

    async def test_second_signal(self) -> None:
        """A second signal cuts a WebSocket at once, however long its grace is."""
        box = self.box()
        daemon, port = await self.started(box, "20s")
        idle, client = await self.connect_to(port), await self.raw(port)
        idle.send(request(target=b"/plain"))
        await idle.when(lambda: idle.data)
        daemon.signal("TERM")
        await idle.gone()
        self.assertEqual(client.outcome, "")
        daemon.signal("TERM")
        await client.gone()
        self.assertEqual(client.data, b"")
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertIn("cut: 1 WebSocket", daemon.messages[-1])

    async def test_flooded_both_ways(self) -> None:
        """Where both sides send all the time, neither sees a fault in the midst of it."""
        box = self.box(floods=True)
        daemon, port = await self.started(box, "100ms")
        talk = await deferToThread(Talk, port, floods=True)
        running = deferToThread(talk.run)
        await deferToThread(talk.has_received.wait, 30)
        daemon.signal("TERM")
        await running
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertEqual((talk.code, box.codes), (1001, [1001]), daemon.said)
        self.assertGreater(box.received, 0)
        self.assertIn("1 WebSocket closed; nothing was cut", daemon.said)

    async def test_over_tls(self) -> None:
        """The same over TLS, which has an end of its own."""
        box = self.box(floods=True)
        authority = Authority.make()
        issued = authority.issue("localhost")
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        (directory / "chain.pem").write_bytes(issued.pem)
        (directory / "key.pem").write_bytes(issued.key_pem)
        listener = (
            f'[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
            f'certificates = [{{ chain = "{directory}/chain.pem", key = "{directory}/key.pem" }}]'
        )
        daemon, port = await self.started(box, "100ms", listener)
        pem = authority.pem.decode()
        talk = await deferToThread(Talk, port, floods=True, trusted=pem)
        running = deferToThread(talk.run)
        await deferToThread(talk.has_received.wait, 30)
        daemon.signal("TERM")
        await running
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertEqual((talk.code, box.codes), (1001, [1001]), daemon.said)

    async def raw(self, port: int) -> Client:
        """Return a client of the box that has been switched, and does nothing by itself."""
        client = await self.connect_to(port)
        key = [
            (b"Sec-WebSocket-Key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
            (b"Sec-WebSocket-Version", b"13"),
        ]
        offer = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), *key]
        client.send(request(headers=offer))
        await client.when(lambda: b"\r\n\r\n" in client.data)
        self.assertTrue(client.data.startswith(b"HTTP/1.1 101 "), client.data)
        client.data = b""
        return client

    async def test_hostile(self) -> None:
        """Clients that take no part are told 1001 where that is possible, and cut."""
        box = self.box()
        daemon, port = await self.started(box, "0s")
        silent, half, endless, chatty, rude = [await self.raw(port) for _ in range(5)]
        half.send(b"\x81")
        endless.send(b"\x82\xff" + (2**62).to_bytes(8) + bytes(4 + 1000))
        # A Ping, whose answer shows that all this has come.
        chatty.send(b"\x89\x80" + bytes(4))
        await chatty.when(lambda: chatty.data)
        chatty.data = b""
        daemon.signal("TERM")
        told = close_frame(GOING_AWAY)
        for client in (silent, half, endless, chatty, rude):
            await client.when(lambda client=client: client.data == told)  # type: ignore[misc]  # a default
        # One sends its own Close twice, and rubbish behind it.
        rude.send(2 * close_frame(4000, b"mask") + b"rubbish")
        chatty.send((b"\x89\x80" + bytes(4)) * 20_000)
        for client in (silent, half, endless, chatty, rude):
            await client.gone()
            self.assertEqual(client.data, told)
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertIn("1 WebSocket closed; cut: 4 WebSockets", daemon.said)
        # Those of which a frame was under way, and the one that closed by itself.
        await deferToThread(box.stop)
        codes = sorted(str(code) for code in box.codes)
        self.assertEqual(codes, ["1001", "1001", "4000", "None", "None"])
