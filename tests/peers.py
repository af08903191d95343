"""Raw peers for a gate on real sockets: a client and an upstream that see every byte."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import attrs
from twisted.internet import reactor as global_reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from corsgate.message.headers import Header, HeaderIndex, HeaderList, index_headers

T = TypeVar("T")

reactor: Any = global_reactor

ABORTED = "aborted"
"""The `Client.outcome` of a connection that was reset."""


class Watched:
    """An object with a state that tests wait for."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def when(self, condition: Callable[[], T]) -> Deferred[T]:
        """Return a Deferred of the first true value that `condition` has."""
        value = condition()
        if value:
            return succeed(value)
        found: Deferred[T] = Deferred()
        self._waiting.append((condition, found))
        return found

    def changed(self) -> None:
        """Check each condition that is waited for; call it after each change."""
        for waiter in list(self._waiting):
            condition, found = waiter
            try:
                value = condition()
            except Exception:
                # The error belongs to the test that waits, not to the caller.
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
                    found.errback()
                continue
            if value and waiter in self._waiting:
                self._waiting.remove(waiter)
                found.callback(value)


@attrs.frozen(kw_only=True)
class Message:
    """A message as received: its first line, its fields, its body, and all its bytes."""

    start: bytes
    headers: HeaderList
    body: bytes
    raw: bytes
    connection: Any = None

    @property
    def fields(self) -> HeaderIndex:
        """The values by lower-cased name."""
        return index_headers(self.headers)

    def one(self, name: bytes) -> bytes:
        """Return the only value of a field."""
        (value,) = self.fields[name.lower()]
        return value

    @property
    def status(self) -> int:
        """A response's status."""
        return int(self.start.split(b" ")[1])

    @property
    def method(self) -> bytes:
        """A request's method."""
        return self.start.split(b" ")[0]

    @property
    def target(self) -> bytes:
        """A request's target."""
        return self.start.split(b" ")[1]


def read_message(data: bytes, *, bodiless: bool = False, closed: bool = False) -> Message | None:
    """Return the first message in `data`; None if it is incomplete.

    Args:
        data: The bytes received so far.
        bodiless: Whether it is a response to HEAD.
        closed: Whether the connection is closed, which ends a response without a length.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None
    start, *lines = head.split(b"\r\n")
    headers: HeaderList = []
    for line in lines:
        name, _, value = line.partition(b":")
        headers.append((name, value.strip(b" \t")))
    index = index_headers(headers)
    response = start.startswith(b"HTTP/")
    if bodiless or (response and start.split(b" ")[1] in (b"100", b"204", b"304")):
        body, size = b"", 0
    elif index.get(b"transfer-encoding") == [b"chunked"]:
        found = _read_chunks(rest)
        if found is None:
            return None
        body, size = found
    elif b"content-length" in index:
        size = int(index[b"content-length"][0])
        if len(rest) < size:
            return None
        body = rest[:size]
    elif response:
        if not closed:
            return None
        body, size = rest, len(rest)
    else:
        body, size = b"", 0
    raw = data[: len(head) + len(end) + size]
    return Message(start=start, headers=headers, body=body, raw=raw)


def _read_chunks(data: bytes) -> tuple[bytes, int] | None:
    """Return a chunked body and its size on the wire in bytes; None if it is incomplete."""
    pieces: list[bytes] = []
    at = 0
    while True:
        line, end, _ = data[at:].partition(b"\r\n")
        if not end:
            return None
        size = int(line.partition(b";")[0], 16)
        at += len(line) + 2
        if len(data) < at + size + 2:
            return None
        if not size:
            return b"".join(pieces), at + 2
        pieces.append(data[at : at + size])
        at += size + 2


def response(
    status: int = 200,
    headers: Iterable[Header] = (),
    body: bytes = b"",
    *,
    length: int | None = None,
) -> bytes:
    """Return a response's bytes, with a Content-Length."""
    lines = [b"HTTP/1.1 %d Fine" % status, *(b"%b: %b" % header for header in headers)]
    lines.append(b"Content-Length: %d" % (len(body) if length is None else length))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def request(
    method: bytes = b"GET",
    target: bytes = b"/v1/x",
    headers: Iterable[Header] = (),
    body: bytes | None = None,
    *,
    host: bytes = b"localhost",
) -> bytes:
    """Return a request's bytes, with a Content-Length if there is a body."""
    lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: " + host]
    lines += [b"%b: %b" % header for header in headers]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


