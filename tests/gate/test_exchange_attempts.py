"""An exchange's attempts, one server after the other, without a socket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import ConnectFailed, ConnectionReset
from corsgate.gate.exchange import Exchange
from corsgate.gate.relay import UNSEALED
from corsgate.message.headers import Header
from corsgate.server.request_body import RequestBody
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.upstream.response import RESPONSE_DONE
from tests.gate.fakes import ASKING, FakeConnection, FakeRequest, FakeServers, compiled, response

APP = b"https://app.example"
CORS = 'allow_origins = ["https://app.example"]'
FROM_APP = (b"Origin", APP)


class ExchangeTestCase(SynchronousTestCase):
    """A test case with a client, a route and servers that it plays."""

    shortcuts: Shortcuts = ALL

    def setUp(self) -> None:
        """Make the servers and the clock."""
        self.clock = MemoryReactorClock()
        self.servers = FakeServers()

    def begin(
        self,
        method: bytes = b"GET",
        headers: Sequence[Header] = (),
        body: RequestBody | None = None,
        **how: Any,
    ) -> FakeRequest:
        """Start an exchange, and return its request."""
        self.route = compiled(self.clock, self.servers, shortcuts=self.shortcuts, **how)
        return self.go_on(method, headers, body)

    def go_on(
        self,
        method: bytes = b"GET",
        headers: Sequence[Header] = (),
        body: RequestBody | None = None,
    ) -> FakeRequest:
        """Start another exchange on the same route."""
        made = FakeRequest(self.clock, method, headers, body)
        request: Any = made
        Exchange(request, self.route, ASKING).start()
        return made

    def assert_ended(self, *failures: int) -> None:
        """Assert that nothing runs, and how many failures count against each server."""
        balancer = self.route.upstream.balancer
        states = balancer.states.values()
        self.assertEqual((balancer.running, balancer.budget.running), (0, 0))
        self.assertEqual([state.running for state in states], [0] * len(states))
        self.assertEqual(tuple(state.circuit.failures for state in states), failures)


class FirstAttempt(ExchangeTestCase):
    """What most requests need."""

    def test_unsealed(self) -> None:
        """A body that ended without close_notify is logged, whether it came whole or in parts."""
        for is_late, is_unsealed in ((False, False), (False, True), (True, False), (True, True)):
            request = self.begin()
            made = response(200)
            made.body_data(b"abc")
            if is_late:
                self.servers.waiting[-1].callback(made)
            made.unsealed = is_unsealed
            made.body_ended(RESPONSE_DONE)
            if is_late:
                made.flush()
            else:
                self.servers.waiting[-1].callback(made)
            self.assertEqual((request.sent, request.ended), (b"abc", True))
            self.assertEqual(request.log.outcome, UNSEALED if is_unsealed else None)

    def test_whole(self) -> None:
        """A response that has come whole is passed on, with the policy's headers."""
        request = self.begin(headers=[FROM_APP], cors=CORS)
        self.servers.respond(200, [(b"ETag", b'"1"')], b"abc")
        self.assertEqual((request.status, request.sent, request.ended), (200, b"abc", True))
        self.assertIn((b"Access-Control-Allow-Origin", APP), request.headers)
        self.assertIn((b"ETag", b'"1"'), request.headers)
        self.assertEqual(request.log.server, self.servers.origins[0])
        self.assert_ended(0, 0)

    def test_streamed(self) -> None:
        """One that comes in pieces is passed on as they come."""
        request = self.begin()
        streamed = response(200)
        self.servers.waiting[-1].callback(streamed)
        self.assertEqual((request.status, request.sent, request.ended), (200, b"", False))
        for piece in (b"ab", b"cd"):
            streamed.body_data(piece)
            streamed.flush()
            self.assertTrue(request.sent.endswith(piece))
        streamed.body_ended(RESPONSE_DONE)
        streamed.flush()
        self.assertTrue(request.ended)
        self.assert_ended(0, 0)

    def test_whole_of_no_length(self) -> None:
        """One that has come whole without a length leaves without one, its trailers behind it."""
        request = self.begin(headers=[(b"TE", b"trailers")])
        chunked = response(200)
        chunked.body_data(b"abc")
        chunked.trailers = [(b"X-Sum", b"1"), (b"Host", b"x")]
        chunked.body_ended(RESPONSE_DONE)
        self.servers.waiting[-1].callback(chunked)
        self.assertEqual((request.length, request.sent, request.ended), (None, b"abc", True))
        self.assertEqual(request.trailers, [(b"X-Sum", b"1")])
        self.assert_ended(0, 0)

    def test_cut_short(self) -> None:
        """One that breaks off is cut for the client too, and is its server's fault."""
        request = self.begin()
        streamed = response(200)
        self.servers.waiting[-1].callback(streamed)
        streamed.body_ended(Failure(ConnectionReset("it closed")))
        streamed.flush()
        self.assertEqual((request.aborted, request.ended), (True, False))
        self.assert_ended(1, 0)

    def test_length_of_no_body(self) -> None:
        """A response to HEAD says how long the body would be."""
        request = self.begin(b"HEAD")
        head = response(200, length=1000)
        head.body_ended(RESPONSE_DONE)
        self.servers.waiting[-1].callback(head)
        self.assertEqual((request.length, request.sent, request.ended), (1000, b"", True))

    def test_client_leaves(self) -> None:
        """A client that leaves ends it, whose fault it is nobody's."""
        request = self.begin()
        request.leave()
        self.assertTrue(self.servers.waiting[-1].called)
        self.assertIsNone(request.status)
        self.assert_ended(0, 0)

    def test_client_leaves_amid_response(self) -> None:
        """So it is where the response is on its way."""
        request = self.begin()
        streamed = response(200)
        connection: Any = streamed._connection
        self.servers.waiting[-1].callback(streamed)
        request.leave()
        self.assertIsInstance(connection, FakeConnection)
        self.assertEqual(connection.given_up, 1)
        self.assert_ended(0, 0)

    def test_upload(self) -> None:
        """A body is sent as it comes."""
        body = RequestBody(3, 100, lambda: None)
        request = self.begin(b"POST", body=body)
        (sent,) = self.servers.bodies
        self.assertEqual(sent.length, 3)
        self.servers.respond(201)
        self.assertEqual(request.status, 201)
        self.assert_ended(0, 0)

    def test_kept_upload(self) -> None:
        """One that another server may get too is kept before it is sent."""
        body = RequestBody(3, 100, lambda: None)
        request = self.begin(b"PUT", body=body)
        self.assertEqual(self.servers.bodies, [])
        body.data_received(b"abc")
        body.ended()
        self.assertTrue(self.servers.bodies[0].replayable)
        self.servers.fail(ConnectionReset("it closed"))
        self.clock.advance(1)
        self.servers.respond(204, body=b"")
        self.assertEqual((request.status, len(set(self.servers.origins))), (204, 2))
        self.assert_ended(1, 0)

    def test_too_large(self) -> None:
        """A body that says it is too large is refused before anybody is asked."""
        body = RequestBody(3, 100, lambda: None)
        request = self.begin(b"POST", body=body, route='limits = { max_body_bytes = "2B" }')
        self.assertEqual((request.status, self.servers.heads), (413, []))

    def test_refused(self) -> None:
        """What the policy refuses goes no further."""
        request = self.begin(headers=[(b"Origin", b"https://evil.example")], cors=CORS)
        self.assertEqual((request.status, self.servers.heads), (403, []))
        self.assertEqual(request.log.refused, request.log.outcome)

    def test_preflight(self) -> None:
        """A preflight is responded to here; the same head serves until the date changes."""
        asked = [FROM_APP, (b"Access-Control-Request-Method", b"PUT")]
        request = self.begin(b"OPTIONS", asked, cors=f'{CORS}, allow_methods = ["PUT"]')
        self.assertEqual((request.status, request.sent, request.ended), (204, b"", True))
        self.assertIn((b"Access-Control-Allow-Methods", b"PUT"), request.headers)
        self.assertEqual(self.servers.heads, [])

    def test_our_own_fault(self) -> None:
        """What nobody has foreseen is a 500, is logged, and is no server's fault."""
        request = self.begin()
        self.servers.fail(RuntimeError("broken"))
        self.assertEqual(request.status, 500)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assert_ended(0, 0)

    def test_our_own_fault_amid_response(self) -> None:
        """A response that can't be handed on is given up: it must keep no connection busy."""
        request = self.begin()
        streamed = response(200)
        connection: Any = streamed._connection
        streamed.head.headers.append((b"Location", None))  # type: ignore[arg-type]  # on purpose
        self.servers.waiting[-1].callback(streamed)
        self.assertEqual((request.status, connection.given_up), (500, 1))
        self.assertEqual(len(self.flushLoggedErrors(AttributeError, TypeError)), 1)
        self.assert_ended(0, 0)


