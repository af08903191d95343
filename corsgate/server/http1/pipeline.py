"""Read a client's requests, a few ahead of the one that is being served."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.python.failure import Failure

from corsgate.config.model.values import Limits
from corsgate.errors import TargetError
from corsgate.message.framing import CHUNKED
from corsgate.message.headers import HeaderList
from corsgate.server.http1.parser import RequestParser
from corsgate.server.http1.states import State
from corsgate.server.memory_budget import REQUEST_BYTES
from corsgate.server.parsed_request import ParsedRequest, Refusal
from corsgate.server.request_body import RequestBody
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.read_size import USUAL_BYTES, ReadSize

# One request is parsed ahead, along with any others in the same step. One read may contain
# thousands, and a request takes far more memory parsed than unparsed. So a step ends where a head
# ends, except that very small heads are parsed together to save time.
_HEAD_STEP = 4 * 1024
_SMALL_STEP = 256
_HEAD_END = b"\r\n\r\n"
_BODY_STEP = 32 * 1024


class Pipeline:
    """What a client sent that has not been served yet: bytes, requests, and an incomplete body.

    Args:
        limits: Bounds on heads and on buffered bytes of a body.
        changed: Called when a body's receiver pauses, resumes or drops it.
        shortcuts: Which shortcuts to take.
        read_size: How many bytes are read from the client at once, if that may change.

    Attributes:
        parser: The parser of the bytes.
        queue: The waiting requests, each with its body.
        unread: The bytes that have not been parsed.
        body: The body being received; None if the last message is complete.
        broken: Whether the bytes were not HTTP, so that no other request can follow.
        fresh: Whether no request has arrived yet.
    """

    def __init__(
        self,
        limits: Limits,
        changed: Callable[[], None],
        shortcuts: Shortcuts = ALL,
        read_size: ReadSize | None = None,
    ) -> None:
        self.body: RequestBody | None = None
        self.broken = False
        self.fresh = True
        self._limits = limits
        self._changed = changed
        self._read_size = read_size
        # Whether the read size grew for the current body.
        self._grows = False
        self.parser = RequestParser(self, limits, shortcuts)
        self.queue: deque[tuple[ParsedRequest, RequestBody | None]] = deque()
        self.unread = b""

    @property
    def in_head(self) -> bool:
        """Whether a head has begun and not ended."""
        return self.parser.state is State.HEAD

    @property
    def pending(self) -> bool:
        """Whether a request is waiting, or bytes that may become one."""
        return bool(self.queue or self.unread)

    def held_with(self, body: RequestBody | None) -> int:
        """Return approximately how many bytes of memory everything waiting takes.

        Args:
            body: The body of the request being served; it may be complete.
        """
        waiting = self.pending or self.in_head
        if not waiting and body is None and self.body is None:
            return 0
        bodies = {body, self.body}
        held = 0
        if waiting:
            bodies.update(body for _, body in self.queue)
            held = len(self.unread) + self.parser.held + REQUEST_BYTES * len(self.queue)
        return held + sum([body.held for body in bodies if body is not None])

    @property
    def has_room(self) -> bool:
        """Whether more may be read from the client."""
        full = self.pending or self.parser.state is State.OFFERED
        return not full and (self.body is None or self.body.wants_data)

    def feed(self, data: bytes) -> None:
        """Add bytes, which `advance` parses."""
        self.unread = self.unread + data if self.unread else data

    def advance(self) -> bool:
        """Parse the next step, if there is something to parse and room for it.

        Returns:
            Whether anything was parsed.
        """
        unread, parser = self.unread, self.parser
        state = parser.state
        if not unread or self.queue or state is State.OFFERED:
            return False
        # Bytes that arrive during parsing are added after the rest.
        self.unread = b""
        size = len(unread)
        if state is State.BETWEEN:
            used = parser.read_message(unread)
            if 0 < used < min(size, _SMALL_STEP) and parser.state is State.BODY:
                # Chunks that arrived with a small head are parsed before the request is passed on.
                end = min(size, _SMALL_STEP)
                parser.parse(unread[used:end])
                used = end
        else:
            used = parser.read_body(unread)
        if not used:
            used = min(self._step(unread), size)
            parser.parse(unread if used == size else unread[:used])
        if used < size:
            self.unread = unread[used:] + self.unread
        return True

    def refuse(self, refusal: Refusal) -> None:
        """Replace the head being received with a refusal."""
        self.parser.refuse(refusal)

    def go_on(self) -> None:
        """Continue in HTTP after an offer to switch that was not accepted."""
        self.parser.go_on()

    def switch(self) -> bytes:
        """Stop parsing, and return the bytes of the other protocol received so far."""
        unread, self.unread = self.unread, b""
        return self.parser.switch() + unread

    def rest(self) -> None:
        """Forget the last head. Call this only between requests."""
        self.parser.forget()

    def clear(self) -> None:
        """Drop everything that waits, since the client is gone."""
        self.queue.clear()
        self.unread = b""

    def end(self) -> None:
        """Drop the reference to the channel, which would leave a cycle to the GC."""
        self.body = None
        self.parser.end()
        del self._changed

    def _step(self, unread: bytes) -> int:
        """Return how many bytes to parse: at most up to the possible end of the message."""
        most = _HEAD_STEP if self.body is None else _BODY_STEP
        # The last chunk and the trailers end like a head.
        end = unread.find(_HEAD_END, 0, most)
        return most if end < 0 else max(end + len(_HEAD_END), _SMALL_STEP)

    # Called by the parser.

    def request_read(self, request: ParsedRequest) -> None:
        """Queue a request."""
        self.fresh = False
        body: RequestBody | None = None
        if request.length is not None:
            length = None if request.length == CHUNKED else request.length
            body = RequestBody(length, self._limits.max_buffered_bytes, self._flow_changed)
        self.body = body
        self.queue.append((request, body))

    def body_read(self, data: bytes) -> None:
        """Receive a piece of the body."""
        body = self.body
        if body is None:
            return
        body.data_received(data)
        if len(data) >= USUAL_BYTES and body.wants_data:
            if self._read_size is not None:
                self._grows = True
                self._read_size.grow(len(data))
        elif self._grows:
            self._shrink()

    def body_complete(self, trailers: HeaderList) -> None:
        """End the body."""
        body, self.body = self.body, None
        if self._grows:
            self._shrink()
        if body is not None:
            body.ended(trailers)

    def body_broken(self, detail: str) -> None:
        """Fail the body, and its request with it, because it is malformed."""
        self.broken = True
        body, self.body = self.body, None
        if self._grows:
            self._shrink()
        if body is not None:
            body.fail(Failure(TargetError(detail)))

    def _flow_changed(self) -> None:
        """Report that a body's receiver pauses, resumes or drops it."""
        if self._grows and self.body is not None and not self.body.wants_data:
            self._shrink()
        self._changed()

    def _shrink(self) -> None:
        """Return to the usual read size, since the body has paused or ended."""
        self._grows = False
        if self._read_size is not None:
            self._read_size.reset()
