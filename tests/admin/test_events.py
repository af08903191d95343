"""Server-sent events with the status, over sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.task import Clock

from corsgate.admin.events import MAX_PAUSE_S, MAX_WATCHERS, Events
from corsgate.admin.turns import Turns
from corsgate.server.request import GateRequest
from tests.admin.support import ADMIN, AdminTestCase, port_of
from tests.peers import Client, Watched, reactor, request

EVENTS = b"/api/events"


class WatchedEvents(Events, Watched):
    """Events whose watchers can be waited for."""

    def __init__(self, *arguments: Any) -> None:
        Watched.__init__(self)
        Events.__init__(self, *arguments)

    def serve(self, request: GateRequest) -> None:
        """Report a change."""
        super().serve(request)
        self.changed()

    def _write(self, event: bytes, *, whole: bool) -> None:
        super()._write(event, whole=whole)
        self.changed()

    def _leave(self, watcher: Any) -> None:
        super()._leave(watcher)
        self.changed()


class EventsTests(AdminTestCase):
    """`Events`."""

    async def watch(self, status: Callable[[], Any]) -> None:
        """Serve these events: `clock` is their time, `made` says which of them were made."""
        self.clock = Clock()
        self.made: list[str] = []

        class Made:
            def begin(_) -> None:
                self.made.append("begin")

            def whole(_) -> Iterator[bytes]:
                return self.pieces("whole", status)

            def changed(_) -> Iterator[bytes]:
                return self.pieces("changed", status)

        self.events = WatchedEvents(Made(), Turns(reactor), self.clock)
        self.gate = self.front(await self.upstream(), rest=ADMIN)
        self.service = self.admin(self.gate, lambda root: root.add(b"api/events", self.events))

    def pieces(self, name: str, status: Callable[[], Any]) -> Iterator[bytes]:
        """Return a status in two pieces."""
        self.made.append(name)
        text = json.dumps(status()).encode()
        yield text[:1]
        self.between()
        yield text[1:]

    def between(self) -> None:
        """Happens between two pieces."""

    async def watcher(self, events: int = 1) -> Client:
        """Return a client that watches, once it has some events."""
        client = await self.connect_to(port_of(self.service))
        client.send(request(b"GET", EVENTS, host=b"localhost:9901"))
        await self.received(client, events)
        return client

    async def received(self, client: Client, events: int) -> None:
        """Wait until a client has got so many events."""
        await client.when(lambda: client.data.count(b"event: status") >= events)

    async def test_events(self) -> None:
        """The first comes at once, others once a second, each made once for all that watch."""
        numbers = iter(range(100))
        await self.watch(lambda: {"text": "a\nb\r\n\ndata: x", "number": next(numbers)})
        first, second = await self.watcher(), await self.watcher()
        self.assertEqual(self.made, ["begin", "whole", "whole"])
        self.clock.advance(1)
        await self.received(first, 2)
        await self.received(second, 2)
        self.assertEqual(self.made, ["begin", "whole", "whole", "changed"])
        head, _, body = first.data.partition(b"\r\n\r\n")
        self.assertIn(b"Content-Type: text/event-stream", head)
        self.assertNotIn(b"access-control", head.lower())
        lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
        self.assertEqual([json.loads(line)["number"] for line in lines], [0, 2])

    async def test_late(self) -> None:
        """One that comes later gets the whole status, not older than the last event of others."""
        await self.watch(dict)
        first = await self.watcher()
        self.clock.advance(1)
        await self.received(first, 2)
        await self.watcher()
        self.assertEqual(self.made, ["begin", "whole", "changed", "whole"])

    async def test_costs_nothing_unwatched(self) -> None:
        """Before the first watcher and after the last one there is no timer and no status."""
        await self.watch(dict)
        self.assertEqual((self.clock.getDelayedCalls(), self.made), ([], []))
        client = await self.watcher()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        await client.close()
        await self.gone(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.made, ["begin", "whole"])

    async def gone(self, left: int) -> None:
        """Wait until only so many watch."""
        await self.events.when(lambda: len(self.events.watchers) == left)

    async def test_bounded(self) -> None:
        """One more than may watch is refused, and let in once another has left."""
        await self.watch(dict)
        clients = [await self.watcher() for _ in range(MAX_WATCHERS)]
        answer = await self.get(self.service, EVENTS)
        self.assertEqual((answer.status, answer.one(b"Retry-After")), (503, b"5"))
        self.assertIn(b"/api/status", answer.body)
        await clients[0].close()
        await self.gone(MAX_WATCHERS - 1)
        await self.watcher()

    async def test_in_pieces(self) -> None:
        """While an event is made in pieces, no other is."""
        await self.watch(dict)
        seconds = [1]
        self.between = lambda: self.clock.advance(seconds.pop() if seconds else 0)  # type: ignore[method-assign]
        client = await self.watcher()
        self.assertEqual(self.made, ["begin", "whole"])
        self.assertEqual(seconds, [])
        self.clock.advance(1)
        await self.received(client, 2)
        self.assertEqual(self.made, ["begin", "whole", "changed"])

    async def test_left_meanwhile(self) -> None:
        """Once nobody watches, the event that is being made is given up; the next one is made."""
        await self.watch(dict)
        usual, made = self.pieces, []

        def endless(name: str, status: Callable[[], Any]) -> Iterator[bytes]:
            while True:
                made.append(name)
                yield b""

        self.pieces = endless  # type: ignore[method-assign]
        client = await self.watcher(events=0)
        await self.events.when(lambda: bool(self.events.watchers))
        await client.close()
        await self.gone(0)
        count = len(made)
        await self.connect_to(port_of(self.service))
        self.assertEqual((len(made), self.clock.getDelayedCalls()), (count, []))
        self.pieces = usual  # type: ignore[method-assign]
        await self.watcher()

    async def test_failure(self) -> None:
        """What goes wrong with an event is logged; the next one is made all the same."""
        statuses = iter([ValueError("bad"), {}, {}])

        def status() -> Any:
            found = next(statuses)
            if isinstance(found, Exception):
                raise found
            return found

        await self.watch(status)
        client = await self.watcher(events=0)
        await self.events.when(lambda: self.made == ["begin", "whole"])
        self.clock.advance(1)
        await self.received(client, 1)
        self.assertEqual(self.made, ["begin", "whole", "changed", "whole"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    async def test_slow(self) -> None:
        """One that reads too slowly misses events, and is cut off in the end."""
        await self.watch(lambda: {"text": "x" * 10_000_000})
        slow = await self.connect_to(port_of(self.service))
        transport: Any = slow.transport
        transport.pauseProducing()
        slow.send(request(b"GET", EVENTS, host=b"localhost:9901"))
        await self.gone(1)
        (watcher,) = self.events.watchers
        await self.events.when(lambda: watcher.paused_s is not None)
        written = watcher.request.sentLength
        for _ in range(int(MAX_PAUSE_S) - 1):
            self.clock.advance(1)
        self.assertEqual(watcher.request.sentLength, written)
        self.clock.advance(1)
        await self.gone(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        transport.resumeProducing()
        await slow.gone()

    async def test_catches_up(self) -> None:
        """One that was slow for a while gets the whole status, as it has missed changes."""
        await self.watch(lambda: {"text": "x" * 10_000_000})
        slow = await self.connect_to(port_of(self.service))
        transport: Any = slow.transport
        transport.pauseProducing()
        slow.send(request(b"GET", EVENTS, host=b"localhost:9901"))
        await self.gone(1)
        (watcher,) = self.events.watchers
        await self.events.when(lambda: watcher.paused_s is not None)
        self.clock.advance(1)
        await self.events.when(lambda: watcher.is_behind)
        transport.resumeProducing()
        await slow.when(lambda: watcher.paused_s is None)
        self.clock.advance(1)
        await self.received(slow, 2)
        self.assertEqual(self.made[-2:], ["changed", "whole"])

    async def test_methods(self) -> None:
        """Nothing but GET."""
        await self.watch(dict)
        answer = await self.get(self.service, EVENTS, method=b"POST")
        self.assertEqual(answer.status, 405)