@contextmanager
def hanging(host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Return a URL to which connections hang, since its queue of connections is full."""
    with socket.socket() as full:
        full.bind((host, port))
        full.listen(0)
        waiting = []
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(full.getsockname())
        try:
            yield f"http://{host}:{full.getsockname()[1]}"
        finally:
            for each in waiting:
                each.close()


class _Peer(Protocol, Watched):
    """One end of a connection, which keeps all that it receives."""

    def __init__(self) -> None:
        Watched.__init__(self)
        self.data = b""
        self.outcome: str = ""

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        self.changed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.outcome = "closed" if reason.check(type(connectionDone.value)) else ABORTED
        self.changed()

    def send(self, data: bytes) -> None:
        """Write bytes."""
        tcp: Any = self.transport
        tcp.write(data)

    def finish(self) -> None:
        """Close the connection after everything is written."""
        tcp: Any = self.transport
        tcp.loseConnection()

    def gone(self) -> Deferred[str]:
        """Return a Deferred of how the connection ended: ``closed`` or `ABORTED`."""
        return self.when(lambda: self.outcome)

    def close(self) -> Deferred[str]:
        """Reset the connection, whatever is in progress."""
        tcp: Any = self.transport
        if not self.outcome:
            tcp.abortConnection()
        return self.gone()


class Client(_Peer):
    """A client that sends bytes and reads responses."""

    def response(self, *, bodiless: bool = False) -> Deferred[Message]:
        """Return a Deferred of the next response; it fails if the connection ends before."""

        def whole() -> Message | Failure | None:
            found = read_message(self.data, bodiless=bodiless, closed=self.outcome == "closed")
            if found is None and self.outcome:
                return Failure(EOFError(f"{self.outcome} after {self.data!r}"))
            return found

        def taken(found: Message | Failure | None) -> Message:
            if isinstance(found, Failure):
                found.raiseException()
            assert isinstance(found, Message)
            self.data = self.data[len(found.raw) :]
            return found

        return self.when(whole).addCallback(taken)


class _UpstreamPeer(_Peer):
    """One of the gate's connections to an upstream, which sends the responses of its script."""

    def __init__(self, upstream: Upstream) -> None:
        super().__init__()
        self._upstream = upstream

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        self._upstream.data += data
        while (found := read_message(self.data)) is not None:
            self.data = self.data[len(found.raw) :]
            self._upstream.take(attrs.evolve(found, connection=self))
        self.changed()
        self._upstream.changed()


class Upstream(Watched):
    """A server that keeps the raw bytes of every request and sends the responses of a script.

    Attributes:
        answer: Returns the bytes of the response to a request; None for no response yet. Tests
            may replace it.
        requests: The complete requests, in order.
        connections: All connections, also closed ones.
        data: All bytes received.
        authority: The value of Host for this server.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answer: Callable[[Message], bytes | None] = lambda _: response(body=b"ok")
        self.requests: list[Message] = []
        self.connections: list[_UpstreamPeer] = []
        self.data = b""
        self.authority = b""
        self._port: Any = None
        # Keeps the port from others after `refuse`.
        self._taken: socket.socket | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> Upstream:
        """Listen."""
        self._port = await TCP4ServerEndpoint(reactor, port, interface=host).listen(
            Factory.forProtocol(self._connected)
        )
        address: Any = self._port.getHost()
        self.authority = b"%b:%d" % (host.encode(), address.port)
        return self

    async def start_on(self, endpoint: Any) -> Upstream:
        """Listen on an endpoint, such as a Unix socket; `authority` stays empty."""
        self._port = await endpoint.listen(Factory.forProtocol(self._connected))
        return self

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._port.getHost().port)

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://{self.authority.decode()}"

    def script(self, *answers: bytes | None) -> None:
        """Send these responses in turn, then always the last one."""
        left = list(answers)
        self.answer = lambda _: left.pop(0) if len(left) > 1 else left[0]

    def take(self, message: Message) -> None:
        """Keep a request and respond to it."""
        self.requests.append(message)
        data = self.answer(message)
        if data is not None:
            message.connection.send(data)

    def arrived(self, count: int = 1) -> Deferred[Message]:
        """Return a Deferred of the request with this number, counted from 1."""
        return self.when(lambda: len(self.requests) >= count).addCallback(
            lambda _: self.requests[count - 1]
        )

    async def refuse(self) -> None:
        """Stop listening: connections are refused from now on.

        The port stays reserved until `stop`. Otherwise another server, perhaps of another process,
        could get the same port and then the requests.
        """
        address = self._port.getHost()
        await maybeDeferred(self._port.stopListening)
        if isinstance(address, IPv4Address):
            self._taken = socket.socket()
            with suppress(OSError):
                self._taken.bind((address.host, address.port))

    async def stop(self) -> None:
        """Stop listening, and wait until every connection is closed."""
        await maybeDeferred(self._port.stopListening)
        if self._taken is not None:
            self._taken.close()
        await gatherResults([peer.close() for peer in self.connections])

    def _connected(self) -> _UpstreamPeer:
        peer = _UpstreamPeer(self)
        self.connections.append(peer)
        return peer
