"""An upstream that keeps every byte and answers by a corpus, and a client that sends one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from corsgate.message.headers import index_headers
from tests.corpus.judge import Judged, read_request
from tests.peers import Client, Watched, reactor, response

FINE = b"GET /fine HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""A good request, whose answer shows that the gate still serves."""

FINE_ANSWER = response(headers=[(b"X-Fine", b"yes")], body=b"fine")


@attrs.frozen(kw_only=True)
class Script:
    """How the upstream answers a row's requests.

    Attributes:
        answer: The bytes; None for a 200 whose body is the request's target.
        ends: What it does behind them: ``keep``, ``close`` or ``reset`` the connection.
        step: How many bytes it sends at a time, 0 for all at once.
        early: Whether it answers once the head has come.
    """

    answer: bytes | None = None
    ends: str = "keep"
    step: int = 0
    early: bool = False


class _Connection(Protocol, Watched):
    """One of the gate's connections to the recorder."""

    def __init__(self, recorder: Recorder) -> None:
        Watched.__init__(self)
        self._recorder = recorder
        self._taken = 0
        self._invited = self._answered = False
        self.data = b""
        self.lost = False

    def connectionMade(self) -> None:
        tcp: Any = self.transport
        tcp.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        while (found := read_request(self.rest)) is not None:
            if not found.whole:
                self._begin(found)
                break
            self._taken += found.size
            self._recorder.take(self, found, answered=self._answered)
            self._invited = self._answered = False

    @property
    def rest(self) -> bytes:
        """What came behind the last whole request."""
        return self.data[self._taken :]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True
        self.changed()

    def gone(self) -> Deferred[bool]:
        """Return a Deferred that fires when the gate has closed the connection."""
        return self.when(lambda: self.lost)

    def close(self) -> Deferred[bool]:
        """Leave at once."""
        tcp: Any = self.transport
        if not self.lost:
            tcp.abortConnection()
        return self.gone()

    async def answer(self, script: Script) -> None:
        """Send what a script says, as long as the gate takes it."""
        tcp: Any = self.transport
        self._recorder.answering += 1
        for piece in pieces(script.answer or b"", script.step):
            if not self.lost:
                tcp.write(piece)
                await turn()
        if script.ends == "close":
            tcp.loseConnection()
        elif script.ends == "reset" and not self.lost:
            tcp.abortConnection()
        # The gate reads it, and draws its conclusions.
        await turn()
        await turn()
        self._recorder.answering -= 1
        self._recorder.changed()

    def _begin(self, found: Judged) -> None:
        """Respond to a request early, or ask for its body that is held back (RFC 9110 10.1.1)."""
        expects = index_headers(found.fields).get(b"expect") == [b"100-continue"]
        if self._recorder.script.early and not self._answered:
            self._answered = True
            Deferred.fromCoroutine(self.answer(self._recorder.script))
        elif expects and not self._invited:
            self._invited = True
            tcp: Any = self.transport
            tcp.write(b"HTTP/1.1 100 Continue\r\n\r\n")


class Recorder(Watched):
    """A server that keeps what came.

    Args:
        script: How it answers.

    Attributes:
        requests: The whole requests in order, except for `FINE`.
        connections: Every connection that was made.
        served: For each request, `FINE` too, the connection it came on.
        answering: How many answers are being sent.
    """

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script
        self.requests: list[Judged] = []
        self.connections: list[_Connection] = []
        self.served: list[_Connection] = []
        self.authority = b""
        self.answering = 0
        self._port: Any = None

    async def start(self) -> Recorder:
        """Listen."""
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self._port = await endpoint.listen(Factory.forProtocol(self._connected))
        self.authority = b"127.0.0.1:%d" % self._port.getHost().port
        return self

    def take(self, connection: _Connection, request: Judged, *, answered: bool) -> None:
        """Keep a whole request, and return it unless that was done before."""
        self.served.append(connection)
        script = self.script
        if request.target == b"/fine":
            script = Script(answer=FINE_ANSWER)
        else:
            self.requests.append(request)
            if script.answer is None:
                script = attrs.evolve(script, answer=response(body=request.target))
        if not answered:
            Deferred.fromCoroutine(connection.answer(script))

    def done(self) -> Deferred[bool]:
        """Return a Deferred that fires when all answers have been sent."""
        return self.when(lambda: not self.answering)

    async def stop(self) -> None:
        """End, and wait for the end of every connection."""
        await maybeDeferred(self._port.stopListening)
        await gatherResults([each.close() for each in self.connections])
        await self.done()

    def _connected(self) -> _Connection:
        connection = _Connection(self)
        self.connections.append(connection)
        return connection


async def send(client: Client, data: bytes, step: int = 0) -> None:
    """Send bytes, some at a time, as long as the gate takes them."""
    tcp: Any = client.transport
    tcp.setTcpNoDelay(True)
    for piece in pieces(data, step):
        if client.outcome:
            return
        client.send(piece)
        await turn()


def pieces(data: bytes, step: int) -> Iterator[bytes]:
    """Return bytes cut into pieces of a size; in one where it is 0."""
    for at in range(0, len(data), step or len(data) or 1):
        yield data[at : at + (step or len(data))]


def turn() -> Deferred[None]:
    """Return a Deferred that fires when the reactor has looked at its sockets."""
    return deferLater(reactor, 0, lambda: None)
