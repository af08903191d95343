"""What a client has sent and nobody has answered: how far it is parsed, and what it takes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.server.http1.pipeline import Pipeline
from corsgate.server.http1.timeouts import SLOW_HEAD
from corsgate.server.memory_budget import REQUEST_BYTES
from corsgate.server.request_body import RequestBody
from corsgate.transport.read_size import USUAL_BYTES, ReadSize
from tests.server.support import Receiver

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * 300)
PUT = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


class PipelineTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Begin with nothing, and note each change of a body."""
        self.changes = 0
        self.pipeline = Pipeline(Limits(max_buffered_bytes=1024), self.changed)

    def changed(self) -> None:
        """Count."""
        self.changes += 1

    def feed(self, *reads: bytes) -> None:
        """Bring bytes, and have as much parsed as there is room for."""
        for data in reads:
            self.pipeline.feed(data)
            while self.pipeline.advance():
                pass

    def take(self) -> tuple[bytes, RequestBody | None]:
        """Return the next request's method and body."""
        request, body = self.pipeline.queue.popleft()
        return request.head.method, body

    def test_one_ahead(self) -> None:
        """A request is parsed once the one before it was taken, and waits as bytes before."""
        self.assertTrue(self.pipeline.fresh)
        self.feed(LARGE * 3)
        self.assertEqual((len(self.pipeline.queue), self.pipeline.unread), (1, LARGE * 2))
        self.assertTrue(self.pipeline.pending)
        self.assertFalse(self.pipeline.has_room or self.pipeline.fresh)
        for left in (1, 0):
            self.take()
            self.assertTrue(self.pipeline.advance())
            self.assertEqual(self.pipeline.unread, LARGE * left)
        self.take()
        self.assertTrue(self.pipeline.has_room)
        self.assertFalse(self.pipeline.pending or self.pipeline.advance())

    def test_one_ahead_for_llhttp(self) -> None:
        """So it is where llhttp looks for the end of a head, behind an empty line or in pieces."""
        for first in (b"\r\n" + LARGE, LARGE[:20]):
            self.setUp()
            self.feed(first, LARGE[len(first) :] + LARGE * 3)
            self.assertEqual(len(self.pipeline.queue), 1)
            self.assertTrue(self.pipeline.unread.endswith(LARGE * 2), first)

    def test_memory(self) -> None:
        """What waits counts as bytes, as a request, and as a head that has come in part."""
        self.assertEqual(self.pipeline.held_with(None), 0)
        self.feed(LARGE * 2)
        self.assertEqual(self.pipeline.held_with(None), REQUEST_BYTES + len(LARGE))
        self.take()
        self.feed(GET[:9])
        self.take()
        self.pipeline.advance()
        self.assertTrue(self.pipeline.in_head)
        self.assertEqual(self.pipeline.held_with(None), 2 * 9)

    def test_whole_body(self) -> None:
        """A body that has come with its head is whole when its request is taken."""
        self.feed(PUT % 5 + b"hello")
        method, body = self.take()
        assert body is not None
        self.assertEqual((method, body.complete, body.held), (b"PUT", True, 5))
        self.assertIsNone(self.pipeline.body)
        self.assertEqual(self.pipeline.held_with(body), 5)

    def test_body_in_parts(self) -> None:
        """What has come of a body is there with its request; the rest goes to the same."""
        self.feed(PUT % 5 + b"he")
        _, body = self.take()
        assert body is not None
        self.assertEqual((body.complete, body.held, self.pipeline.body), (False, 2, body))
        receiver = Receiver()
        body.start(receiver)
        self.feed(b"llo" + GET)
        self.assertEqual((receiver.data, receiver.ended), (b"hello", 1))
        self.assertEqual(self.take(), (b"GET", None))

    def test_large_body(self) -> None:
        """A body that is counted rather than parsed ends where it does, as any other."""
        for size in (16 * 1024 - 1, 16 * 1024, 100_000):
            data = b"x" * size
            self.feed(PUT % size + data[:9])
            _, body = self.take()
            assert body is not None
            receiver = Receiver()
            body.start(receiver)
            self.feed(data[9:-1], data[-1:] + GET)
            self.assertEqual((receiver.data, receiver.ended), (data, 1), size)
            self.assertEqual(self.take(), (b"GET", None), size)

    def test_full(self) -> None:
        """Where a body is not taken, no more is read than the bound; its receiver changes that."""
        self.feed(CHUNKED)
        _, body = self.take()
        assert body is not None
        self.feed(b"3ff\r\n" + b"x" * 1023 + b"\r\n")
        self.assertTrue(self.pipeline.has_room)
        self.feed(b"1\r\nx\r\n")
        self.assertFalse(self.pipeline.has_room)
        body.start(Receiver())
        self.assertTrue(self.pipeline.has_room)
        body.pause()
        self.assertFalse(self.pipeline.has_room)
        self.assertEqual(self.changes, 2)

    def test_broken_body(self) -> None:
        """A body that breaks off fails, and nothing comes behind it."""
        self.feed(CHUNKED + b"nonsense\r\n" + GET)
        _, body = self.take()
        assert body is not None
        while self.pipeline.advance():
            pass
        self.assertTrue(self.pipeline.broken and body.failed)
        self.assertEqual(len(self.pipeline.queue), 0)

    def test_slow_head(self) -> None:
        """A refusal takes the place of a head that does not end."""
        self.feed(GET[:20])
        self.pipeline.refuse(SLOW_HEAD)
        request, _ = self.pipeline.queue.popleft()
        assert request.refusal is not None
        self.assertEqual((request.refusal.status, self.pipeline.in_head), (408, False))
        self.feed(GET)
        self.assertFalse(self.pipeline.queue)

    def test_offer(self) -> None:
        """What follows an offer to switch waits until it is taken up, or not."""
        offer = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: x\r\n\r\n"
        self.feed(offer + GET)
        self.take()
        self.assertFalse(self.pipeline.has_room)
        self.pipeline.go_on()
        self.pipeline.advance()
        self.assertEqual(self.take(), (b"GET", None))
        self.feed(offer, b"other")
        self.take()
        self.assertEqual(self.pipeline.switch(), b"other")

    def test_gone(self) -> None:
        """A client that is gone leaves nothing that waits."""
        self.feed(LARGE * 3)
        self.pipeline.clear()
        self.pipeline.end()
        self.assertFalse(self.pipeline.pending)
        self.assertEqual(self.pipeline.held_with(None), 0)


