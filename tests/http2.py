"""An HTTP/2 client on a real socket, made with h2 and without the gate's own code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from corsgate.message.headers import Header, HeaderIndex, HeaderList, index_headers
from tests.peers import Watched

GOAWAY = 7


@attrs.define
class Answer:
    """The response on one stream, as far as it is received."""

    status: int = 0
    headers: HeaderList = attrs.Factory(list)
    interim: list[HeaderList] = attrs.Factory(list)
    body: bytearray = attrs.Factory(bytearray)
    trailers: HeaderList = attrs.Factory(list)
    ended: bool = False
    reset: int | None = None
    unread: int = 0

    @property
    def fields(self) -> HeaderIndex:
        """The head's values by name."""
        return index_headers(self.headers)

    def one(self, name: bytes) -> bytes:
        """Return the only value of a field."""
        (value,) = self.fields[name]
        return value


class Http2Peer(Protocol, Watched):
    """A client's connection.

    Attributes:
        answers: The responses by stream.
        reads: Whether it opens its windows again as bodies arrive.
        lost: Whether the connection is gone.
        goaways: The last stream that each GOAWAY named.
    """

    def __init__(self) -> None:
        Watched.__init__(self)
        self.answers: dict[int, Answer] = {}
        self.reads = True
        self.lost = False
        self.goaways: list[int] = []
        self._unread = b""
        self.connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._uploads: dict[int, memoryview] = {}

    def connectionMade(self) -> None:
        """Greet."""
        self.connection.initiate_connection()
        self._flush()

    def dataReceived(self, data: bytes) -> None:
        """Take what the gate sends, except for GOAWAY, at which h2 would drop all streams."""
        self._unread += data
        while len(self._unread) >= 9:
            end = 9 + int.from_bytes(self._unread[:3])
            if len(self._unread) < end:
                break
            frame, self._unread = self._unread[:end], self._unread[end:]
            if frame[3] == GOAWAY:
                self.goaways.append(int.from_bytes(frame[9:13]))
                continue
            for event in self.connection.receive_data(frame):
                self._take(event)
        for number in list(self._uploads):
            self._upload(number)
        self._flush()
        self.changed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell who waits."""
        self.lost = True
        self.changed()

    def ask(
        self,
        target: bytes = b"/v1/x",
        headers: Iterable[Header] = (),
        *,
        method: bytes = b"GET",
        body: bytes | None = None,
        host: bytes = b"gate.test",
    ) -> int:
        """Send a request, and its body as far as the windows allow; return the stream's number."""
        number: int = self.connection.get_next_available_stream_id()
        pseudo = [(b":method", method), (b":scheme", b"https"), (b":authority", host)]
        fields = [*pseudo, (b":path", target), *headers]
        self.answers[number] = Answer()
        self.connection.send_headers(number, fields, end_stream=body is None)
        if body is not None:
            self._uploads[number] = memoryview(body)
            self._upload(number)
        self._flush()
        return number

    def unsent(self, number: int) -> int:
        """Return how many bytes of a body wait for a window."""
        return len(self._uploads.get(number, b""))

    def reset(self, number: int) -> None:
        """Reset a stream."""
        self.connection.reset_stream(number, 8)
        self._uploads.pop(number, None)
        self._flush()

    def read_on(self) -> None:
        """Open all windows again."""
        self.reads = True
        for number, answer in self.answers.items():
            if answer.unread:
                self.connection.acknowledge_received_data(answer.unread, number)
                answer.unread = 0
        self._flush()

    def whole(self, number: int) -> Deferred[Answer]:
        """Return a Deferred of a response that has ended, complete or not."""
        answer = self.answers[number]

        def whole() -> Answer | None:
            done = answer.ended or answer.reset is not None or self.lost
            return answer if done else None

        return self.when(whole)  # type: ignore[arg-type]  # it waits for one that is not None

    def close(self) -> Deferred[bool]:
        """Reset the connection, whatever is in progress."""
        if not self.lost:
            self._tcp.abortConnection()
        return self.when(lambda: self.lost)

    @property
    def _tcp(self) -> Any:
        return self.transport

    def _flush(self) -> None:
        if not self.lost:
            self._tcp.write(self.connection.data_to_send())

    def _take(self, event: Event) -> None:
        answer = self.answers.get(getattr(event, "stream_id", None) or 0, Answer())
        if isinstance(event, ResponseReceived):
            (_, status), *answer.headers = _plain(event.headers)
            answer.status = int(status)
        elif isinstance(event, InformationalResponseReceived):
            answer.interim.append(_plain(event.headers))
        elif isinstance(event, TrailersReceived):
            answer.trailers = _plain(event.headers)
        elif isinstance(event, DataReceived):
            answer.body += event.data or b""
            answer.unread += event.flow_controlled_length or 0
            if self.reads:
                self.connection.acknowledge_received_data(answer.unread, event.stream_id or 0)
                answer.unread = 0
        elif isinstance(event, StreamEnded):
            answer.ended = True
        elif isinstance(event, StreamReset):
            answer.reset = int(event.error_code or 0)
            self._uploads.pop(event.stream_id, None)
        elif isinstance(event, WindowUpdated):
            self.changed()

    def _upload(self, number: int) -> None:
        connection, body = self.connection, self._uploads[number]
        while body:
            room = min(connection.local_flow_control_window(number), 16384)
            if not room:
                break
            connection.send_data(number, bytes(body[:room]))
            body = body[room:]
        self._uploads[number] = body
        if not body:
            del self._uploads[number]
            connection.end_stream(number)


def _plain(fields: Any) -> HeaderList:
    return [(bytes(name), bytes(value)) for name, value in fields or ()]
