"""The loads of `make bench-calls`: requests of one client, with a server's responses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final, Protocol

import attrs
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded

from bench.in_memory import HOST, ORIGIN, Gate, Transport

Fields = Sequence[tuple[str, str]]
Call = Callable[..., None]
"""Calls a function of the gate with arguments, and may count its work."""

_BROWSER: Final[Fields] = (
    ("Origin", ORIGIN),
    ("Accept", "application/json"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Accept-Language", "en-GB,en;q=0.5"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
)
_PREFLIGHT: Final[Fields] = (
    ("Access-Control-Request-Method", "PUT"),
    ("Access-Control-Request-Headers", "content-type"),
)
_UPLOAD: Final = b"y" * 200
_UPLOADED: Final[Fields] = (("Content-Type", "application/json"), ("Content-Length", "200"))
_BODY: Final = b'{"documents": ["/v1/documents/0123456789"]}'.ljust(1024)
_CHUNKED_BODY: Final = b"400\r\n%b\r\n0\r\n\r\n" % _BODY
_RESPONSE: Final = (
    b"HTTP/1.1 200 OK\r\n"
    b"Server: nginx/1.22.1\r\n"
    b"%b"
    b"Date: Sun, 29 Nov 2026 06:00:00 GMT\r\n"
    b"Content-Type: application/json\r\n"
    b"%b\r\n"
    b"Last-Modified: Sun, 29 Nov 2026 06:00:00 GMT\r\n"
    b"Connection: keep-alive\r\n"
    b'ETag: "6565a0-400"\r\n'
    b"Accept-Ranges: bytes\r\n"
    b"\r\n"
    b"%b"
)
_SIZED: Final = _RESPONSE % (b"", b"Content-Length: 1024", _BODY)
_CHUNKED: Final = _RESPONSE % (
    b"Vary: Accept-Encoding\r\n",
    b"Transfer-Encoding: chunked",
    _CHUNKED_BODY,
)
_AUTHORIZATION: Final = b"\r\nAuthorization: Basic YmVuY2g6Y29ycmVjdC1ob3JzZQ==\r\n"
_ALLOWED: Final = f"\r\nAccess-Control-Allow-Origin: {ORIGIN}\r\n".encode("ascii")


@attrs.frozen(kw_only=True)
class Load:
    """One kind of request, repeated on one connection.

    Attributes:
        name: Its name.
        method: The request's method.
        fields: Its fields, except Host.
        varies: Whether another field is added, which differs in each request.
        body: The pieces of its body; the first is sent together with the head.
        response: The upstream server's response; empty if the request is not forwarded.
        status: The start of the response that the client gets.
        body_sent: The body of that response.
        http2: Whether the client speaks HTTP/2.
        admin: Whether an admin listener is configured.
    """

    name: str
    method: str = "GET"
    fields: Fields = _BROWSER
    varies: bool = False
    body: Sequence[bytes] = (b"",)
    response: bytes = _SIZED
    status: bytes = b"HTTP/1.1 200 OK\r\n"
    body_sent: bytes = _BODY
    http2: bool = False
    admin: bool = False

    def fields_of(self, number: int) -> list[tuple[str, str]]:
        """Return the fields of a request, given its number."""
        differing = [("If-None-Match", f'"{number:06d}"')] if self.varies else []
        return [*self.fields, *differing]


LOADS: Final = (
    Load(name="1k"),
    Load(name="varying", varies=True),
    Load(
        name="preflight",
        method="OPTIONS",
        fields=(*_BROWSER, *_PREFLIGHT),
        response=b"",
        status=b"HTTP/1.1 204 No Content\r\n",
        body_sent=b"",
    ),
    Load(name="put", method="PUT", fields=(*_BROWSER, *_UPLOADED), body=(_UPLOAD,)),
    Load(
        name="put-drip",
        method="PUT",
        fields=(*_BROWSER, *_UPLOADED),
        body=(b"", *(_UPLOAD[at : at + 50] for at in range(0, 200, 50))),
    ),
    Load(name="chunked", response=_CHUNKED, body_sent=_CHUNKED_BODY),
    Load(name="get-http2", http2=True),
    Load(name="admin", admin=True),
)


class Client(Protocol):
    """Writes the requests of a load, and reads the responses to them."""

    def ask(self) -> Sequence[bytes]:
        """Return the next request, in the pieces in which it is sent."""

    def check(self, received: bytes) -> None:
        """Check that the received bytes are exactly the expected response."""


class Http1Client:
    """A client that speaks HTTP/1.1."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._numbers = count()

    def ask(self) -> Sequence[bytes]:
        """Return the next request, in the pieces in which it is sent."""
        load = self._load
        fields = [("Host", HOST), *load.fields_of(next(self._numbers))]
        lines = [f"{load.method} /1k.json HTTP/1.1", *(f"{name}: {text}" for name, text in fields)]
        first, *rest = load.body
        return ["\r\n".join([*lines, "", ""]).encode("ascii") + first, *rest]

    def check(self, received: bytes) -> None:
        """Check that the received bytes are exactly the expected response."""
        head, end, body = received.partition(b"\r\n\r\n")
        assert received.startswith(self._load.status), received
        assert _ALLOWED in head + end, received
        assert body == self._load.body_sent, received


