"""What a connection remembers between requests is bounded in bytes, however a client spells it."""

from __future__ import annotations

import gc
import sys
from types import FunctionType, ModuleType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.message.headers import HOP_BY_HOP, _head_names, sift
from corsgate.message.host import _parse_host, parse_host
from corsgate.server.fields_memo import MAX_REMEMBERED_BYTES, FieldsMemo
from corsgate.server.http1.channel import GateChannel
from corsgate.server.idle import REST_S
from corsgate.server.request import GateRequest
from tests.server.http2.client import Http2Client
from tests.server.support import Served, Wire, answer

KIB = 1024
_SHARED = (type, ModuleType, FunctionType)


def size_of(thing: Any, *shared: Any) -> int:
    """Return how many bytes an object takes with all that it refers to, but what is shared."""
    seen = {id(each) for each in shared}
    size, left = 0, [thing]
    while left:
        each = left.pop()
        if id(each) in seen or isinstance(each, _SHARED):
            continue
        seen.add(id(each))
        size += sys.getsizeof(each)
        left += gc.get_referents(each)
    return size


def head(lines: bytes) -> bytes:
    """Return a request with some field lines."""
    return b"GET / HTTP/1.1\r\nHost: a.test\r\n" + lines + b"\r\n"


LARGE = head(b"".join(b"X-%d: %b\r\n" % (at, b"a" * 3000) for at in range(10)))
MANY = head(b"".join(b"a%d:b\r\n" % at for at in range(95)))
REPEATED = [(b"x-large", b"a" * 3900)] * 8


class Parsed:
    """Notes what is parsed anew: a request that is recalled has the memo of the one before."""

    def __init__(self) -> None:
        self.memos: list[FieldsMemo] = []

    def __call__(self, request: GateRequest) -> None:
        """Respond to a request."""
        self.memos.append(request.memo)
        answer(request, b"x")


class RecallTests(SynchronousTestCase):
    """Heads past a bound are parsed anew each time; a browser's are not."""

    def test_http1(self) -> None:
        """A head of 2 KiB is remembered, and one of a byte more isn't."""
        for size in (MAX_REMEMBERED_BYTES, MAX_REMEMBERED_BYTES + 1):
            parsed = Parsed()
            served = Served(render=parsed)
            data = head(b"X: %b\r\n" % (b"a" * (size - len(head(b"X: \r\n")))))
            self.assertEqual(len(data), size)
            served.send(data, data)
            is_same = parsed.memos[0] is parsed.memos[1]
            self.assertEqual(is_same, size <= MAX_REMEMBERED_BYTES)

    def test_http2(self) -> None:
        """So it is in HTTP/2, where HPACK makes a large head of a few bytes."""
        for headers, expected in (([(b"x", b"a" * 1900)], True), (REPEATED, False)):
            parsed = Parsed()
            client = Http2Client(render=parsed)
            client.request(headers=headers)
            client.request(headers=headers)
            self.assertEqual(parsed.memos[0] is parsed.memos[1], expected)


class ProcessTests(SynchronousTestCase):
    """What is remembered for all connections has no large keys either."""

    def test_names(self) -> None:
        """The names of a message's fields are remembered where they are short."""
        before = _head_names.cache_info().currsize
        for at in range(5):
            fields = [(b"x-%d-%b" % (at, b"n" * 2000), b"1")]
            kept, names = sift(fields, HOP_BY_HOP)
            self.assertEqual((kept, names), (fields, {fields[0][0]}))
        self.assertEqual(_head_names.cache_info().currsize, before)

    def test_hosts(self) -> None:
        """A host is remembered where it may be one."""
        before = _parse_host.cache_info().currsize
        for at in range(5):
            self.assertIsNone(parse_host(b"%d" % at + b"a" * 30_000))
        self.assertEqual(_parse_host.cache_info().currsize, before)


class IdleTests(SynchronousTestCase):
    """What an idle connection keeps by itself, without its transport."""

    def http1(self, *requests: bytes) -> tuple[Served, int]:
        """Return a served connection and its size."""
        served = Served(render=Parsed())
        channel = served.site.buildProtocol(None)
        assert isinstance(channel, GateChannel)
        channel.makeConnection(Wire())
        for data in requests:
            channel.dataReceived(data)
        served.clock.pump([1.0] * round(REST_S + 2))
        wire = channel.transport
        shared = (served.site, served.site.context, served.clock, served.deadlines, wire, Limits())
        return served, size_of(channel, *shared, channel._limits)

    def test_http1(self) -> None:
        """After a while it is as small as before its first request, whatever it was sent."""
        _, fresh = self.http1()
        for data in (head(b""), LARGE, MANY, head(b"X: " + b"a" * 1900 + b"\r\n")):
            _, size = self.http1(data, data)
            self.assertLess(size, fresh + 512)

    def http2(self, requests: int, headers: list[tuple[bytes, bytes]]) -> int:
        """Return the size of a connection that has served requests."""
        client = Http2Client(render=Parsed())
        client.site.connections._idle.start()
        for _ in range(requests):
            client.request(headers=headers)
        client.wait(REST_S + 2)
        context, connection = client.site.context, client.connection
        shared = (client.site, context, client.clock, client.deadlines, client.wire)
        return size_of(connection, context.limits, *shared)

    def test_http2(self) -> None:
        """So it is with HTTP/2, except for the tables of HPACK."""
        fresh = self.http2(0, [])
        self.assertLess(fresh, 24 * KIB)
        for requests, headers in ((1, []), (150, []), (16, REPEATED)):
            # A table of 4 KiB, and the responses' fields.
            self.assertLess(self.http2(requests, headers), fresh + 7 * KIB)

    def test_busy(self) -> None:
        """A connection on which a request is under way forgets nothing."""
        seen: list[GateRequest] = []
        served = Served(render=seen.append)
        served.send(head(b""))
        served.clock.pump([1.0] * round(REST_S + 2))
        answer(seen[0])
        served.send(head(b""))
        self.assertIs(seen[0].memo, seen[1].memo)

    def test_no_connections(self) -> None:
        """A site without connections wakes nobody."""
        served = Served(render=Parsed())
        self.assertTrue(served.clock.getDelayedCalls())
        served.leave()
        self.assertEqual(served.clock.getDelayedCalls(), [])