class NotedSize(ReadSize):
    """Notes what it is asked for; its transport has no socket."""

    def __init__(self) -> None:
        super().__init__(None)
        self.noted: list[str] = []

    def grow(self, size: int) -> None:
        """Note it."""
        self.noted.append("grow")

    def reset(self) -> None:
        """Note it."""
        self.noted.append("reset")


class ReadSizeTests(SynchronousTestCase):
    """More is read at once of an upload that flows."""

    def setUp(self) -> None:
        """Begin an upload of four full reads and a bit."""
        self.size = NotedSize()
        limits = Limits(max_buffered_bytes=1024)
        self.pipeline = Pipeline(limits, lambda: None, read_size=self.size)
        self.full = b"x" * USUAL_BYTES
        self.feed(PUT % (4 * USUAL_BYTES + 1))
        _, body = self.pipeline.queue.popleft()
        assert body is not None
        self.body = body
        self.body.start(Receiver())

    def feed(self, data: bytes) -> None:
        """Bring bytes."""
        self.pipeline.feed(data)
        while self.pipeline.advance():
            pass

    def test_flows(self) -> None:
        """Each full read counts, and the body's end puts the size back."""
        for data in (self.full, self.full, b"x", self.full, self.full):
            self.feed(data)
        # A read that is not full shows that there was no more to read.
        self.assertEqual(self.size.noted, ["grow", "grow", "reset", "grow", "grow", "reset"])

    def test_paused(self) -> None:
        """A server that does not keep up puts the size back."""
        self.feed(self.full)
        self.body.pause()
        self.assertEqual(self.size.noted, ["grow", "reset"])

    def test_small(self) -> None:
        """Small reads change nothing."""
        for _ in range(4):
            self.feed(b"x" * 1000)
        self.assertEqual(self.size.noted, [])
