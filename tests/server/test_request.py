"""What a resource written for twisted.web finds in a request."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Request
from twisted.web.test.requesthelper import DummyChannel

from tests.server.support import Served, answer

GET = b"GET /a?b=1 HTTP/1.1\r\nHost: a\r\nCookie: c=1; d; e=f=g\r\nX: 1\r\nX: 2\r\n\r\n"


class PlainRequestTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Have a request that a resource is to answer."""
        self.served = Served()
        self.served.send(GET)
        self.request: Any = self.served.requests[0]

    def test_attributes(self) -> None:
        """It has all that Request's own initializer makes, which is not called."""
        channel: Any = DummyChannel()
        for name in vars(Request(channel)):
            self.assertTrue(hasattr(self.request, name), name)

    def test_asked(self) -> None:
        """Fields and cookies are as twisted.web has them."""
        request = self.request
        self.assertEqual(request.getHeader("x"), "2")
        self.assertEqual(request.requestHeaders.getRawHeaders(b"X"), [b"1", b"2"])
        self.assertEqual(request.received_cookies, {b"c": b"1", b"e": b"f=g"})

    def test_session(self) -> None:
        """A session has its cookie, and is found again."""
        session = self.request.getSession()
        self.addCleanup(session.expire)
        self.request.write(b"x")
        self.request.finish()
        head = self.served.wire.take()
        self.assertIn(b"Set-Cookie: TWISTED_SESSION=" + session.uid, head)
        self.served.send(GET.replace(b"c=1", b"TWISTED_SESSION=" + session.uid))
        self.assertIs(self.served.requests[1].getSession(), session)

    def test_written_late(self) -> None:
        """A write behind the end is an error of its writer's, and the next answer is unharmed."""
        answer(self.request, b"body")
        self.served.wire.take()
        self.assertRaises(RuntimeError, self.request.write, b"late")
        self.assertEqual(self.served.wire.take(), b"")
