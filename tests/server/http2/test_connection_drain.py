"""How an HTTP/2 connection ends in good order, by either side."""

from __future__ import annotations

from hyperframe.frame import GoAwayFrame, PingFrame
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.server.http2.goaway import FAREWELL
from tests.server.http2.client import Http2Client
from tests.server.support import answer


class DrainTests(SynchronousTestCase):
    """The gate ends."""

    def drain(self, client: Http2Client) -> list[object]:
        """Drain the site; return what fires when it is empty."""
        emptied: list[object] = []
        client.site.drain().addCallback(emptied.append)
        client.read()
        return emptied

    def goaway(self, client: Http2Client) -> None:
        """Acknowledge the PING behind the first GOAWAY."""
        pings = [frame for frame in client.control if isinstance(frame, PingFrame)]
        self.assertEqual(pings[-1].opaque_data, FAREWELL)
        client.send(PingFrame(0, FAREWELL, flags=["ACK"]))

    def test_two_steps(self) -> None:
        """Requests that were on their way are served; later ones are refused."""
        client = Http2Client()
        first = client.request(b"/1")
        emptied = self.drain(client)
        self.assertEqual(client.goaways, [(2**31 - 1, 0)])
        second = client.request(b"/2")
        self.goaway(client)
        self.assertEqual(client.goaways[1:], [(second, 0)])
        third = client.request(b"/3")
        self.assertEqual(client.answers[third].reset, 7)
        self.assertEqual([request.uri for request in client.requests], [b"/1", b"/2"])
        answer(client.requests[1], b"two")
        self.assertTrue(client.open)
        answer(client.requests[0], b"one")
        client.read()
        self.assertEqual(client.answers[first].body + client.answers[second].body, b"onetwo")
        self.assertFalse(client.open)
        self.assertEqual(emptied, [])
        client.leave()
        self.assertEqual(emptied, [None])

    def test_idle(self) -> None:
        """An idle connection is closed once its client has answered."""
        client = Http2Client()
        self.drain(client)
        self.assertTrue(client.open)
        self.goaway(client)
        self.assertEqual(client.goaways, [(2**31 - 1, 0), (0, 0)])
        self.assertFalse(client.open)

    def test_no_answer(self) -> None:
        """A client that doesn't answer is not waited for long."""
        client = Http2Client()
        self.drain(client)
        client.wait(7)
        self.assertFalse(client.open)

    def test_again(self) -> None:
        """Draining twice says nothing twice, and a PING of another's ends nothing."""
        client = Http2Client()
        self.drain(client)
        self.drain(client)
        client.send(PingFrame(0, b"somebody", flags=["ACK"]))
        self.assertEqual(len(client.goaways), 1)
        self.assertTrue(client.open)

    def test_cut(self) -> None:
        """When the gate can wait no longer, all requests hear of it."""
        client = Http2Client()
        client.request()
        client.site.abort()
        self.assertTrue(client.wire.disconnected)
        (request,) = client.recorded
        self.assertEqual(request.log.outcome, "the gate was stopped")


class LeavingTests(SynchronousTestCase):
    """The client ends."""

    def test_goaway(self) -> None:
        """A client that says goodbye still gets what it asked for."""
        client = Http2Client()
        first, second = client.request(), client.request(method=b"PUT", end=False)
        client.send(GoAwayFrame(0, 0, 0, b"bye"))
        answer(client.requests[0], b"one")
        client.read()
        self.assertEqual(client.answers[first].body, b"one")
        client.data(second, b"more", end=True)
        self.assertTrue(client.open)
        answer(client.requests[1], b"two")
        client.read()
        self.assertEqual(client.answers[second].body, b"two")
        self.assertFalse(client.open)
        self.assertEqual([code for _, code in client.goaways], [0])

    def test_goaway_alone(self) -> None:
        """Where it asked for nothing the connection is closed."""
        client = Http2Client()
        client.send(GoAwayFrame(0))
        self.assertFalse(client.open)

    def test_lost(self) -> None:
        """All requests hear once that their client is gone."""
        client = Http2Client()
        gone: list[Failure] = []
        for _ in range(3):
            client.request()
            client.requests[-1].notifyFinish().addErrback(gone.append)
        client.leave()
        self.assertEqual(len(gone), 3)
        self.assertEqual(client.recorded, client.requests)
        self.assertEqual(client.site.connections.channels, set())
        self.assertTrue(client.deadlines.empty)
        self.assertEqual(client.clock.getDelayedCalls(), [])
