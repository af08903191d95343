"""Bodies over HTTP/1.1 that come, or are taken, drop by drop."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.errors import BodyTimedOut
from corsgate.message.head import ResponseHead
from tests.server.support import Receiver, Served, answer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
LIMITS = Limits(client_body_timeout_s=10, min_upload_rate=0)
RATES = Limits(client_body_timeout_s=60, min_upload_rate=100, min_rate_grace_s=5)


class DripTests(SynchronousTestCase):
    """A body has a time limit and a least rate, for which nothing but its own bytes counts."""

    def begin(self, limits: Limits, data: bytes) -> tuple[Served, Receiver]:
        """Return a channel on which a request has come, and what takes its body."""
        served, receiver = Served(limits), Receiver()
        served.send(data)
        body = served.requests[0].body
        assert body is not None
        body.start(receiver)
        return served, receiver

    def drip(self, first: bytes, drip: bytes) -> None:
        """Assert that what drips behind a body's first bytes keeps it from nothing."""
        served, receiver = self.begin(LIMITS, CHUNKED + first)
        for _ in range(9):
            served.send(drip)
            served.wait(1)
        self.assertEqual(receiver.failures, [])
        served.send(drip)
        served.wait(2)
        self.assertEqual([type(each) for each in receiver.failures], [BodyTimedOut])

    def test_chunk_extensions(self) -> None:
        """The extensions of a chunk are none of the body's bytes."""
        self.drip(b"1\r\nx\r\n1;", b"x")

    def test_trailers(self) -> None:
        """Neither are trailers."""
        self.drip(b"1\r\nx\r\n0\r\nX-T: ", b"x")

    def test_chunk_sizes(self) -> None:
        """Nor the zeros before a chunk's size."""
        self.drip(b"1\r\nx\r\n", b"0")

    def test_too_slow(self) -> None:
        """A byte per second is too slow, after the grace and the time that it has earned."""
        served, receiver = self.begin(RATES, CHUNKED)
        for _ in range(5):
            served.send(b"1\r\nx\r\n")
            served.wait(1)
        self.assertEqual(receiver.failures, [])
        served.wait(1)
        self.assertEqual([type(each) for each in receiver.failures], [BodyTimedOut])

    def test_just_fast_enough(self) -> None:
        """A body at the least rate is taken, however long it is."""
        served, receiver = self.begin(RATES, CHUNKED)
        for _ in range(100):
            served.send(b"64\r\n" + bytes(100) + b"\r\n")
            served.wait(1)
        self.assertEqual((len(receiver.data), receiver.failures), (10_000, []))

    def test_earned(self) -> None:
        """Who has sent much may pause, for as long as the time limit lets."""
        served, receiver = self.begin(RATES, CHUNKED + b"bb8\r\n" + bytes(3000) + b"\r\n")
        served.wait(34)
        self.assertEqual(receiver.failures, [])
        served.wait(3)
        self.assertEqual([type(each) for each in receiver.failures], [BodyTimedOut])

    def test_paused_upstream(self) -> None:
        """While its receiver takes nothing the client isn't slow, and it isn't so afterwards."""
        served, receiver = self.begin(RATES, CHUNKED)
        body = served.requests[0].body
        assert body is not None
        served.wait(4)
        body.pause()
        served.wait(100)
        body.resume()
        self.assertEqual(receiver.failures, [])
        served.wait(2)
        self.assertEqual([type(each) for each in receiver.failures], [BodyTimedOut])

    def test_complete(self) -> None:
        """A body that is there leaves nothing to wait for, however long the response takes."""
        served, receiver = self.begin(RATES, CHUNKED + b"1\r\nx\r\n0\r\n\r\n")
        served.wait(1000)
        self.assertEqual((receiver.ended, receiver.failures), (1, []))
        self.assertEqual(served.channel.stalled_s(served.clock.seconds()), 0)
        self.assertTrue(served.wire.open)

    def test_next_request(self) -> None:
        """What one request has earned or owes is not the next one's."""
        served, first = self.begin(RATES, CHUNKED)
        served.wait(4)
        served.send(b"1\r\nx\r\n0\r\n\r\n")
        answer(served.requests[0])
        served.send(CHUNKED)
        body, second = served.requests[1].body, Receiver()
        assert body is not None
        body.start(second)
        served.wait(4)
        self.assertEqual((first.ended, second.failures), (1, []))
        served.wait(2)
        self.assertEqual([type(each) for each in second.failures], [BodyTimedOut])

    def test_not_wanted(self) -> None:
        """A body that nobody wants any more has no least rate."""
        served = Served(RATES)
        served.send(CHUNKED)
        body = served.requests[0].body
        assert body is not None
        body.discard()
        served.send(b"1\r\nx\r\n")
        served.wait(50)
        self.assertTrue(served.wire.open)

    def test_response(self) -> None:
        """A response that is taken too slowly on average is cut, though some of it is taken."""
        served = Served(Limits(min_download_rate=1024, min_rate_grace_s=5))
        served.send(GET)
        request = served.requests[0]
        request.begin(ResponseHead(status=200, reason=b"", headers=[]), None)
        # What a transport holds when it pauses takes 64 seconds at the least rate.
        request.write(bytes(2**16))
        for _ in range(3):
            served.channel.pauseProducing()
            served.wait(20)
            self.assertTrue(served.wire.open)
            served.channel.resumeProducing()
            served.wait(1000)
        served.channel.pauseProducing()
        served.wait(8)
        self.assertTrue(served.wire.open)
        served.wait(2)
        self.assertTrue(served.wire.disconnected)
