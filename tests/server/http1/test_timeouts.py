"""What takes too long on a client's connection, and how a site drains."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.errors import BodyTimedOut
from corsgate.server.admission import Spare
from tests.server.support import Receiver, Served, answer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n"
LIMITS = Limits(
    client_head_timeout_s=5,
    client_body_timeout_s=10,
    keep_alive_timeout_s=20,
    response_idle_timeout_s=30,
    min_upload_rate=0,
)


class ChannelTimesTests(SynchronousTestCase):
    def test_idle(self) -> None:
        """A connection without a request is closed after the keep-alive time."""
        served = Served(LIMITS)
        served.wait(19)
        self.assertTrue(served.wire.open)
        served.wait(2)
        self.assertTrue(served.wire.disconnecting)
        self.assertFalse(served.wire.disconnected)
        served.wait(12)
        self.assertTrue(served.wire.disconnected)

    def test_answered_at_once(self) -> None:
        """The keep-alive time begins with the last answer, be it given in the same turn."""
        served = Served(LIMITS, answer)
        for _ in range(3):
            served.send(GET)
            served.wait(15)
            self.assertTrue(served.wire.open)
        served.wait(6)
        self.assertFalse(served.wire.open)

    def test_heads_in_pieces(self) -> None:
        """Each head has its own time, though each read brings the beginning of the next one."""
        served = Served(LIMITS, answer)
        served.send(GET[:4])
        for _ in range(4):
            served.wait(3)
            served.send(GET[4:] + GET[:4])
        self.assertEqual([request.refusal for request in served.requests], [None] * 4)
        served.wait(6)
        self.assertEqual(served.requests[-1].refusal and served.requests[-1].refusal.status, 408)

    def test_empty_lines(self) -> None:
        """Empty lines, which may stand before a request, don't keep it open."""
        served = Served(LIMITS)
        for _ in range(21):
            served.send(b"\r\n")
            served.wait(1)
        self.assertFalse(served.wire.open)

    def test_slow_head(self) -> None:
        """A head has its time as a whole, however often a byte comes."""
        served = Served(LIMITS)
        for byte in GET[:6]:
            served.send(bytes([byte]))
            served.wait(1)
        refusal = served.requests[0].refusal
        assert refusal is not None
        self.assertEqual(refusal.status, 408)
        answer(served.requests[0], status=408)
        self.assertFalse(served.wire.open)

    def test_head_behind_a_slow_answer(self) -> None:
        """A head that began behind another request has its own time, from the answer on."""
        served = Served(LIMITS)
        served.send(GET[:4])
        served.wait(4)
        served.send(GET[4:] + GET[:4])
        served.wait(60)
        answer(served.requests[0])
        served.wait(4)
        self.assertTrue(served.wire.open)
        served.send(GET[4:])
        self.assertEqual(len(served.requests), 2)

    def test_slow_body(self) -> None:
        """A body has its time between pieces, and its request hears of the end."""
        served, lost = Served(LIMITS), list[int]()
        served.send(POST + b"\r\n")
        served.requests[0].notifyFinish().addErrback(lambda _: lost.append(1))
        for _ in range(4):
            served.wait(8)
            served.send(b"x")
        self.assertTrue(served.wire.open)
        served.wait(12)
        self.assertTrue(served.wire.disconnected)
        served.leave()
        self.assertEqual(lost, [1])

    def test_slow_upstream(self) -> None:
        """Where the gate doesn't read, or asks for nothing, the client isn't late."""
        served = Served(LIMITS)
        served.send(GET)
        served.wait(100)
        self.assertTrue(served.wire.open)
        served = Served(LIMITS)
        served.send(POST + b"\r\nx")
        body = served.requests[0].body
        assert body is not None
        body.start(Receiver())
        body.pause()
        served.wait(100)
        self.assertTrue(served.wire.open)
        body.resume()
        served.wait(12)
        answer(served.requests[0], status=408)
        self.assertFalse(served.wire.open)

    def test_not_asked_for(self) -> None:
        """A client that waits for 100 Continue isn't late until it was asked."""
        served = Served(LIMITS)
        served.send(POST + b"Expect: 100-continue\r\n\r\n")
        served.wait(100)
        self.assertTrue(served.wire.open)
        body = served.requests[0].body
        assert body is not None
        receiver = Receiver()
        body.start(receiver)
        served.wait(12)
        self.assertEqual([type(each) for each in receiver.failures], [BodyTimedOut])
        served.wait(12)
        self.assertTrue(served.wire.disconnected)

    def test_takes_no_response(self) -> None:
        """A client that takes nothing of its response is cut off."""
        served = Served(LIMITS)
        served.send(GET)
        served.channel.pauseProducing()
        served.wait(29)
        self.assertTrue(served.wire.open)
        served.wait(3)
        self.assertTrue(served.wire.disconnected)

    def test_takes_it_slowly(self) -> None:
        """One that takes it bit by bit isn't."""
        served = Served(LIMITS)
        served.send(GET)
        for _ in range(5):
            served.channel.pauseProducing()
            served.wait(25)
            served.channel.resumeProducing()
        self.assertTrue(served.wire.open)

    def test_takes_the_last_slowly(self) -> None:
        """The rest of a last response may take as long as any other piece."""
        served = Served(LIMITS)
        served.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer(served.requests[0], b"x" * 1000)
        self.assertTrue(served.wire.disconnecting)
        served.wait(28)
        self.assertFalse(served.wire.disconnected)
        served.wait(4)
        self.assertTrue(served.wire.disconnected)


