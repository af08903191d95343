"""The servers behind the gate: each reacts to requests as its case says."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from tests.differential.script import Move, Reaction, answer
from tests.differential.sockets import FakeSocket

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
"""What servers say the time is."""

FINE = answer(
    b"HTTP/1.1 200 OK\r\nDate: " + DATE + b"\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 4\r\n\r\nfine"
)

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9a-fA-F]+)[^\r\n]*\r\n")
_LAST = re.compile(rb"0+[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n")


class ServerEnd:
    """A server's end of one connection.

    Args:
        socket: The gate's end.
        port: The server's port.
        script: How the servers react to the requests that are still to come.
        cut: Cuts what is written into the reads of the gate; None for one read each.

    Attributes:
        label: The server, for a transcript.
        ended: Whether the server has closed or reset the connection.
    """

    def __init__(
        self,
        socket: FakeSocket,
        port: int,
        script: deque[Reaction],
        cut: Callable[[bytes], Iterable[bytes]] | None = None,
    ) -> None:
        self.socket = socket
        self.label = f"server {port}"
        self.ended = ""
        self._script = script
        self._cut = cut
        # Where the request that it reacts to begins, and the bytes behind its head; -1 for none.
        self._start = 0
        self._body = -1
        self._moves: deque[bytes | Move] = deque()
        self._raw = False

    def release(self) -> None:
        """Hold no more."""
        if self._moves and self._moves[0] is Move.HOLD:
            self._moves.popleft()

    def react(self, *, join: bool) -> bool:
        """Do the next thing, if it is time for it; return whether there was anything.

        Args:
            join: Whether all that is sent in a row goes in one write.
        """
        if self.ended or not self.socket.open:
            return False
        if self._moves:
            return self._move(join=join)
        if self._raw or self.socket.end:
            return False
        head_end = self.socket.sent.find(b"\r\n\r\n", self._start)
        if head_end < 0:
            return False
        self._body = head_end + 4
        self._moves.extend((self._script.popleft() if self._script else FINE).moves)
        return True

    def _move(self, *, join: bool) -> bool:
        move = self._moves[0]
        if move is Move.HOLD or (move is Move.WHOLE and self._request_end() < 0):
            return False
        self._moves.popleft()
        if isinstance(move, bytes):
            while join and self._moves and isinstance(more := self._moves[0], bytes):
                move += more
                self._moves.popleft()
            self._raw = self._raw or move.startswith(b"HTTP/1.1 101 ")
            self.socket.incoming.extend((move,) if self._cut is None else self._cut(move))
        elif move is Move.CLOSE:
            self.ended = "closed by the server"
            self.socket.incoming.append(b"")
        elif move is Move.RESET:
            self.ended = "reset by the server"
            self.socket.incoming.append(ConnectionResetError(104, "reset"))
        if not self._moves and not self._raw:
            # Bytes of a request that was answered early belong to it still.
            self._start = max(self._request_end(), self._body)
        return True

    def _request_end(self) -> int:
        """Return where the request ends; -1 where that has not come."""
        sent, body = bytes(self.socket.sent), self._body
        head = sent[self._start : body]
        if (length := _LENGTH.search(head)) is not None:
            end = body + int(length[1])
            return end if len(sent) >= end else -1
        if _CHUNKED.search(head) is None:
            return body
        at = body
        while (chunk := _CHUNK.match(sent, at)) is not None:
            if not int(chunk[1], 16):
                last = _LAST.match(sent, at)
                return -1 if last is None else last.end()
            at = chunk.end() + int(chunk[1], 16) + 2
        return -1


def describe(moves: Sequence[bytes | Move]) -> list[str]:
    """Return what a server does, a line for each thing, for a reader."""
    return [repr(move) if isinstance(move, bytes) else move.value for move in moves]
