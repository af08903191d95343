"""What a client is told where the gate itself responds."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.cors.decision import Decision, Verdict
from corsgate.errors import ConnectFailed, ConnectionReset, UpstreamTimedOut
from corsgate.gate.error_page import Problem
from corsgate.gate.own_responses import respond, respond_to_failure
from corsgate.message.head import ResponseHead
from tests.gate.fakes import FakeRequest, compiled

CORS = (b"Access-Control-Allow-Origin", b"*")
ALLOWED = Decision(verdict=Verdict.FORWARD, headers=(CORS,), reason="")


class OwnResponseTests(SynchronousTestCase):
    """`respond` and `respond_to_failure`."""

    def setUp(self) -> None:
        """Make a request and a route."""
        self.clock = MemoryReactorClock()
        self.request = FakeRequest(self.clock)
        self.route = compiled(self.clock)

    def fail(self, error: Exception) -> None:  # type: ignore[override]  # no test here calls the other
        """Tell the client of a failure."""
        request: Any = self.request
        respond_to_failure(request, self.route, ALLOWED, Failure(error))

    def test_problem(self) -> None:
        """A page may read it; the log says the same unless more was said."""
        request: Any = self.request
        respond(request, Problem(status=404, detail="Nothing."), ALLOWED)
        self.assertEqual((self.request.status, self.request.log.outcome), (404, "Nothing."))
        self.assertIn(CORS, self.request.headers)

    def test_failure(self) -> None:
        """What is told is not what the log says."""
        self.fail(UpstreamTimedOut("the server 10.0.0.1 sent nothing"))
        self.assertEqual(self.request.status, 504)
        self.assertEqual(self.request.log.outcome, "the server 10.0.0.1 sent nothing")
        self.assertNotIn(b"10.0.0.1", self.request.sent)

    def test_developers_read_the_reason(self) -> None:
        """With ``debug``, a client on this machine and no other gets the reason of a failure."""
        debug = 'allow_origins = ["http://localhost:4200"], debug = true'
        plain = 'allow_origins = ["http://localhost:4200"]'
        words = b"it answers plain HTTP on this port"
        for cors, client, told in (
            (debug, "127.0.0.1", True),
            (debug, "10.0.0.9", False),
            (plain, "127.0.0.1", False),
            ("", "127.0.0.1", False),
        ):
            self.request = FakeRequest(self.clock)
            self.request.log.client = client
            self.route = compiled(self.clock, cors=cors)
            self.fail(ConnectFailed(f"https://box:1: {words.decode()}"))
            self.assertEqual(self.request.status, 502)
            self.assertEqual(words in self.request.sent, told, (cors, client))
        self.request = FakeRequest(self.clock)
        self.request.log.client, self.request.index = (
            "127.0.0.1",
            {b"x-forwarded-for": [b"1.2.3.4"]},
        )
        self.route = compiled(self.clock, cors=debug)
        self.fail(ConnectFailed(f"https://box:1: {words.decode()}"))
        self.assertNotIn(words, self.request.sent)
        star = 'allow_origins = ["*"], debug = true'
        for origin in ({}, {b"origin": [b"https://any.example"]}):
            # Any page may read what a page gets here.
            self.request = FakeRequest(self.clock)
            self.request.log.client, self.request.index = "127.0.0.1", origin
            self.route = compiled(self.clock, cors=star)
            self.fail(ConnectFailed(f"https://box:1: {words.decode()}"))
            self.assertEqual(words in self.request.sent, not origin)
        for server, hinted in (("http://box:1", True), ("https://box:1", False)):
            self.request = FakeRequest(self.clock)
            self.request.log.client, self.request.log.server = "127.0.0.1", server
            self.route = compiled(self.clock, cors=debug)
            self.fail(ConnectionReset("the server closed the connection"))
            self.assertEqual(b"if it uses TLS on this port" in self.request.sent, hinted)
        self.request = FakeRequest(self.clock)
        self.request.log.client = "127.0.0.1"
        self.fail(ValueError("a fault of the gate"))
        self.flushLoggedErrors(ValueError)
        self.assertNotIn(b"a fault", self.request.sent)

    def test_begun(self) -> None:
        """A response that has begun is cut."""
        self.request.startedWriting = 1
        self.fail(ConnectFailed("x"))
        self.assertTrue(self.request.aborted)

    def test_gone(self) -> None:
        """A client that has left is told nothing."""
        self.fail(ConnectionDone())
        self.request.gone = True
        self.fail(ConnectFailed("x"))
        self.assertEqual((self.request.status, self.request.log.outcome), (None, None))

    def test_unforeseen(self) -> None:
        """Only what nobody has foreseen is logged with its traceback."""
        self.fail(CancelledError())
        self.assertEqual((self.request.status, self.flushLoggedErrors()), (500, []))
        self.fail(ValueError("x"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_not_told(self) -> None:
        """Where the client can't be told, it is cut rather than left waiting."""

        def broken(head: ResponseHead, body: bytes, *, announced: bool = True) -> None:
            raise RuntimeError("broken")

        self.request.respond = broken  # type: ignore[method-assign]  # that it fails is the test
        self.fail(ConnectFailed("x"))
        self.assertTrue(self.request.aborted)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
