"""What is sent to servers for one request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.compiled_route import CompiledRoute
from corsgate.gate.ruling import Ruling
from corsgate.gate.sender import Sender
from corsgate.message.head import RequestHead
from corsgate.message.headers import Header
from corsgate.server.request_body import RequestBody
from tests.gate.fakes import ASKING, FakeRequest, FakeServers, compiled
from tests.support import BASIC, DIGEST
from tests.upstream.playing import Written

CHALLENGE = (b"WWW-Authenticate", b'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256')


class SenderTests(SynchronousTestCase):
    """`Sender`."""

    def setUp(self) -> None:
        """Make the servers."""
        self.clock = MemoryReactorClock()
        self.servers = FakeServers()

    def make(self, request: FakeRequest, **how: Any) -> Sender:
        """Return the sender of a request on a new route."""
        self.route = compiled(self.clock, self.servers, **how)
        return self.of(request, self.route)

    def of(self, request: FakeRequest, route: CompiledRoute) -> Sender:
        """Return the sender of a request on a route."""
        sent: Any = request
        ruling = Ruling(route, ASKING, ASKING.peer, request.head, request.index)
        return Sender(sent, route, ASKING, ruling, None)

    def send(self, sender: Sender, number: int = 0) -> tuple[RequestHead, Any]:
        """Send a request to a server; return the head and the body that are sent."""
        states = list(self.route.upstream.balancer.states.values())
        self.response = sender.send(states[number].server)
        return (self.servers.heads[-1], self.servers.bodies[-1])

    def get(self, target: bytes = b"/v1/x", headers: Sequence[Header] = ()) -> FakeRequest:
        """Return a request without a body."""
        return FakeRequest(self.clock, b"GET", headers, target=target)

    def test_ready(self) -> None:
        """What goes on the wire is what the head says, credentials included."""
        head, _ = self.send(self.make(self.get(headers=[(b"X-A", b"1")]), upstream=BASIC))
        said = attrs.evolve(head, wire=None, lines=None).to_bytes()
        self.assertEqual((head.wire or b"") + b"\r\n", said)
        self.assertIn(b"\r\nAuthorization: Basic ", head.wire or b"")
        self.assertIn(b"\r\nX-A: 1\r\n", head.wire or b"")

    def test_length_of_none(self) -> None:
        """A method that usually has a body says that there is none."""
        head, _ = self.send(self.make(FakeRequest(self.clock, b"POST")))
        self.assertIn(b"\r\nContent-Length: 0\r\n", head.wire or b"")

    def test_remembered(self) -> None:
        """The next request with the same fields has the same head, if its target is the same."""
        first = self.get()
        one, _ = self.send(self.make(first))
        for target, method, same in (
            (b"/v1/x", b"GET", True),
            (b"/v1/y", b"GET", False),
            (b"/v1/y", b"HEAD", False),
            (b"/v1/x", b"GET", False),
        ):
            again = FakeRequest(self.clock, method, target=target)
            again.memo = first.memo
            other, _ = self.send(self.of(again, self.route))
            self.assertEqual(other is one, same)
            start = b"%b %b HTTP/1.1\r\n" % (method, target)
            self.assertTrue((other.wire or b"").startswith(start), other.wire)
            self.assertEqual(other.headers, one.headers)

    def test_servers_apart(self) -> None:
        """Each server has its own Host; so has an address that gets another name."""
        request = self.get()
        sender = self.make(request)
        hosts = [dict(self.send(sender, number)[0].headers)[b"Host"] for number in (0, 1)]
        (state, _) = self.route.upstream.balancer.states.values()
        state.server = attrs.evolve(state.server, name="named.example")
        hosts.append(dict(self.send(sender)[0].headers)[b"Host"])
        self.assertEqual(hosts, [b"10.0.0.1", b"10.0.0.2", b"named.example"])

    def test_mapped_target(self) -> None:
        """A prefix that is stripped is stripped each time."""
        request = self.get(b"/v1/x?y")
        sender = self.make(request, route="strip_prefix = true")
        for _ in range(2):
            head, _ = self.send(sender)
            self.assertEqual(head.target, b"/x?y")
        self.assertEqual(len(request.memo.heads), 1)

    def test_streamed(self) -> None:
        """A body is sent at once, as it comes, and then can't be sent again."""
        request = FakeRequest(self.clock, b"POST", body=RequestBody(None, 100, lambda: None))
        sender = self.make(request)
        self.assertTrue(sender.replayable)
        head, body = self.send(sender)
        self.assertIsNone(head.wire)
        assert request.body is not None
        request.body.start(body)
        self.assertFalse(sender.replayable)

    def test_kept(self) -> None:
        """A small one that another server may get is sent once it is there."""
        body = RequestBody(2, 100, lambda: None)
        sender = self.make(FakeRequest(self.clock, b"PUT", body=body))
        self.assertRaises(IndexError, self.send, sender)
        body.data_received(b"ab")
        body.ended()
        self.assertEqual(self.servers.bodies[0].length, 2)
        self.assertTrue(sender.replayable)

    def test_not_kept(self) -> None:
        """It isn't where memory is tight, there is no other server, or it may act twice."""
        for method, count, tight in ((b"PUT", 2, True), (b"PUT", 1, False), (b"POST", 2, False)):
            body = RequestBody(2, 100, lambda: None)
            request = FakeRequest(self.clock, method, body=body)
            request.channel.context.memory.is_tight = lambda _, tight=tight: tight
            self.send(self.make(request, count=count))
            self.assertEqual(len(self.servers.heads), 1)
            self.servers.heads.clear()

    def test_expect(self) -> None:
        """A client that waits for 100 Continue has the server asked."""
        body = RequestBody(2, 100, lambda: None)
        body.expect_continue(lambda: None)
        head, _ = self.send(self.make(FakeRequest(self.clock, b"POST", body=body)))
        self.assertIn((b"Expect", b"100-continue"), head.headers)

    def test_asks(self) -> None:
        """A body that is not kept waits for 100 Continue where a challenge is likely."""
        body = RequestBody(None, 100, lambda: None)
        sender = self.make(FakeRequest(self.clock, b"POST", body=body), upstream=DIGEST)
        head, held = self.send(sender)
        self.assertEqual(head.headers[-1], (b"Expect", b"100-continue"))
        held.startProducing(Written())
        body.data_received(b"ab")
        self.assertTrue(sender.replayable)
        self.servers.respond(401, [CHALLENGE])
        signed, payload = self.servers.heads[-1], self.servers.bodies[-1]
        self.assertNotIn(b"Expect", dict(signed.headers))
        written = Written()
        payload.startProducing(written)
        self.assertEqual(written.pieces, [b"ab"])
        self.assertFalse(sender.replayable)

    def test_asks_once(self) -> None:
        """A client that waits for 100 Continue makes no second Expect of it."""
        body = RequestBody(None, 100, lambda: None)
        body.expect_continue(lambda: None)
        request = FakeRequest(self.clock, b"POST", body=body)
        head, _ = self.send(self.make(request, upstream=DIGEST))
        self.assertEqual([name for name, _ in head.headers].count(b"Expect"), 1)

    def test_let_go(self) -> None:
        """A body that no server has asked for is discarded, unless another server may get it."""
        for status, kept in ((413, False), (201, False), (503, True)):
            body = RequestBody(None, 100, lambda: None)
            sender = self.make(FakeRequest(self.clock, b"POST", body=body), upstream=DIGEST)
            self.send(sender)
            self.servers.respond(status)
            self.assertEqual((body.started, sender.replayable), (not kept, kept))
            sender.let_go()
            self.assertTrue(body.discarded)

    def test_challenged(self) -> None:
        """A challenge is met with the same head, signed."""
        first, _ = self.send(self.make(self.get(), upstream=DIGEST))
        self.servers.respond(401, [CHALLENGE])
        signed = self.servers.heads[-1]
        self.assertEqual(signed.headers[:-1], first.headers)
        self.assertEqual(signed.headers[-1][0], b"Authorization")
        self.assertIsNone(signed.wire)
        self.servers.respond(200)
        self.assertEqual(self.successResultOf(self.response).head.status, 200)
