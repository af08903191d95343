"""Server-sent events with the status, over sockets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock

from corsgate.admin.events import MAX_PAUSE_S, MAX_WATCHERS, Events
from corsgate.server.request import GateRequest
from tests.admin.support import ADMIN, AdminTestCase, port_of
from tests.peers import Client, Watched, request

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
            def whole(_) -> Any:
                self.made.append("whole")
                return status()

            def changed(_) -> Any:
                self.made.append("changed")
                return status()

        self.events = WatchedEvents(Made(), self.clock)
        self.gate = self.front(await self.upstream(), rest=ADMIN)
        self.service = self.admin(self.gate, lambda root: root.add(b"api/events", self.events))

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
        self.assertEqual(self.made, ["changed", "whole"])
        self.clock.advance(1)
        await self.received(first, 2)
        await self.received(second, 2)
        self.assertEqual(self.made, ["changed", "whole", "changed"])
        head, _, body = first.data.partition(b"\r\n\r\n")
        self.assertIn(b"Content-Type: text/event-stream", head)
        self.assertNotIn(b"access-control", head.lower())
        lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
        self.assertEqual([json.loads(line)["number"] for line in lines], [1, 2])

    async def test_late(self) -> None:
        """One that comes later gets the whole status, not older than the last event of others."""
        await self.watch(dict)
        await self.watcher()
        self.clock.advance(1)
        await self.watcher()
        self.assertEqual(self.made, ["changed", "whole", "changed", "whole"])

    async def test_costs_nothing_unwatched(self) -> None:
        """Before the first watcher and after the last one there is no timer and no status."""
        await self.watch(dict)
        self.assertEqual((self.clock.getDelayedCalls(), self.made), ([], []))
        client = await self.watcher()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        await client.close()
        await self.gone(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.made, ["changed", "whole"])

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

    async def test_slow(self) -> None:
        """One that reads too slowly misses events, and is cut off in the end."""
        await self.watch(lambda: {"text": "x" * 10_000_000})
        slow = await self.connect_to(port_of(self.service))
        transport: Any = slow.transport
        transport.pauseProducing()
        slow.send(request(b"GET", EVENTS, host=b"localhost:9901"))
        await self.gone(1)
        (watcher,) = self.events.watchers
        written = watcher.request.sentLength
        for _ in range(int(MAX_PAUSE_S) - 1):
            self.clock.advance(1)
        self.assertIsNotNone(watcher.paused_s)
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
        self.clock.advance(1)
        (watcher,) = self.events.watchers
        self.assertIsNotNone(watcher.paused_s)
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
