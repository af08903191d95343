"""A request under way: sent once more where it may be, cancelled wherever it is."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from corsgate.config.model.values import Limits
from corsgate.errors import BadUpstreamResponse, ConnectFailed, ConnectionReset
from corsgate.message.head import RequestHead
from corsgate.upstream.body import KeptBody
from corsgate.upstream.pool import ServerPool
from corsgate.upstream.sending import CarriedHead
from corsgate.upstream.waiter import Taken
from tests.server.support import Body

RESET = Failure(ConnectionReset("the server closed the connection"))


class FakeConnection:
    """Takes requests, and notes whether they are cancelled."""

    def __init__(self) -> None:
        self.sent: list[CarriedHead] = []
        self.cancelled = 0
        self.closed = False
        self.pinned = False

    def send(self, sending: CarriedHead) -> None:
        """Take one."""
        self.sent.append(sending)

    def cancel(self) -> None:
        """Note it."""
        self.cancelled += 1

    def close(self) -> None:
        """Note it."""
        self.closed = True


class FakePool:
    """Has a test make its connections.

    Attributes:
        replacing: What is to take the place of a connection, once it was asked for.
        keep_alive: Itself.
        lost: The connections that were closed on reuse.
        doubts: Whether only requests that can be repeated may use a kept connection.
    """

    def __init__(self) -> None:
        self.replacing: list[Deferred[Taken]] = []
        self.lost: list[object] = []
        self.doubts = False
        self.keep_alive = self

    def may_use(self, connection: object, sending: CarriedHead) -> bool:
        """Return whether a kept connection may carry a request."""
        return not self.doubts or sending.repeatable

    def closed(self, connection: object, *, repeatable: bool) -> None:
        """Note it."""
        self.lost.append(connection)

    def replace(self, connection: object, limits: Limits, holder: object = None) -> Deferred[Taken]:
        """Begin."""
        self.replacing.append(Deferred())
        return self.replacing[-1]


def taken(connection: FakeConnection, *, fresh: bool) -> Taken:
    """Return a connection for a request."""
    return Taken(cast(Any, connection), fresh)


class SendingTests(SynchronousTestCase):
    def begin(self, method: bytes = b"GET", body: Any = None) -> Deferred[Any]:
        """Begin to send a request, for which there is no connection yet."""
        head = RequestHead(method=method, target=b"/", headers=[])
        self.sending = CarriedHead(head, Limits())
        self.pool, self.connection = FakePool(), FakeConnection()
        self.sending.pool, self.sending.body = cast(ServerPool, self.pool), body
        result: Deferred[Any] = Deferred(self.sending.cancel)
        self.sending.result = result
        self.connecting: Deferred[Taken] = Deferred()
        self.sending.connect(self.connecting)
        return result

    def test_shape(self) -> None:
        """For treq it is a set of fields that can't be changed."""
        self.begin()
        self.assertIsInstance(self.sending, Headers)
        self.sending.addRawHeader(b"Accept-Encoding", b"gzip")
        self.assertEqual(list(self.sending.getAllRawHeaders()), [])
        self.assertIs(self.sending.copy(), self.sending)
        self.assertTrue(self.sending.hasHeader(b"cookie"))
        self.assertRaises(TypeError, self.sending.setRawHeaders, b"X", [b"1"])

    def test_not_connected(self) -> None:
        """Without a connection nothing is sent."""
        result = self.begin()
        self.connecting.errback(ConnectFailed("no"))
        self.failureResultOf(result, ConnectFailed)
        self.assertEqual(self.connection.sent, [])

    def test_resent(self) -> None:
        """A kept connection that was closed unawares is replaced, once."""
        result = self.begin()
        self.connecting.callback(taken(self.connection, fresh=False))
        self.sending.failed(RESET)
        self.assertNoResult(result)
        (replacing,) = self.pool.replacing
        replacing.callback(taken(self.connection, fresh=True))
        self.assertEqual(self.connection.sent, [self.sending] * 2)
        self.sending.failed(RESET)
        self.failureResultOf(result, ConnectionReset)
        self.assertEqual(len(self.pool.replacing), 1)

    def test_not_resent(self) -> None:
        """Not where the server may have acted, or the body is gone, or it said something."""
        for method, body, fresh, failure in (
            (b"GET", None, True, RESET),
            (b"POST", None, False, RESET),
            (b"PUT", Body(3), False, RESET),
            (b"GET", None, False, Failure(BadUpstreamResponse("its head was cut short"))),
            (b"GET", None, False, Failure(ValueError("the body broke off"))),
        ):
            result = self.begin(method, body)
            self.connecting.callback(taken(self.connection, fresh=fresh))
            self.sending.failed(failure)
            self.assertIs(self.failureResultOf(result), failure)
            self.assertEqual(self.pool.replacing, [])
            # The pool learns of each kept connection that brought nothing, whatever came of it.
            known = [] if fresh or failure is not RESET else [self.connection]
            self.assertEqual(self.pool.lost, known)

    def test_doubted_connection(self) -> None:
        """A kept connection that was waited for is replaced where the request can't be repeated."""
        for method, replaced in ((b"GET", False), (b"POST", True)):
            self.begin(method)
            self.pool.doubts = True
            self.connecting.callback(taken(self.connection, fresh=False))
            self.assertEqual(
                (self.connection.closed, len(self.pool.replacing)), (replaced, replaced)
            )
            self.assertEqual(self.connection.sent, [] if replaced else [self.sending])
            for replacing in self.pool.replacing:
                replacing.callback(taken(self.connection, fresh=True))
            self.assertEqual(self.connection.sent, [self.sending])

    def test_kept_body(self) -> None:
        """A body that is kept can go again."""
        result = self.begin(b"PUT", KeptBody(b"abc"))
        self.connecting.callback(taken(self.connection, fresh=False))
        self.sending.failed(RESET)
        self.assertNoResult(result)
        self.assertEqual(len(self.pool.replacing), 1)

    def test_cancelled(self) -> None:
        """Cancelling ends what it waits for: a connection, a response, or another connection."""
        result = self.begin()
        result.cancel()
        self.failureResultOf(result, CancelledError)
        self.assertTrue(self.connecting.called)
        result = self.begin()
        self.connecting.callback(taken(self.connection, fresh=False))
        result.cancel()
        self.failureResultOf(result, CancelledError)
        self.assertEqual(self.connection.cancelled, 1)
        result = self.begin()
        self.connecting.callback(taken(self.connection, fresh=False))
        self.sending.failed(RESET)
        result.cancel()
        self.failureResultOf(result, CancelledError)
        self.assertEqual(self.connection.cancelled, 0)
        self.assertTrue(self.pool.replacing[0].called)
