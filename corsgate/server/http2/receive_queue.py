"""The body of a stream's request, and how much more of it the client may send."""

from __future__ import annotations

from collections.abc import Callable

from corsgate.errors import MalformedRequest
from corsgate.message.framing import CHUNKED
from corsgate.message.headers import HeaderList
from corsgate.server.http2.fields import read_trailers
from corsgate.server.http2.receive_window import ReceiveWindow
from corsgate.server.request_body import RequestBody


class ReceiveQueue:
    """A request's body being received. The window grows again as the body is read.

    Args:
        ended: Whether the client has ended its side of the stream.

    Attributes:
        body: The body; None if the request has none, or its stream is gone.
        ended: Whether the client has ended its side of the stream.
        received: How many bytes of the body have arrived.
    """

    def __init__(self, *, ended: bool) -> None:
        self.body: RequestBody | None = None
        self.ended = ended
        self.received = 0
        self._window: ReceiveWindow | None = None

    def open(self, length: int, window: ReceiveWindow, changed: Callable[[], None]) -> RequestBody:
        """Return the body, which is about to be received.

        Args:
            length: Its length in bytes; `CHUNKED` if that is unknown.
            window: How many bytes may arrive before they are read.
            changed: Called when its receiver pauses, resumes or drops it.
        """
        body = RequestBody(None if length == CHUNKED else length, window.size, changed)
        if self.ended:
            body.ended()
        self.body = body
        self._window = window
        return body

    def close(self) -> None:
        """Drop the body, since its stream is gone."""
        if self._window is not None:
            self._window.close()
        self.body = self._window = None

    def put(self, data: bytes, size: int, *, ended: bool) -> None:
        """Receive a piece of the body.

        Args:
            data: The piece; it may be empty.
            size: How many bytes of the window it uses, including padding.
            ended: Whether it is the last.

        Raises:
            MalformedRequest: The body's length differs from Content-Length.
        """
        self.received += len(data)
        self.ended = ended
        self._check_length()
        body, window = self.body, self._window
        if body is None or window is None:
            return
        window.received(size)
        if data:
            body.data_received(data)
        if body.held:
            window.lags()
        if ended:
            window.close()
            # The receiver of the piece may have ended the stream, which drops the body.
            body.ended()

    def put_trailers(self, fields: HeaderList) -> None:
        """Receive the trailers, which end the body.

        Raises:
            MalformedRequest: A field is not allowed there, or the body is too short.
        """
        self.ended = True
        trailers = read_trailers(fields)
        self._check_length()
        if self.body is not None and self._window is not None:
            self._window.close()
            self.body.ended(trailers)

    @property
    def awaited(self) -> bool:
        """Whether the client is expected to send more of the body now."""
        body, window = self.body, self._window
        if body is None or window is None or self.ended or body.awaits_continue:
            return False
        discarded = body.started and not body.has_receiver
        return not (discarded or window.is_full)

    def take_credit(self) -> int:
        """Return by how many bytes to enlarge the window, and record that this was done.

        It is 0 until half of the window has been read.
        """
        body, window = self.body, self._window
        if body is None or window is None or self.ended:
            return 0
        return window.take_credit() if body.has_receiver and body.wants_data else 0

    def _check_length(self) -> None:
        """Compare the body with the announced length (RFC 9113 8.1.1)."""
        length = None if self.body is None else self.body.length
        if length is not None and (
            self.received > length or (self.ended and self.received < length)
        ):
            raise MalformedRequest("Content-Length is not the number of the body's bytes")
