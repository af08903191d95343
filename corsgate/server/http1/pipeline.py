"""A client's requests, read a few ahead of the one that is being served."""

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

# One request is parsed ahead, with what else the same step holds. One read may hold thousands, and
# each takes far more memory parsed than unparsed. So a step ends with a head, unless that is so
# small that a step for each would cost too much.
_HEAD_STEP = 4 * 1024
_SMALL_STEP = 256
_HEAD_END = b"\r\n\r\n"
_BODY_STEP = 32 * 1024


class Pipeline:
    """What a client has sent that is still to be served: bytes, heads, and the body coming in.

    Args:
        limits: Bounds on heads and on what is kept of a body.
        changed: Called when a body's receiver pauses, resumes or drops it.
        shortcuts: Which ones are taken.
        read_size: How much of the client is read at once, if that may change.

    Attributes:
        parser: What the bytes go through.
        queue: The requests that wait, each with its body.
        unread: The bytes that wait.
        body: The body that is coming in; None where the last message is complete.
        broken: Whether what came is no HTTP, so that no other request will follow.
        fresh: Whether no request has come yet.
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
        # Whether that was asked to grow for the body that is coming in.
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
        """Whether a request, or what may become one, waits."""
        return bool(self.queue or self.unread)

    def held_with(self, body: RequestBody | None) -> int:
        """Return how many bytes of memory all that waits takes, about.

        Args:
            body: That of the request being answered, which may have come in whole.
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
        """Take bytes; `advance` parses them."""
        self.unread = self.unread + data if self.unread else data

    def advance(self) -> bool:
        """Parse a step further, where there is something to parse and room for it.

        Returns:
            Whether there was.
        """
        unread, parser = self.unread, self.parser
        state = parser.state
        if not unread or self.queue or state is State.OFFERED:
            return False
        # Bytes that arrive during the parsing are added behind the rest.
        self.unread = b""
        size = len(unread)
        if state is State.BETWEEN:
            used = parser.read_message(unread)
            if 0 < used < min(size, _SMALL_STEP) and parser.state is State.BODY:
                # Chunks that came with a small head are read before the request is handed on.
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
        """Put a refusal in the place of the head that is coming in."""
        self.parser.refuse(refusal)

    def go_on(self) -> None:
        """Read on in HTTP behind an offer to switch that was not taken up."""
        self.parser.go_on()

    def switch(self) -> bytes:
        """Read no more, and return what has come of the other protocol."""
        unread, self.unread = self.unread, b""
        return self.parser.switch() + unread

    def rest(self) -> None:
        """Remember no head; none is coming in."""
        self.parser.forget()

    def clear(self) -> None:
        """Forget what waits: the client is gone."""
        self.queue.clear()
        self.unread = b""

    def end(self) -> None:
        """Let go of the channel, which knows this: a cycle would be left to the collector."""
        self.body = None
        self.parser.end()
        del self._changed

    def _step(self, unread: bytes) -> int:
        """Return how many bytes to parse: no more than the message that comes in may have left."""
        most = _HEAD_STEP if self.body is None else _BODY_STEP
        # The last chunk and the trailers end like a head.
        end = unread.find(_HEAD_END, 0, most)
        return most if end < 0 else max(end + len(_HEAD_END), _SMALL_STEP)

    # What the parser calls.

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
        """Take a piece of the body."""
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
        """Take the end of the body."""
        body, self.body = self.body, None
        if self._grows:
            self._shrink()
        if body is not None:
            body.ended(trailers)

    def body_broken(self, detail: str) -> None:
        """Record that the body breaks off; it takes its request with it."""
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
        """Read as much as usual at once: the body does not flow any more, or has ended."""
        self._grows = False
        if self._read_size is not None:
            self._read_size.reset()
