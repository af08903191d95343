"""Makes long responses in pieces, so that the gate's clients are served in between."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from corsgate.admin.resource import AdminResource, fail, respond
from corsgate.server.request import GateRequest

AT_ONCE: Final = 20
"""How many routes or servers are rendered in one turn of the reactor: a few milliseconds."""

_T = TypeVar("_T")


class Turns:
    """Makes long responses one after the other, one piece in each turn of the reactor.

    So several at the same time delay the gate's clients no longer than one.

    Args:
        reactor: Runs the turns.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._lock = DeferredLock()

    async def join(self, pieces: Iterable[bytes]) -> bytes:
        """Return all pieces, joined."""
        async with self._lock:
            found = []
            for piece in pieces:
                found.append(piece)
                await deferLater(self._reactor, 0)
            return b"".join(found)

    async def take(self, work: Callable[[], _T]) -> _T:
        """Do one piece of work in a separate turn; return its result."""
        async with self._lock:
            await deferLater(self._reactor, 0)
            return work()


class LongResource(AdminResource):
    """An address whose response takes many turns of the reactor.

    Args:
        turns: Runs the turns.
        begin: Returns the content type and the pieces of the body for a request.
    """

    def __init__(
        self,
        turns: Turns,
        begin: Callable[[GateRequest], tuple[bytes, Iterator[bytes]]],
    ) -> None:
        super().__init__()
        self._turns = turns
        self._begin = begin

    def serve(self, request: GateRequest) -> None:
        """Respond when all pieces are ready."""
        content_type, pieces = self._begin(request)
        writing = Deferred.fromCoroutine(self._turns.join(pieces))
        # If the client disconnects, cancel it.
        request.on_lost = writing.cancel
        writing.addCallback(lambda body: respond(request, content_type, body))
        writing.addErrback(lambda failure: fail(request, failure))


def batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    """Return items in lists of at most `AT_ONCE`."""
    left = iter(items)
    while batch := list(islice(left, AT_ONCE)):
        yield batch


def json_pieces(value: Any) -> Iterator[bytes]:
    """Return the JSON of a value in pieces.

    Args:
        value: A value for `json.dumps`. It may also be or contain an iterator, which becomes an
            array with `AT_ONCE` entries in each piece.
    """
    if isinstance(value, Iterator):
        yield b"["
        comma = b""
        for batch in batches(value):
            yield comma + json.dumps(batch)[1:-1].encode("ascii")
            comma = b", "
        yield b"]"
    elif isinstance(value, Mapping) and _has_iterator(value):
        opening = "{"
        for key, content in value.items():
            yield f"{opening}{json.dumps(key)}: ".encode("ascii")
            yield from json_pieces(content)
            opening = ", "
        yield b"}"
    else:
        yield json.dumps(value).encode("ascii")


def _has_iterator(value: Mapping[str, Any]) -> bool:
    return any(
        isinstance(each, Iterator) or (isinstance(each, Mapping) and _has_iterator(each))
        for each in value.values()
    )
