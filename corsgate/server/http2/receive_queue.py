"""What of a request's body has come on a stream, and how much more of it may come."""

from __future__ import annotations

from collections.abc import Callable

from corsgate.errors import MalformedRequest
from corsgate.message.framing import CHUNKED
from corsgate.message.headers import HeaderList
from corsgate.server.http2.fields import read_trailers
from corsgate.server.request_body import RequestBody


class ReceiveQueue:
    """A request's body on its way in, for which room is made as it is taken.

    Args:
        window: How many bytes may come before they are taken.
        ended: Whether the client sends nothing more.

    Attributes:
        body: The body; None where the request has none, or its stream is gone.
        ended: Whether the client sends nothing more.
        received: How many bytes of the body have come.
    """

    def __init__(self, window: int, *, ended: bool) -> None:
        self.body: RequestBody | None = None
        self.ended = ended
        self.received = 0
        self._window = window
        # What has come, padding included, and may not come again yet.
        self._uncredited = 0

    def open(self, length: int | None, changed: Callable[[], None]) -> RequestBody | None:
        """Return the body, which begins to come in.

        Args:
            length: Its length in bytes, `CHUNKED` where that is not known, or None where there
                is no body.
            changed: Called when its receiver pauses, resumes or drops it.
        """
        if length is None:
            return None
        body = RequestBody(None if length == CHUNKED else length, self._window, changed)
        if self.ended:
            body.ended()
        self.body = body
        return body

    def put(self, data: bytes, size: int, *, ended: bool) -> None:
        """Take a piece of the body.

        Args:
            data: The piece, perhaps empty.
            size: What it takes of the window, padding included.
            ended: Whether it is the last.

        Raises:
            MalformedRequest: The body is not as long as was said.
        """
        self.received += len(data)
        self._uncredited += size
        self.ended = ended
        self._check_length()
        body = self.body
        if body is None:
            return
        if data:
            body.data_received(data)
        if ended:
            # Whoever took the piece may have ended the stream, which lets go of the body.
            body.ended()

    def put_trailers(self, fields: HeaderList) -> None:
        """Take the fields behind the body, which end it.

        Raises:
            MalformedRequest: One has no place there, or the body is too short.
        """
        self.ended = True
        trailers = read_trailers(fields)
        self._check_length()
        if self.body is not None:
            self.body.ended(trailers)

    @property
    def awaited(self) -> bool:
        """Whether it is the client's turn to send more of the body."""
        body = self.body
        if body is None or self.ended or body.awaits_continue:
            return False
        discarded = body.started and not body.has_receiver
        return not discarded and self._uncredited < self._window

    def take_credit(self) -> int:
        """Return how many bytes more the client may send, which then counts as said.

        It is 0 until half of the window has been taken.
        """
        body = self.body
        taken = body is not None and body.has_receiver and body.wants_data
        if not taken or self.ended or self._uncredited < self._window // 2:
            return 0
        credit, self._uncredited = self._uncredited, 0
        return credit

    def _check_length(self) -> None:
        """Compare the body with the announced length (RFC 9113 8.1.1)."""
        length = None if self.body is None else self.body.length
        if length is not None and (
            self.received > length or (self.ended and self.received < length)
        ):
            raise MalformedRequest("Content-Length is not the number of the body's bytes")
