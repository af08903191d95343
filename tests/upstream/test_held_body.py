"""A body that waits for 100 Continue: what releases it, and what leaves it whole."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IBodyProducer
from zope.interface.verify import verifyObject

from corsgate.message.head import ResponseHead
from corsgate.upstream.held_body import GRACE_S, WAIT_S, HeldBody
from tests.server.support import Body
from tests.upstream.playing import Written

CONTINUE = ResponseHead(100, b"Continue", [])


class HeldBodyTests(SynchronousTestCase):
    """`HeldBody`."""

    def setUp(self, *, is_wary: bool = False, asks: bool = True) -> None:
        """Hold a body."""
        self.clock = Clock()
        self.noted: list[str] = []
        self.body = Body(6)
        self.held = HeldBody(
            self.body,
            self.clock,
            lambda: self.noted.append("ignored"),
            lambda: self.noted.append("heeded"),
            is_wary=is_wary,
            asks=asks,
        )
        self.written = Written()

    def start(self) -> Deferred[None]:
        """Begin to send it."""
        return self.held.startProducing(self.written)

    def assert_waits_no_more(self) -> None:
        """Assert that no timer is left."""
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_interface(self) -> None:
        """It is a body like any other, of the same length."""
        verifyObject(IBodyProducer, self.held)
        self.assertEqual(self.held.length, 6)

    def test_asked_for(self) -> None:
        """100 Continue releases it at once; no other interim response does."""
        done = self.start()
        self.held.informed(ResponseHead(103, b"Early Hints", []))
        self.assertEqual((self.body.started, self.noted), (0, []))
        self.held.informed(CONTINUE)
        self.assertEqual((self.body.started, self.noted), (1, ["heeded"]))
        self.assert_waits_no_more()
        self.body.send(b"abcdef")
        self.assertNoResult(done)
        self.body.done.callback(None)
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual(self.written.pieces, [b"abcdef"])

    def test_asked_twice(self) -> None:
        """A second 100 Continue changes nothing."""
        self.start()
        self.held.informed(CONTINUE)
        self.held.informed(CONTINUE)
        self.assertEqual(self.body.started, 1)

    def test_wary(self) -> None:
        """If a challenge may follow, it waits a little after 100 Continue, and only once."""
        for late_s in (0.0, 3.0):
            self.setUp(is_wary=True)
            self.start()
            self.clock.advance(WAIT_S / 2)
            self.held.informed(CONTINUE)
            self.clock.advance(GRACE_S / 2)
            self.held.informed(CONTINUE)
            self.assertEqual((self.body.started, self.noted), (0, ["heeded", "heeded"]))
            if late_s:
                # The gate was held up: the challenge may be unread.
                self.clock.advance(late_s)
                self.assertEqual(self.body.started, 0)
            self.clock.advance(GRACE_S if late_s else GRACE_S / 2)
            self.assertEqual((self.body.started, self.noted), (1, ["heeded", "heeded"]))
            self.assert_waits_no_more()

    def test_wary_and_challenged(self) -> None:
        """A challenge after 100 Continue leaves it untouched."""
        self.setUp(is_wary=True)
        self.start()
        self.held.informed(CONTINUE)
        self.assertFalse(self.held.responded(401))
        self.clock.advance(2 * WAIT_S)
        self.assertEqual((self.body.started, self.held.replayable), (0, True))
        self.assert_waits_no_more()

    def test_not_asked(self) -> None:
        """Without Expect it waits a little for a challenge, and nothing is noted."""
        self.setUp(asks=False)
        self.start()
        self.clock.advance(GRACE_S / 2)
        self.assertEqual(self.body.started, 0)
        self.clock.advance(GRACE_S / 2)
        self.assertEqual((self.body.started, self.noted), (1, []))
        self.setUp(asks=False)
        self.start()
        self.assertFalse(self.held.responded(417), "it is no reason to send it again")
        self.assertEqual((self.noted, self.held.replayable), ([], True))
        self.assert_waits_no_more()

    def test_ignored(self) -> None:
        """Without a response it is sent after a second, and no earlier; that is noted."""
        self.start()
        self.clock.advance(WAIT_S - 0.01)
        self.assertEqual((self.body.started, self.noted), (0, []))
        self.clock.advance(0.01)
        self.assertEqual((self.body.started, self.noted), (1, ["ignored"]))

    def test_held_up(self) -> None:
        """A gate that was held up itself gives the server one more second, and no more."""
        self.start()
        self.clock.advance(WAIT_S + 3)
        self.assertEqual((self.body.started, self.noted), (0, []))
        self.clock.advance(WAIT_S + 3)
        self.assertEqual((self.body.started, self.noted), (1, ["ignored"]))

    def test_late(self) -> None:
        """A server that asks later than that has not ignored it after all."""
        self.start()
        self.clock.advance(WAIT_S)
        self.held.informed(CONTINUE)
        self.assertEqual((self.body.started, self.noted), (1, ["ignored", "heeded"]))

    def test_refused(self) -> None:
        """A final response leaves it untouched for ever, to be sent again."""
        for status in (301, 401, 403, 413, 500):
            self.setUp()
            self.start()
            self.assertFalse(self.held.responded(status))
            self.clock.advance(2 * WAIT_S)
            self.held.stopProducing()
            self.assertEqual((self.body.started, self.body.calls, self.noted), (0, [], []))
            self.assertTrue(self.held.replayable)
            self.assert_waits_no_more()

    def test_rejected(self) -> None:
        """417 is noted like a server that ignores Expect."""
        self.start()
        self.assertTrue(self.held.responded(417))
        self.assertEqual((self.body.started, self.noted), (0, ["ignored"]))

    def test_rejected_late(self) -> None:
        """After the body has begun it is a response like any other: nothing is sent again."""
        self.start()
        self.held.informed(CONTINUE)
        self.assertFalse(self.held.responded(417))
        self.assertEqual(self.noted, ["heeded"])

    def test_begun_early(self) -> None:
        """A successful response that has begun may be waiting for the body, which is sent."""
        self.start()
        self.held.responded(200)
        self.assertEqual(self.body.started, 1)
        self.assert_waits_no_more()

    def test_ended_early(self) -> None:
        """One that is whole, so that the connection has stopped the body, waits for nothing."""
        self.start()
        self.held.stopProducing()
        self.held.responded(200)
        self.held.informed(CONTINUE)
        self.assertEqual((self.body.started, self.body.calls), (0, []))

    def test_stopped(self) -> None:
        """A released body is stopped, and what the client still sends is thrown away."""
        self.start()
        self.held.informed(CONTINUE)
        self.assertFalse(self.held.replayable)
        self.held.stopProducing()
        self.assertEqual(self.body.calls, ["stop"])

    def test_again(self) -> None:
        """An untouched one goes over another connection, at that connection's pace."""
        self.start()
        self.held.pauseProducing()
        self.held.stopProducing()
        self.assert_waits_no_more()
        other = Written()
        self.held.startProducing(other)
        self.clock.advance(WAIT_S / 2)
        self.held.informed(CONTINUE)
        self.body.send(b"abcdef")
        self.assertEqual((self.written.pieces, other.pieces), ([], [b"abcdef"]))
        self.assertEqual(self.body.calls, [])

    def test_pace(self) -> None:
        """A server that doesn't keep up holds it, also from before it was released."""
        self.start()
        self.held.pauseProducing()
        self.assertEqual(self.body.calls, [])
        self.held.informed(CONTINUE)
        self.assertEqual((self.body.calls, self.body.started), (["pause"], 1))
        self.held.resumeProducing()
        self.held.pauseProducing()
        self.assertEqual(self.body.calls, ["pause", "resume", "pause"])

    def test_trailers(self) -> None:
        """It has the trailers of its body, which are known only at its end."""
        self.assertEqual(self.held.trailers, [])
        self.body.trailers = [(b"X", b"1")]  # type: ignore[attr-defined]  # as a streamed body has them
        self.assertEqual(self.held.trailers, [(b"X", b"1")])

    def test_broken(self) -> None:
        """A body that breaks off fails."""
        done = self.start()
        self.held.informed(CONTINUE)
        self.body.done.errback(ValueError("gone"))
        self.failureResultOf(done, ValueError)
