"""The part of a response that has been written but not sent."""

from __future__ import annotations

from collections import deque

import attrs

from corsgate.message.headers import HeaderList

_PIECE_BYTES = 64
_FIELD_BYTES = 150

MAX_HEADS = 8
"""How many interim heads wait at most. Further ones are dropped, as a client may also do."""


@attrs.frozen(eq=False)
class Block:
    """A field block to send: an interim head, the head, or trailers."""

    fields: HeaderList
    end: bool


@attrs.frozen(eq=False)
class Piece:
    """A piece of the body to send."""

    data: bytes | memoryview
    end: bool


class SendQueue:
    """A response being sent, as fast as the client enlarges its window.

    Attributes:
        pending: How many bytes of the body are waiting.
        taken_bytes: How many bytes of the body have been sent.
        ended: Whether the complete response has been put in.
        sent: Whether the complete response, including its end, has been sent.
    """

    def __init__(self) -> None:
        self.pending = self.taken_bytes = 0
        self.ended = False
        self.sent = False
        self._heads: list[HeaderList] = []
        self._pieces: deque[bytes | memoryview] = deque()
        self._trailers: HeaderList = []
        # How many bytes of a body of known length have not been put in yet.
        self._left: int | None = None
        # Sent bytes of the first piece, which take memory until all of it has been sent.
        self._spent = 0

    @property
    def waiting(self) -> bool:
        """Whether anything is waiting to be sent."""
        return bool(self._heads or self._pieces) or (self.ended and not self.sent)

    @property
    def short(self) -> bool:
        """Whether the body is still shorter than its declared length."""
        return self._left is not None and self._left > 0

    @property
    def held(self) -> int:
        """Approximately how many bytes of memory everything waiting takes."""
        size = self.pending + self._spent + _PIECE_BYTES * len(self._pieces)
        for fields in self._heads:
            size += sum(len(name) + len(value) + _FIELD_BYTES for name, value in fields)
        return size

    def put_interim(self, fields: HeaderList) -> None:
        """Add an interim head, unless too many are already waiting."""
        if len(self._heads) < MAX_HEADS:
            self._heads.append(fields)

    def put_head(self, fields: HeaderList, length: int | None = None) -> None:
        """Add the head.

        Args:
            fields: Its fields.
            length: The number of bytes of body after which it ends; None if `end` ends it.
        """
        self._heads.append(fields)
        self._left = length
        if length == 0:
            self.end()

    def put(self, data: bytes) -> None:
        """Add a piece of the body. Anything after its end is dropped."""
        if not data or self.ended:
            return
        self._pieces.append(data)
        self.pending += len(data)
        if self._left is not None:
            self._left -= len(data)
            if self._left <= 0:
                self.end()

    def whole(self, size: int) -> HeaderList | None:
        """Return the head, if it and a body of `size` bytes are the complete response.

        Returns:
            The head's fields; None if anything else is waiting, was sent or is still missing.
        """
        if self._left != size or len(self._heads) != 1 or self._pieces or self._trailers:
            return None
        return self._heads[0]

    def whole_left(self, size: int) -> None:
        """Record that the complete response was sent, with a body of `size` bytes."""
        self._heads.clear()
        self._left = 0
        self.taken_bytes = size
        self.ended = self.sent = True

    def end(self, trailers: HeaderList | None = None) -> None:
        """Add the end. Repeated calls change nothing."""
        if not self.ended:
            self.ended = True
            self._trailers = trailers or []

    def take(self, room: int) -> Block | Piece | None:
        """Remove and return the next item to send.

        Args:
            room: How many bytes of the body the window allows now.

        Returns:
            The item; None if nothing is waiting, or there is no room for it.
        """
        if self._heads:
            fields = self._heads.pop(0)
            return Block(fields, self._ends_here())
        if self._pieces:
            return self._take_piece(room) if room > 0 else None
        if not self.ended or self.sent:
            return None
        self.sent = True
        return Block(self._trailers, True) if self._trailers else Piece(b"", True)

    def _take_piece(self, room: int) -> Piece:
        data = self._pieces.popleft()
        if len(data) > room:
            # Use a view, so that the rest isn't copied for each frame.
            data = memoryview(data)
            self._pieces.appendleft(data[room:])
            data = data[:room]
            self._spent += room
        else:
            self._spent = 0
        self.pending -= len(data)
        self.taken_bytes += len(data)
        return Piece(data, self._ends_here())

    def _ends_here(self) -> bool:
        """Record and return whether the item just removed is the last."""
        self.sent = self.ended and not (self._heads or self._pieces or self._trailers)
        return self.sent
