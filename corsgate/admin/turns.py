"""Long responses, made in pieces so that the gate's clients are served in between."""

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
"""How many routes or servers are worked out in one turn of the reactor: some milliseconds."""

_T = TypeVar("_T")


class Turns:
    """Works long responses out, one after the other: a piece in each turn of the reactor.

    So many of them at once keep the gate's clients waiting no longer than a single one.

    Args:
        reactor: Takes the turns.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._lock = DeferredLock()

    async def join(self, pieces: Iterable[bytes]) -> bytes:
        """Return all pieces together."""
        async with self._lock:
            found = []
            for piece in pieces:
                found.append(piece)
                await deferLater(self._reactor, 0)
            return b"".join(found)

    async def take(self, work: Callable[[], _T]) -> _T:
        """Return what one piece of work returns, in a turn of its own."""
        async with self._lock:
            await deferLater(self._reactor, 0)
            return work()


class LongResource(AdminResource):
    """An address whose response takes many turns of the reactor.

    Args:
        turns: Takes the turns.
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
        """Respond once all pieces are there."""
        content_type, pieces = self._begin(request)
        writing = Deferred.fromCoroutine(self._turns.join(pieces))
        # A client that leaves ends it.
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
        value: As for `json.dumps`; an iterator, also one in a dictionary, becomes an array, of
            which each piece has `AT_ONCE` entries.
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