class Http2Client:
    """A client that speaks HTTP/2, with a window for all responses."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._connection = H2Connection(H2Configuration(client_side=True, header_encoding="ascii"))
        self._connection.initiate_connection()
        self._connection.increment_flow_control_window(2**30)

    def ask(self) -> Sequence[bytes]:
        """Return all frames to send, the next request's last."""
        load, connection = self._load, self._connection
        stream = connection.get_next_available_stream_id()
        pseudo = [(":method", load.method), (":scheme", "https"), (":authority", HOST)]
        fields = [(name.lower(), text) for name, text in load.fields_of(stream)]
        connection.send_headers(stream, [*pseudo, (":path", "/1k.json"), *fields], end_stream=True)
        return [connection.data_to_send()]

    def check(self, received: bytes) -> None:
        """Check that the received bytes are exactly the expected response."""
        head: dict[Any, Any] = {}
        body, ended = b"", False
        for event in self._connection.receive_data(received):
            if isinstance(event, ResponseReceived):
                head.update(event.headers or ())
            elif isinstance(event, DataReceived):
                body += event.data or b""
            elif isinstance(event, StreamEnded):
                ended = True
        assert head.get(":status") == "200", received
        assert head.get("access-control-allow-origin") == ORIGIN, head
        assert (body, ended) == (self._load.body_sent, True), (body, ended)


class Exchanges:
    """One client's exchanges with its own gate, one after the other.

    Args:
        load: The client's requests.
        directory: The directory of the gate's files.
    """

    def __init__(self, load: Load, directory: Path) -> None:
        self._load = load
        self._gate = Gate(directory, admin=load.admin)
        self._client: Client = Http2Client(load) if load.http2 else Http1Client(load)
        self._down = self._gate.connect(http2=load.http2)
        self._up: Transport | None = None

    def run(self, call: Call) -> None:
        """Run one complete exchange.

        Args:
            call: Makes the calls into the gate.

        Raises:
            AssertionError: One of the peers did not get what it should.
        """
        for piece in self._client.ask():
            self._deliver(self._down, piece, call)
        if self._load.response:
            self._up = self._gate.accept() or self._up
            assert self._up is not None, "the gate has not connected to its upstream server"
            self._check_forwarded(self._up.sent.take())
            self._deliver(self._up, self._load.response, call)
        self._client.check(self._down.sent.take())

    def _deliver(self, transport: Transport, data: bytes, call: Call) -> None:
        assert transport in self._gate.reactor.readers, "the gate does not read"
        call(transport.protocol.dataReceived, data)
        for due in self._gate.reactor.turns():
            call(due)

    def _check_forwarded(self, request: bytes) -> None:
        head, end, body = request.partition(b"\r\n\r\n")
        assert head.startswith(f"{self._load.method} /1k.json HTTP/1.1\r\n".encode("ascii")), head
        assert _AUTHORIZATION in head + end, head
        assert body == b"".join(self._load.body), request