class SpareTests(SynchronousTestCase):
    """What would be lost with a connection, were it closed for another's sake."""

    def test_idle(self) -> None:
        """Nothing, before a first request and between two; then it is closed in good order."""
        served = Served()
        self.assertIs(served.channel.spare, Spare.IDLE)
        served.send(GET)
        self.assertIs(served.channel.spare, Spare.NO)
        answer(served.requests[0])
        self.assertIs(served.channel.spare, Spare.IDLE)
        served.channel.shed()
        self.assertEqual((served.wire.disconnecting, served.wire.disconnected), (True, False))

    def test_answered_at_once(self) -> None:
        """The same where requests are answered as they are read."""
        served = Served(render=answer)
        served.send(GET)
        self.assertIs(served.channel.spare, Spare.IDLE)

    def test_head(self) -> None:
        """A part of a head is not nothing, but no request yet."""
        served = Served()
        served.send(GET[:9])
        self.assertIs(served.channel.spare, Spare.UNREADY)
        served.channel.shed()
        self.assertTrue(served.wire.disconnected)

    def test_body(self) -> None:
        """Nor is a body that is coming in, whoever reads it."""
        served = Served()
        served.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
        self.assertIs(served.channel.spare, Spare.NO)
        answer(served.requests[0])
        self.assertIs(served.channel.spare, Spare.NO)

    def test_closing(self) -> None:
        """One that only lingers gives way; one whose client still takes its response doesn't."""
        served = Served()
        served.send(b"nonsense\r\n\r\n")
        answer(served.requests[0], status=400)
        self.assertTrue(served.wire.half_closed)
        self.assertIs(served.channel.spare, Spare.UNREADY)
        served = Served()
        served.send(GET)
        served.site.context.draining = True
        answer(served.requests[0], b"whole")
        self.assertTrue(served.wire.disconnecting)
        self.assertIs(served.channel.spare, Spare.NO)

    def test_client_that_does_not_read(self) -> None:
        """Nor does one that is held up by its client in the midst of a response."""
        served = Served()
        served.send(GET)
        served.wire.pacing.pauseProducing()
        self.assertIs(served.channel.spare, Spare.NO)


class DrainTests(SynchronousTestCase):
    def test_idle(self) -> None:
        """An idle connection is closed at once; the Deferred waits for its end."""
        served = Served()
        served.send(GET)
        answer(served.requests[0])
        drained = served.site.drain()
        self.assertTrue(served.wire.disconnecting)
        self.assertNoResult(drained)
        served.leave()
        self.successResultOf(drained)

    def test_none(self) -> None:
        """Without connections there is nothing to wait for, and each who asks is told."""
        served = Served()
        served.leave()
        self.successResultOf(served.site.drain())
        self.successResultOf(served.site.drain())

    def test_in_flight(self) -> None:
        """A response is finished, says close, and is the last."""
        served = Served()
        served.send(GET)
        drained = served.site.drain()
        self.assertTrue(served.wire.open)
        answer(served.requests[0], b"whole")
        self.assertIn(b"Connection: close\r\n", served.wire.value())
        self.assertTrue(served.wire.value().endswith(b"whole"))
        self.assertTrue(served.wire.disconnecting)
        served.leave()
        self.successResultOf(drained)

    def test_unsent(self) -> None:
        """A response whose end its client has not taken yet has as long for that as without."""
        for paused in (True, False):
            served = Served(LIMITS)
            served.send(GET)
            if paused:
                served.channel.pauseProducing()
            answer(served.requests[0], b"whole")
            served.site.drain()
            self.assertTrue(served.wire.disconnecting)
            served.wait(12)
            self.assertEqual(served.wire.disconnected, not paused)
            served.wait(20)
            self.assertTrue(served.wire.disconnected)

    def test_first_request(self) -> None:
        """A connection that has sent none yet has a moment for its first request."""
        served = Served()
        served.site.drain()
        self.assertTrue(served.wire.open)
        served.send(GET)
        answer(served.requests[0])
        self.assertIn(b"Connection: close\r\n", served.wire.value())
        self.assertFalse(served.wire.open)

    def test_no_first_request(self) -> None:
        """It is not waited for any longer than that, nor longer than it was to be kept anyway."""
        for limits in (Limits(), Limits(keep_alive_timeout_s=0.5)):
            served = Served(limits)
            drained = served.site.drain()
            served.site.drain()
            served.wait(2)
            self.assertTrue(served.wire.disconnecting)
            self.assertNoResult(drained)

    def test_in_head(self) -> None:
        """A request that has begun to come is served."""
        served = Served()
        served.send(GET[:9])
        served.site.drain()
        self.assertTrue(served.wire.open)
        served.send(GET[9:])
        answer(served.requests[0])
        self.assertFalse(served.wire.open)

    def test_abort(self) -> None:
        """All are cut when the time to drain is over."""
        served = Served()
        served.send(GET)
        served.site.abort()
        self.assertTrue(served.wire.disconnected)
