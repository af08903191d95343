"""Boxes that don't serve a second request on a connection, or are not to be sent one."""

from __future__ import annotations

from collections import Counter

from twisted.logger import capturedLogs

from tests.peers import Message, Upstream, request, response
from tests.support import GateTestCase


class KeepAliveTests(GateTestCase):
    """A gate before a box that closes on the second request of each connection."""

    async def closing(self) -> Upstream:
        """Return a box that serves one request on each connection, and closes on the second."""
        box = await self.upstream()
        served: Counter[int] = Counter()

        def answer(got: Message) -> bytes | None:
            served[id(got.connection)] += 1
            if served[id(got.connection)] > 1:
                got.connection.close()
                return None
            return response(body=b"ok")

        box.answer = answer
        return box

    async def statuses(self, box: Upstream, method: bytes, count: int, **more: str) -> list[int]:
        """Return what clients get, one after the other."""
        gate = self.front(box, **more)
        body = b"<a/>" if method != b"GET" else None
        return [(await self.ask(gate, method, body=body)).status for _ in range(count)]

    async def test_posts(self) -> None:
        """At most the second of many POSTs fails, and none is sent twice."""
        box = await self.closing()
        statuses = await self.statuses(box, b"POST", 9)
        self.assertEqual(statuses, [200, 502] + [200] * 7)
        self.assertEqual(len(box.requests), 9)

    async def test_repeatable(self) -> None:
        """What can be repeated never fails, a body included."""
        for method in (b"GET", b"PUT", b"PROPFIND", b"REPORT", b"SEARCH"):
            self.assertEqual(await self.statuses(await self.closing(), method, 6), [200] * 6)

    async def test_logged_once(self) -> None:
        """The daemon's log says once what the box does, and where."""
        box = await self.closing()
        with capturedLogs() as captured:
            self.assertEqual(await self.statuses(box, b"GET", 8), [200] * 8)
        said = [
            each["log_format"].format(**each)
            for each in captured
            if each.get("log_namespace") == "corsgate.upstream.keep_alive"
        ]
        self.assertEqual(len(said), 1)
        self.assertIn(box.url, said[0])
        # Two requests found it out, and were sent twice.
        self.assertEqual(len(box.requests), 10)

    async def test_configured(self) -> None:
        """A box that is known to do so costs no request, and is told that each is the last."""
        box = await self.closing()
        statuses = await self.statuses(box, b"POST", 4, upstream="keep_alive = false")
        self.assertEqual(statuses, [200] * 4)
        for got in box.requests:
            self.assertEqual(got.one(b"connection"), b"close")

    async def test_limited(self) -> None:
        """A connection carries as many requests as it may."""
        box = await self.closing()
        line = "max_requests_per_connection = 1"
        self.assertEqual(await self.statuses(box, b"POST", 4, upstream=line), [200] * 4)

    async def test_kept(self) -> None:
        """A box that keeps its connections has one, and is not told to close it."""
        box = await self.upstream()
        gate = self.front(box)
        for _ in range(4):
            self.assertEqual((await self.ask(gate, b"POST", body=b"a")).status, 200)
        self.assertEqual(len({id(got.connection) for got in box.requests}), 1)
        self.assertNotIn(b"connection", box.requests[0].fields)

    async def test_not_kept_but_switched(self) -> None:
        """A WebSocket's handshake says Upgrade alone: its connection is to stay."""
        box = await self.upstream(
            b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        )
        gate = self.front(box, upstream="keep_alive = false")
        client = await self.connect(gate)
        upgrade = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
        client.send(request(target=b"/v1/x", headers=upgrade))
        await client.when(lambda: client.data.startswith(b"HTTP/1.1 101"))
        self.assertEqual(box.requests[0].one(b"connection"), b"Upgrade")
