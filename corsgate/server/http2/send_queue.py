"""What of a response has been written and not sent."""

from __future__ import annotations

from collections import deque

import attrs

from corsgate.message.headers import HeaderList

_PIECE_BYTES = 64
_FIELD_BYTES = 150

MAX_HEADS = 8
"""How many interim heads wait at most; those past it are dropped, as a client may do itself."""


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
    """A response on its way out, handed on as the client makes room for it.

    Attributes:
        pending: How many bytes of the body wait.
        taken_bytes: How many bytes of the body have been taken out.
        ended: Whether all of it has been put in.
        sent: Whether all of it, its end included, has been taken out.
    """

    def __init__(self) -> None:
        self.pending = self.taken_bytes = 0
        self.ended = False
        self.sent = False
        self._heads: list[HeaderList] = []
        self._pieces: deque[bytes | memoryview] = deque()
        self._trailers: HeaderList = []
        # What is still to be put in of a body whose length is known.
        self._left: int | None = None
        # What has left of the first piece, which takes memory until all of it has.
        self._spent = 0

    @property
    def waiting(self) -> bool:
        """Whether anything waits to be sent."""
        return bool(self._heads or self._pieces) or (self.ended and not self.sent)

    @property
    def short(self) -> bool:
        """Whether less of the body has been put in than its length says."""
        return self._left is not None and self._left > 0

    @property
    def held(self) -> int:
        """How many bytes of memory all that waits takes, about."""
        size = self.pending + self._spent + _PIECE_BYTES * len(self._pieces)
        for fields in self._heads:
            size += sum(len(name) + len(value) + _FIELD_BYTES for name, value in fields)
        return size

    def put_interim(self, fields: HeaderList) -> None:
        """Put an interim head in, unless too many wait already."""
        if len(self._heads) < MAX_HEADS:
            self._heads.append(fields)

    def put_head(self, fields: HeaderList, length: int | None = None) -> None:
        """Put the head in.

        Args:
            fields: Its fields.
            length: How many bytes of body follow, with which it ends; None where `end` ends it.
        """
        self._heads.append(fields)
        self._left = length
        if length == 0:
            self.end()

    def put(self, data: bytes) -> None:
        """Put a piece of the body in; what comes behind its end is dropped."""
        if not data or self.ended:
            return
        self._pieces.append(data)
        self.pending += len(data)
        if self._left is not None:
            self._left -= len(data)
            if self._left <= 0:
                self.end()

    def whole(self, size: int) -> HeaderList | None:
        """Return the head, if it and a body of so many bytes are the whole response.

        Returns:
            None where anything else waits or has left, or is still to come.
        """
        if self._left != size or len(self._heads) != 1 or self._pieces or self._trailers:
            return None
        return self._heads[0]

    def whole_left(self, size: int) -> None:
        """Record that the whole response has left, with a body of so many bytes."""
        self._heads.clear()
        self._left = 0
        self.taken_bytes = size
        self.ended = self.sent = True

    def end(self, trailers: HeaderList | None = None) -> None:
        """Put the end in; again changes nothing."""
        if not self.ended:
            self.ended = True
            self._trailers = trailers or []

    def take(self, room: int) -> Block | Piece | None:
        """Return what is to be sent next, which then counts as sent.

        Args:
            room: How many bytes of the body the client takes now.

        Returns:
            None where nothing waits, or there is no room for it.
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
            # A view, so that what is left isn't copied for each frame.
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
        """Record and return whether what was just taken is the last."""
        self.sent = self.ended and not (self._heads or self._pieces or self._trailers)
        return self.sent
