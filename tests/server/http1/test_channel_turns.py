"""Turns of clients that ask for much, and the phases of a connection."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.head import ResponseHead
from corsgate.server.http1.channel import PER_TURN
from corsgate.server.http1.states import NEXT_PHASES, NEXT_STATES, Phase, State
from tests.server.support import Served, answer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class TurnsTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Serve a client that sends two thousand requests in one read."""
        self.served = Served(render=answer)
        self.served.send(GET * 2000)

    def test_turn(self) -> None:
        """So many are answered, then others have their turn; nothing more is read meanwhile."""
        self.assertEqual(len(self.served.requests), PER_TURN)
        self.assertFalse(self.served.wire.reading)
        self.assertTrue(self.served.wire.open)
        self.served.clock.advance(0)
        self.assertEqual(len(self.served.requests), 2000)
        self.assertTrue(self.served.wire.reading)

    def test_slow_client(self) -> None:
        """A turn that comes while the client doesn't keep up waits for that."""
        self.served.wire.pacing.pauseProducing()
        self.served.clock.advance(0)
        self.assertEqual(len(self.served.requests), PER_TURN)
        self.served.wire.pacing.resumeProducing()
        self.served.clock.advance(0)
        self.assertEqual(len(self.served.requests), 2000)

    def test_lost(self) -> None:
        """What a client that is gone had asked for is not answered."""
        self.served.leave()
        self.assertEqual(self.served.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.served.requests), PER_TURN)

    def test_drain(self) -> None:
        """A gate that drains serves all that has come, and says which response is the last."""
        self.served.wire.take()
        self.served.site.drain()
        self.served.clock.advance(0)
        self.assertEqual(len(self.served.requests), 2000)
        responses = self.served.wire.take().split(b"HTTP/1.1 200 ")[1:]
        self.assertEqual(len(responses), 2000 - PER_TURN)
        says = [b"Connection: close\r\n" in response for response in responses]
        self.assertEqual((sum(says), says[-1]), (1, True))
        self.assertFalse(self.served.wire.open)

    def test_drain_in_a_response(self) -> None:
        """Behind a response whose head did not say close, what has come is served."""
        served = Served()
        served.send(GET * 3)
        head = ResponseHead(status=200, reason=b"", headers=[])
        (first,) = served.requests
        first.begin(head, 1)
        first.flush()
        served.site.drain()
        first.write(b"x")
        first.finish()
        for request in served.requests[1:2]:
            answer(request)
        answer(served.requests[2])
        self.assertEqual(len(served.requests), 3)
        data = served.wire.take()
        self.assertEqual(data.count(b"Connection: close"), 1)
        self.assertIn(b"Connection: close", data[data.rindex(b"HTTP/1.1 ") :])
        self.assertFalse(served.wire.open)

    def test_drain_in_half_a_head(self) -> None:
        """A request of which only a part has come is not waited for, and the client knows it."""
        served = Served()
        served.send(GET + GET[:10])
        served.site.drain()
        answer(served.requests[0])
        self.assertIn(b"Connection: close", served.wire.take())
        self.assertFalse(served.wire.open)


class PhaseTests(SynchronousTestCase):
    """What a channel does once a response has ended."""

    def test_body_broken_meanwhile(self) -> None:
        """Where the rest of an unwanted body was no HTTP, the connection closes in the end."""
        served = Served()
        served.send(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        (request,) = served.requests
        assert request.body is not None
        request.body.discard()
        served.send(b"nonsense\r\n")
        self.assertTrue(served.wire.open)
        answer(request)
        self.assertFalse(served.wire.open)

    def test_late_bytes(self) -> None:
        """What comes once the connection closes is ignored, and so is what comes behind its end."""
        served = Served()
        served.send(GET)
        served.channel.loseConnection()
        served.send(GET)
        self.assertEqual(len(served.requests), 1)
        served.leave()
        served.send(GET)
        served.channel.loseConnection()
        self.assertEqual(len(served.requests), 1)

    def test_late_switch(self) -> None:
        """No tunnel begins for a client that was cut in the same turn."""
        served = Served()
        served.send(GET)
        served.channel.tls_ended()
        (request,) = served.requests
        with self.assertRaises(ConnectionDone):
            request.switch(ResponseHead(101, b"", []))
        self.assertFalse(request.startedWriting)
        served.leave()
        self.assertTrue(request.gone)

    def test_transitions(self) -> None:
        """Nothing follows a loss, and a tunnel follows a request alone."""
        self.assertEqual(NEXT_PHASES[Phase.LOST], ())
        before = [phase for phase, then in NEXT_PHASES.items() if Phase.TUNNEL in then]
        self.assertEqual(before, [Phase.RESPONDING])
        self.assertEqual(set(NEXT_PHASES), set(Phase))
        self.assertEqual(set(NEXT_STATES), set(State))
