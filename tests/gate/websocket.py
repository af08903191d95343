"""Both sides of a WebSocket on Twisted's transports; the websockets package does the talking."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import gatherResults, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri

from tests.peers import Watched, reactor

MOST_BYTES = 4 * 1024 * 1024


class Speaker(Protocol, Watched):
    """One side of a WebSocket.

    Args:
        speaks: What turns bytes into frames, and back.

    Attributes:
        handshake: The head that the other side sent, once it has come.
        messages: What came, in order.
        lost: Whether the connection is gone.
    """

    def __init__(self, speaks: ClientProtocol | ServerProtocol) -> None:
        Watched.__init__(self)
        self.speaks = speaks
        self.handshake: Request | Response | None = None
        self.messages: list[bytes] = []
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        """Take what came, and send what it asks for."""
        self.speaks.receive_data(data)
        self._turn()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note it."""
        self.lost = True
        self.speaks.receive_eof()
        self.changed()

    @property
    def fields(self) -> Headers:
        """The fields of the other side's head."""
        assert self.handshake is not None
        return self.handshake.headers

    def say(self, message: bytes | str) -> None:
        """Send a message."""
        if isinstance(message, str):
            self.speaks.send_text(message.encode())
        else:
            self.speaks.send_binary(message)
        self._turn()

    def close(self) -> None:
        """Begin the closing handshake."""
        self.speaks.send_close(1000, "bye")
        self._turn()

    def took(self, event: Any) -> None:
        """Take a head or a frame."""
        if isinstance(event, Frame):
            if event.opcode in (Opcode.TEXT, Opcode.BINARY):
                self.messages.append(bytes(event.data))
        else:
            self.handshake = event

    def _turn(self) -> None:
        for event in self.speaks.events_received():
            self.took(event)
        tcp: Any = self.transport
        for data in self.speaks.data_to_send():
            if data:
                tcp.write(data)
            else:
                tcp.loseConnection()
        self.changed()


class Caller(Speaker):
    """A client; it sends its handshake at once."""

    def __init__(self, origin: bytes | None, target: str) -> None:
        uri = parse_uri("ws://localhost" + target)
        told = None if origin is None else Origin(origin.decode())
        chat = [Subprotocol("chat")]
        self._client = ClientProtocol(uri, origin=told, subprotocols=chat, max_size=MOST_BYTES)
        super().__init__(self._client)

    def connectionMade(self) -> None:
        """Send the handshake."""
        self._client.send_request(self._client.connect())
        self._turn()


class Echo(Speaker):
    """A server that sends every message back."""

    def __init__(self) -> None:
        chat = [Subprotocol("chat")]
        self._server = ServerProtocol(subprotocols=chat, max_size=MOST_BYTES)
        super().__init__(self._server)

    def took(self, event: Any) -> None:
        """Take the handshake, or echo."""
        super().took(event)
        if isinstance(event, Request):
            self._server.send_response(self._server.accept(event))
        elif event.opcode is Opcode.TEXT:
            self._server.send_text(event.data)
        elif event.opcode is Opcode.BINARY:
            self._server.send_binary(event.data)


class EchoServer(Watched):
    """A server of WebSockets.

    Attributes:
        url: Its origin.
        speakers: Its side of every connection.
    """

    def __init__(self) -> None:
        super().__init__()
        self.url = ""
        self.speakers: list[Echo] = []
        self._port: Any = None

    async def start(self) -> EchoServer:
        """Listen."""
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self._port = await endpoint.listen(Factory.forProtocol(self._connected))
        self.url = f"http://127.0.0.1:{self._port.getHost().port}"
        return self

    async def stop(self) -> None:
        """End, and wait for the end of every connection."""
        await maybeDeferred(self._port.stopListening)
        await gatherResults([hang_up(speaker) for speaker in self.speakers])

    def _connected(self) -> Echo:
        self.speakers.append(Echo())
        return self.speakers[-1]


def hang_up(speaker: Speaker) -> Any:
    """Cut a connection, if it is there; return a Deferred of its end."""
    tcp: Any = speaker.transport
    if not speaker.lost:
        tcp.abortConnection()
    return speaker.when(lambda: speaker.lost)


async def call(port: int, origin: bytes | None, target: str = "/v1/x") -> Caller:
    """Return a client that has sent its handshake to a port."""
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    caller: Any = await endpoint.connect(Factory.forProtocol(lambda: Caller(origin, target)))
    assert isinstance(caller, Caller)
    return caller
