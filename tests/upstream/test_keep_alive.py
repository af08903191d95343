"""Servers that don't take a second request on a connection, or may not be given one."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.reuse import FIRST_REST_S
from corsgate.errors import ConnectionReset
from corsgate.message.head import RequestHead
from corsgate.upstream.sending import CarriedHead
from tests.server.support import Collector
from tests.upstream.playing import LIMITS, OK, Link, Playing


class ReuseTests(SynchronousTestCase):
    """Requests one after the other, as the agent sends them."""

    def setUp(self) -> None:
        """Have a pool, and keep what is logged."""
        self.playing = Playing()
        self.logged: list[str] = []
        observer = cast(ILogObserver, self.log)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def log(self, event: Any) -> None:
        """Keep what the pool says."""
        if event.get("log_namespace") == "corsgate.upstream.keep_alive":
            self.logged.append(event["log_format"].format(**event))

    def send(self, method: bytes = b"GET") -> Deferred[Any]:
        """Send a request, on a kept connection if there is one that may be used."""
        pool = self.playing.pool
        sending = CarriedHead(RequestHead(method=method, target=b"/", headers=[]), LIMITS)
        sending.pool, sending.body = pool, None
        result: Deferred[Any] = Deferred(sending.cancel)
        sending.result = result
        connection = pool.take_idle(None, sending)
        if connection is None:
            sending.connect(pool.take(LIMITS))
        else:
            sending.connection = connection
            connection.send(sending)
        return result.addCallback(lambda response: response.deliverBody(Collector()))

    def served(self, method: bytes = b"GET") -> None:
        """Check that a request is served, on a new connection where one is being made."""
        asked = self.send(method)
        link = self.playing.accept() if self.playing.begun else self.playing.links[-1]
        link.answer(OK)
        self.successResultOf(asked)
        self.drop(link)

    def drop(self, link: Link) -> None:
        """Lose a connection that the pool has closed."""
        if not link.wire.open and not link.lost:
            link.lose()

    def lost(self, method: bytes = b"GET") -> Deferred[Any]:
        """Send a request on a kept connection, which the server then closes."""
        self.assertEqual(self.playing.begun, 0)
        asked = self.send(method)
        self.assertEqual(self.playing.begun, 0, "it is sent on a kept connection")
        self.playing.links[-1].lose()
        return asked

    def resent(self) -> None:
        """Check that a request which met a close is sent again, and served."""
        asked = self.lost()
        link = self.playing.accept()
        link.answer(OK)
        self.successResultOf(asked)
        self.drop(link)

    def test_posts(self) -> None:
        """Of a server that closes on each second request, one POST fails, which is logged once."""
        self.served(b"POST")
        self.failureResultOf(self.lost(b"POST"), ConnectionReset)
        for number in range(3, 10):
            self.served(b"POST")
            self.drop(self.playing.links[-2])
            self.assertEqual(len(self.playing.links), number - 1)
        self.assertEqual(len(self.logged), 1)
        self.assertIn("http://10.0.0.1 closed a kept connection", self.logged[0])

    def test_rest(self) -> None:
        """After two closes nothing is kept, which is logged once; later it is tried again."""
        self.served()
        self.resent()
        self.resent()
        self.assertEqual(len(self.logged), 1)
        self.assertIn("http://10.0.0.1 closes kept connections", self.logged[0])
        made = len(self.playing.links)
        for _ in range(3):
            self.served()
        self.assertEqual(len(self.playing.links), made + 3)
        self.playing.wait(int(FIRST_REST_S))
        self.served()
        self.resent()
        self.assertEqual(len(self.logged), 1)
        made = len(self.playing.links)
        self.playing.wait(int(FIRST_REST_S))
        self.served()
        self.served()
        self.assertEqual(len(self.playing.links), made + 2)

    def test_works_again(self) -> None:
        """A server that closed one connection that was idle for too long keeps the others."""
        self.served()
        self.resent()
        self.served()
        made = len(self.playing.links)
        for method in (b"POST", b"GET", b"POST"):
            self.served(method)
        self.assertEqual((len(self.playing.links), self.logged), (made, []))

    def test_limit(self) -> None:
        """A connection carries no more requests than it may."""
        for bounds, made in (
            ({"max_requests_per_connection": 2}, 3),
            ({"keep_alive": False}, 6),
            ({}, 1),
        ):
            self.playing = Playing(**bounds)
            for _ in range(6):
                self.served()
            self.assertEqual(len(self.playing.links), made)

    def test_waiting(self) -> None:
        """Where a connection is limited, who waits gets a new one in its place."""
        self.playing = Playing(max_connections=1, keep_alive=False)
        first, second = self.send(), self.send()
        link = self.playing.accept()
        link.answer(OK)
        self.successResultOf(first)
        self.assertEqual((link.open, self.playing.begun), (False, 0))
        link.lose()
        self.playing.accept().answer(OK)
        self.successResultOf(second)

    def test_pinned(self) -> None:
        """A connection that a client has logged in on says nothing of the others."""
        self.served()
        asked = self.send()
        (connection,) = self.playing.pool.slots._used
        connection.pinned = True
        self.playing.links[-1].lose()
        self.playing.accept().answer(OK)
        self.successResultOf(asked)
        self.served(b"POST")
        self.assertEqual(len(self.playing.links), 2)
