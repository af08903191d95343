"""Many requests in one read of an HTTP/2 connection, and others in between."""

from __future__ import annotations

from hyperframe.frame import GoAwayFrame
from twisted.trial.unittest import SynchronousTestCase

from corsgate.server.http2.turns import REQUESTS_PER_TURN
from tests.server.http2.client import PSEUDO, Http2Client
from tests.server.support import answer

COUNT = 2 * REQUESTS_PER_TURN + 1


class TurnsTests(SynchronousTestCase):
    def flood(self, client: Http2Client) -> list[int]:
        """Send many requests in one read; return their streams."""
        numbers = [client.number() for _ in range(COUNT)]
        client.send(*(client.head(each, [*PSEUDO, (b":path", b"/")]) for each in numbers))
        return numbers

    def test_turns(self) -> None:
        """So many are begun in a turn, and meanwhile nothing more is read."""
        client = Http2Client()
        self.flood(client)
        begun: list[tuple[int, bool]] = []

        def look() -> None:
            begun.append((len(client.requests), client.wire.reading))
            if len(begun) < 3:
                client.clock.callLater(0, look)

        look()
        client.clock.advance(0)
        expected = [(REQUESTS_PER_TURN, False), (2 * REQUESTS_PER_TURN, False), (COUNT, True)]
        self.assertEqual(begun, expected)
        self.assertEqual(client.clock.getDelayedCalls(), [client.deadlines._call])

    def test_answered(self) -> None:
        """All are answered in the end, each once."""
        client = Http2Client(render=answer)
        numbers = self.flood(client)
        for _ in range(3):
            client.clock.advance(0)
        client.read()
        self.assertEqual([client.answers[each].status for each in numbers], [200] * COUNT)
        self.assertEqual(len(client.recorded), COUNT)

    def test_few(self) -> None:
        """A client that sends as many in as many reads is never held up."""
        client = Http2Client()
        for _ in range(COUNT):
            client.request()
            self.assertTrue(client.wire.reading)
        self.assertEqual(len(client.requests), COUNT)

    def test_more_comes(self) -> None:
        """What TLS still brings, once reading was paused, is taken in order."""
        client = Http2Client()
        self.flood(client)
        client.request(b"/late")
        for _ in range(3):
            client.clock.advance(0)
        self.assertEqual(len(client.requests), COUNT + 1)
        self.assertEqual(client.requests[-1].uri, b"/late")

    def test_lost(self) -> None:
        """Of a client that leaves in between no more is begun."""
        client = Http2Client()
        self.flood(client)
        client.leave()
        client.clock.advance(0)
        self.assertEqual(len(client.requests), REQUESTS_PER_TURN)
        self.assertEqual(client.clock.getDelayedCalls(), [])

    def test_closed(self) -> None:
        """A connection that closes in between reads on, for the client's own close."""
        client = Http2Client()
        heads = [client.head(client.number(), PSEUDO) for _ in range(REQUESTS_PER_TURN)]
        client.send(GoAwayFrame(0), *heads)
        self.assertFalse(client.open)
        self.assertTrue(client.wire.reading)
        client.request()
        client.clock.advance(0)
        self.assertEqual(client.requests, [])
        self.assertEqual(len(client.recorded), REQUESTS_PER_TURN)
