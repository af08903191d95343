"""A test case that plays an upstream's side of one connection."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.message.head import RequestHead
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.connection import UpstreamConnection
from corsgate.upstream.repairs import Repair
from corsgate.upstream.response import UpstreamResponse
from tests.server.support import Body, Collector, Wire
from tests.upstream.playing import request

OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"Content-Length: 0\r\n\r\n"
LIMITS = Limits(first_byte_timeout_s=10, response_idle_timeout_s=20)


class ConnectionTestCase(SynchronousTestCase):
    """A connection over a `Wire`.

    Attributes:
        strict: Whether responses that are not well-formed are rejected.
    """

    strict = False

    def setUp(self) -> None:
        """Begin with a fresh one."""
        self.repairs: list[Repair] = []
        self.clock = Clock()
        self.released: list[bool] = []
        self.wire = Wire(lenient=True)
        self.connection = UpstreamConnection(
            Deadlines(self.clock),
            lambda _, reusable: self.released.append(reusable),
            repaired=None if self.strict else lambda repair, _: self.repairs.append(repair),
        )
        self.connection.makeConnection(self.wire)

    def ask(self, method: bytes = b"GET", body: Body | None = None) -> Deferred[UpstreamResponse]:
        """Send a request."""
        head = RequestHead(
            method=method, target=b"/x?y", headers=[(b"Host", b"a"), (b"hOst", b"b")]
        )
        return request(self.connection, head, body, LIMITS)

    def answered(self, *reads: bytes, method: bytes = b"GET") -> UpstreamResponse:
        """Return the response that these bytes are."""
        asked = self.ask(method)
        for data in reads:
            self.connection.dataReceived(data)
        return self.successResultOf(asked)

    def collect(self, response: UpstreamResponse) -> Collector:
        """Take a response's body."""
        collector = Collector()
        response.deliverBody(collector)
        return collector

    def wait(self, seconds: int) -> None:
        """Let time pass, a second at a time."""
        self.clock.pump([1.0] * seconds)
