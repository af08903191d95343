"""What a resource written for twisted.web finds in a request."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import Request
from twisted.web.test.requesthelper import DummyChannel
from zope.interface.verify import verifyObject

from corsgate.message.head import ResponseHead
from corsgate.server.request import GateRequest
from tests.server.support import Leaf, Served, answer

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

    def test_interface(self) -> None:
        """It is a twisted.web request, to the letter."""
        verifyObject(IRequest, self.request)

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


class Finder(Resource):
    """A root that counts how often it is asked for what serves a request.

    Args:
        found: What serves it.
    """

    def __init__(self, found: Resource) -> None:
        super().__init__()
        self.found = found
        self.asked = 0

    def getChildWithDefault(self, path: bytes, request: Any) -> Resource:
        """Count."""
        self.asked += 1
        return self.found


class ByHead(Leaf):
    """A resource that was chosen by what the head says, and nothing else."""

    by_head = True


class Broken(ByHead):
    """One that fails."""

    def render(self, request: GateRequest) -> int:
        """Fail."""
        raise ZeroDivisionError


class DispatchTests(SynchronousTestCase):
    """How the resource of a request is found."""

    def serve(self, found: Resource, *requests: bytes) -> tuple[Served, int]:
        """Return what has served requests, and how often the resource was looked for."""
        served = Served()
        served.site.resource = root = Finder(found)
        for data in requests:
            served.send(data)
        return served, root.asked

    def test_once(self) -> None:
        """For the same bytes the resource is found once, and for another target again."""
        other = GET.replace(b"/a", b"/b")
        seen: list[bytes] = []

        def respond(request: GateRequest) -> None:
            seen.append(request.uri)
            answer(request)

        _, asked = self.serve(ByHead(respond), GET, GET, GET, other, other)
        self.assertEqual((asked, seen), (2, [b"/a?b=1"] * 3 + [b"/b?b=1"] * 2))

    def test_any_resource(self) -> None:
        """One that doesn't say what it was chosen by is looked for each time."""
        _, asked = self.serve(Leaf(answer), GET, GET)
        self.assertEqual(asked, 2)

    def test_bad_path(self) -> None:
        """A path that is none is refused each time."""
        statuses: list[int] = []

        def respond(request: GateRequest) -> None:
            assert request.refusal is not None
            statuses.append(request.refusal.status)
            answer(request)

        bad = GET.replace(b"/a", b"/%zz")
        served = Served()
        served.site.resource = ByHead(respond)
        served.send(bad, bad)
        self.assertEqual(statuses, [400, 400])

    def test_failure(self) -> None:
        """What a resource raises is answered with 500, each time."""
        served, asked = self.serve(Broken(answer), GET, GET)
        self.assertEqual(asked, 1)
        self.assertEqual(served.wire.value().count(b"HTTP/1.1 500 "), 2)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_failure_behind_a_head(self) -> None:
        """Behind a response that has begun, the connection is cut."""

        def begin(request: GateRequest) -> None:
            request.begin(ResponseHead(200, b"", []), None)
            raise ZeroDivisionError

        served, _ = self.serve(ByHead(begin), GET)
        self.assertTrue(served.wire.disconnected)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_failure_behind_the_end(self) -> None:
        """Behind a whole response, a failure is logged, and the connection goes on."""

        def respond(request: GateRequest) -> None:
            answer(request)
            raise ZeroDivisionError

        served, _ = self.serve(ByHead(respond), GET, GET)
        self.assertEqual(served.wire.value().count(b"HTTP/1.1 200 "), 2)
        self.assertTrue(served.wire.open)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
