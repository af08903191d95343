"""A server that checks credentials before it takes a body, and records what it saw.

It reads heads and bodies as they come and keeps no body: it counts its bytes. So it can take a
large upload, and say of each request how much of its body has reached it.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any, TypeAlias

import attrs
import httptools
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from corsgate.message.headers import Header, HeaderIndex, HeaderList, index_headers
from tests.peers import Watched, reactor, response

_WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Manners(Enum):
    """What a box does about ``Expect: 100-continue``, and when it looks at credentials."""

    HEEDS = auto()
    """It looks at the head first, and asks for the body with 100 Continue if it accepts that."""
    IGNORES = auto()
    """It reads the whole body, and then looks at the head; it never sends 100 Continue."""
    ASKS_FIRST = auto()
    """It sends 100 Continue to everybody, and looks at the head when the body is there."""
    REJECTS = auto()
    """It responds to Expect with 417."""


@attrs.define(kw_only=True, eq=False)
class Seen:
    """A request as the box saw it.

    Attributes:
        method: Its method.
        target: Its target.
        headers: Its fields.
        connection: The number of its connection, from 1.
        body_bytes: How many bytes of its body have come.
        whole: Whether all of the body has come.
        status: What the box has responded with; None before.
    """

    method: bytes
    target: bytes
    headers: HeaderList = attrs.field(repr=False)
    connection: int
    body_bytes: int = 0
    whole: bool = False
    status: int | None = None
    digest: Any = attrs.field(factory=hashlib.sha256, repr=False)
    body: bytearray = attrs.field(factory=bytearray, repr=False)

    @property
    def fields(self) -> HeaderIndex:
        """The values by lower-cased name."""
        return index_headers(self.headers)

    def first(self, name: bytes) -> bytes:
        """Return the first value of a field; empty if there is none."""
        return self.fields.get(name.lower(), [b""])[0]

    @property
    def path(self) -> bytes:
        """The target without its query."""
        return self.target.partition(b"?")[0]

    @property
    def expects(self) -> bool:
        """Whether it came with Expect."""
        return b"expect" in self.fields


@attrs.frozen(kw_only=True)
class Reply:
    """What the box responds with.

    Attributes:
        status: The status.
        headers: Further fields.
        body: The body.
    """

    status: int = 200
    headers: Sequence[Header] = ()
    body: bytes = b"fine"


CUT = Reply(status=0)
"""Has the box cut the connection instead of responding."""

Judge: TypeAlias = Callable[[Seen], Reply]

MOST_KEPT_BYTES = 64 * 1024
"""How much of a body is kept for those who look at it, such as a login form."""


class Box(Watched):
    """A server on a port of its own.

    Args:
        judge: Says what a request gets, by its head: a status below 300 accepts it.
        is_login: Whether a request is one that `judge` sees with its body.

    Attributes:
        seen: Every request whose head has come.
        manners: What it does about Expect.
        connections: Its connections, in order.
        held: Whether responses wait until `let_go`.
    """

    def __init__(self, judge: Judge, is_login: Callable[[Seen], bool] = lambda _: False) -> None:
        super().__init__()
        self.judge = judge
        self.is_login = is_login
        self.seen: list[Seen] = []
        self.manners = Manners.HEEDS
        self.connections: list[BoxConnection] = []
        self.held = False
        self._port: Any = None

    async def start(self) -> Box:
        """Listen."""
        endpoint = TCP4ServerEndpoint(reactor, 0, backlog=200, interface="127.0.0.1")
        self._port = await endpoint.listen(Factory.forProtocol(self._connected))
        return self

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://127.0.0.1:{self._port.getHost().port}"

    @property
    def authority(self) -> str:
        """Its host and port."""
        return self.url.partition("://")[2]

    @property
    def accepted(self) -> list[Seen]:
        """The requests that it has accepted."""
        return [seen for seen in self.seen if seen.status is not None and seen.status < 300]

    @property
    def bodies(self) -> list[Seen]:
        """The requests of whose bodies something has come."""
        return [seen for seen in self.seen if seen.body_bytes]

    def let_go(self) -> None:
        """Send the responses that wait."""
        self.held = False
        for connection in self.connections:
            connection.let_go()

    async def refuse(self) -> None:
        """Take no more connections, and cut those that there are."""
        await maybeDeferred(self._port.stopListening)
        for each in self.connections:
            await each.when_gone(cut=True)

    async def stop(self) -> None:
        """End, and wait for the end of every connection."""
        await self.refuse()

    def _connected(self) -> BoxConnection:
        self.connections.append(BoxConnection(self, len(self.connections) + 1))
        return self.connections[-1]


class BoxConnection(Protocol, Watched):
    """One connection to a box.

    Args:
        box: The box.
        number: Its number, from 1.

    Attributes:
        lost: Whether it has ended.
    """

    transport: Any

    def __init__(self, box: Box, number: int) -> None:
        Watched.__init__(self)
        self.lost = False
        self._box = box
        self._number = number
        self._fields: HeaderList = []
        self._target = b""
        self._request: Seen | None = None
        self._reply: Reply | None = None
        self._held: list[bytes] = []
        self._echoes = False
        self._closing = False
        self._parser: Any = httptools.HttpRequestParser(self)

    def dataReceived(self, data: bytes) -> None:
        """Read requests; or echo what comes over a WebSocket."""
        if self._echoes:
            self.transport.write(data)
        elif not self._closing:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade:
                self._switch()
        self._box.changed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note it."""
        self.lost = True
        self._parser = None
        self.changed()
        self._box.changed()

    async def when_gone(self, *, cut: bool = False) -> None:
        """Wait until it has ended."""
        if cut and not self.lost:
            self.transport.abortConnection()
        await self.when(lambda: self.lost)

    def let_go(self) -> None:
        """Send the responses that wait."""
        waiting, self._held = self._held, []
        for data in waiting:
            self.transport.write(data)

    # What the parser calls.

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field."""
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Look at the head, unless that is done once the body is there."""
        box = self._box
        method = self._parser.get_method()
        seen = Seen(
            method=method, target=self._target, headers=self._fields, connection=self._number
        )
        self._target, self._fields, self._request, self._reply = b"", [], seen, None
        box.seen.append(seen)
        if seen.expects and box.manners is Manners.REJECTS:
            self._respond(Reply(status=417), close=True)
            return
        if seen.expects and box.manners is Manners.ASKS_FIRST:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if box.manners is Manners.HEEDS and not box.is_login(seen):
            self._reply = box.judge(seen)
            has_body = seen.first(b"content-length") not in (b"", b"0")
            has_body = has_body or b"transfer-encoding" in seen.fields
            if self._reply is CUT or (self._reply.status >= 300 and has_body):
                # As many servers do: what follows could be the body or the next request.
                self._respond(self._reply, close=seen.expects)
            elif seen.expects:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        """Count a piece of the body."""
        seen = self._request
        if seen is not None:
            seen.body_bytes += len(data)
            seen.digest.update(data)
            if len(seen.body) < MOST_KEPT_BYTES:
                seen.body += data

    def on_message_complete(self) -> None:
        """Respond, if that was not done before the body came."""
        seen, self._request = self._request, None
        if seen is None:
            return
        seen.whole = True
        if seen.status is None and b"upgrade" not in seen.fields:
            self._request = seen
            self._respond(self._reply or self._box.judge(seen))
            self._request = None
        elif seen.status is None:
            self._request = seen

    # The parts.

    def _respond(self, reply: Reply, *, close: bool = False) -> None:
        seen = self._request
        assert seen is not None
        seen.status = reply.status
        if reply is CUT:
            self._closing = True
            self.transport.abortConnection()
            return
        headers = [*reply.headers, *([(b"Connection", b"close")] if close else [])]
        body = b"" if seen.method == b"HEAD" else reply.body
        data = response(reply.status, headers, body)
        if self._box.held:
            self._held.append(data)
        else:
            self.transport.write(data)
        if close:
            self._closing = True
            self.transport.loseConnection()

    def _switch(self) -> None:
        """Begin a WebSocket, or refuse it."""
        seen = self._request
        assert seen is not None
        reply = self._reply or self._box.judge(seen)
        if reply.status >= 300:
            self._respond(reply)
            # Nothing may have followed the request; a handshake may go on.
            self._request, self._parser = None, httptools.HttpRequestParser(self)
            return
        seen.status = 101
        key = seen.first(b"sec-websocket-key")
        accept = b64encode(hashlib.sha1(key + _WEBSOCKET).digest())  # RFC 6455 4.2.2
        self._echoes = True
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
        )