class FirstAttemptByCoroutine(FirstAttempt):
    """The same where no shortcut is taken."""

    shortcuts = Shortcuts(direct=False, whole=False, head_names=False, memo=False)


class Failovers(ExchangeTestCase):
    """What follows where a server fails a request."""

    def test_another_server(self) -> None:
        """A request that reached nobody goes to another server at once."""
        request = self.begin(b"POST")
        self.servers.fail(ConnectFailed("it refuses"))
        self.servers.respond()
        self.assertEqual((request.status, len(set(self.servers.origins))), (200, 2))
        self.assertEqual(request.log.tried, [f"{self.servers.origins[0]} connect"])
        self.assert_ended(1, 0)

    def test_all_fail(self) -> None:
        """Where all fail it, the client is told, and of its route's fallback if it has one."""
        fallback = 'on_down = { status = 503, body = "later" }'
        for upstream, told in (("", (502, False)), (fallback, (503, True))):
            request = self.begin(upstream=upstream)
            for _ in range(2):
                self.servers.fail(ConnectFailed("it refuses"))
            self.assertEqual((request.status, request.sent == b"later"), told)
            self.assert_ended(1, 1)

    def test_response_that_another_betters(self) -> None:
        """A 503 is thrown away where another server has a better response."""
        request = self.begin(upstream='retry_on = ["503"]')
        self.servers.respond(503, body=b"no")
        self.clock.advance(1)
        self.servers.respond(200, body=b"yes")
        self.assertEqual((request.status, request.sent), (200, b"yes"))

    def test_response_that_stands(self) -> None:
        """Without another server it is the client's."""
        request = self.begin(count=1, upstream='retry_on = ["503"]')
        self.servers.respond(503, body=b"no")
        self.assertEqual((request.status, request.sent), (503, b"no"))

    def test_client_leaves_between(self) -> None:
        """A client that leaves while the next attempt backs off ends that."""
        request = self.begin()
        self.servers.fail(ConnectionReset("it closed"))
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        request.leave()
        self.clock.advance(10)
        self.assertEqual(len(self.servers.heads), 1)
        self.assert_ended(1, 0)

    def test_too_many(self) -> None:
        """What is past ``max_requests`` gets 503, and holds nobody up later."""
        self.begin(upstream="max_requests = 1")
        second = self.go_on()
        self.assertEqual(second.status, 503)
        self.servers.respond()
        self.assert_ended(0, 0)
        third = self.go_on()
        self.servers.respond()
        self.assertEqual(third.status, 200)

    def test_no_server(self) -> None:
        """Without any server there is nothing to wait for."""
        self.route = compiled(self.clock, self.servers)
        self.route.upstream.balancer.update((), 0.0)
        request = self.go_on()
        self.assertEqual(request.status, 503)
        self.assertIn("down or drained", request.log.outcome or "")
        self.assert_ended()

    def test_unasked_end(self) -> None:
        """What cancels an attempt, but no client that has left, is told the client."""
        request = self.begin()
        self.servers.fail(CancelledError())
        self.assertEqual(request.status, 500)
        self.assert_ended(0, 0)
