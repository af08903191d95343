"""What a request's method and fields decide on a route."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.cors.decision import Verdict
from corsgate.gate.ruling import Ruling
from corsgate.message.client import Client
from corsgate.message.forwarded import UNKNOWN
from corsgate.message.head import RequestHead, field_lines
from corsgate.message.headers import Header, index_headers
from tests.gate.fakes import ASKING, compiled
from tests.support import BASIC

CORS = 'allow_origins = ["https://app.example"], allow_methods = ["PUT"]'
APP = (b"Origin", b"https://app.example")
EVIL = (b"Origin", b"https://evil.example")
WANTS_PUT = (b"Access-Control-Request-Method", b"PUT")


class AskedTests(SynchronousTestCase):
    """`Ruling`."""

    def ask(
        self,
        headers: Sequence[Header] = (),
        method: bytes = b"GET",
        client: Client = ASKING,
        *,
        cors: str = CORS,
        route: str = "",
        upstream: str = "",
    ) -> Ruling:
        """Return what a request decides."""
        clock = MemoryReactorClock()
        made = compiled(clock, cors=cors, route=route, upstream=upstream)
        head = RequestHead(method=method, target=b"/v1", headers=list(headers))
        return Ruling(made, client, client.peer, head, index_headers(headers))

    def test_passes(self) -> None:
        """A request of an allowed origin passes, with nothing to say of it."""
        ruling = self.ask([APP])
        self.assertTrue(ruling.passes)
        self.assertEqual((ruling.problem, ruling.outcome, ruling.ungranted), (None, None, ""))

    def test_refused(self) -> None:
        """Another origin gets 403; why is for the log alone."""
        ruling = self.ask([EVIL])
        assert ruling.problem is not None
        self.assertEqual((ruling.passes, ruling.problem.status), (False, 403))
        self.assertEqual(ruling.outcome, ruling.live.reason)
        self.assertIs(ruling.decision, ruling.live)

    def test_told(self) -> None:
        """A client that may know is told, and its preflight responded to as if it had passed."""
        ruling = self.ask([EVIL], cors=f"{CORS}, debug_origins = ['https://evil.example']")
        names = [name for name, _ in ruling.decision.headers]
        self.assertIn(b"Corsgate-Reason", names)
        self.assertNotEqual(ruling.decision, ruling.live)
        delete = (b"Access-Control-Request-Method", b"DELETE")
        debug = f"{CORS}, debug_origins = ['https://app.example']"
        ruling = self.ask([APP, delete], b"OPTIONS", cors=debug)
        self.assertEqual(ruling.live.verdict, Verdict.REFUSE)
        self.assertIsNone(ruling.problem)
        self.assertIsNotNone(ruling.refused)

    def test_preflight_status(self) -> None:
        """The policy says by which status a preflight passes, also one that is told why not."""
        asked = (b"Access-Control-Request-Method", b"DELETE")
        debug = "debug_origins = ['https://app.example']"
        for cors, method, status, reason in (
            (CORS, WANTS_PUT, 204, b"No Content"),
            (f"{CORS}, preflight_status = 200", WANTS_PUT, 200, b"OK"),
            (f"{CORS}, preflight_status = 200, {debug}", asked, 200, b"OK"),
        ):
            ruling = self.ask([APP, method], b"OPTIONS", cors=cors)
            self.assertIsNone(ruling.problem)
            head = ruling.no_content(b"today", "id")
            self.assertEqual((head.status, head.reason), (status, reason))

    def test_origin_mode(self) -> None:
        """The upstream sees its own origin for a page that the policy allows, or as configured."""
        self.assertEqual(self.ask([APP]).origin_mode, "server")
        self.assertEqual(self.ask().origin_mode, "keep")
        self.assertEqual(self.ask([EVIL]).origin_mode, "keep")
        self.assertEqual(self.ask([APP], upstream='origin = "drop"').origin_mode, "drop")
        own = [(b"Origin", b"http://localhost")]
        self.assertEqual(self.ask(own).origin_mode, "keep")
        checked = attrs.evolve(ASKING, hosts_checked=True)
        self.assertEqual(self.ask(own, client=checked).origin_mode, "server")

    def test_loop(self) -> None:
        """A request that has passed this gate gets 508."""
        ruling = self.ask([(b"Via", b"1.1 a, 1.1 corsgate-0")])
        assert ruling.problem is not None
        self.assertEqual(ruling.problem.status, 508)
        self.assertIn("is in a loop", ruling.outcome or "")
        self.assertTrue(self.ask([(b"Via", b"1.1 a, 1.1 corsgate-1")]).passes)
        self.assertFalse(self.ask([(b"CDN-Loop", b"a, corsgate-0")]).passes)
        self.assertFalse(self.ask([(b"Via", b"1.1 a"), (b"CDN-Loop", b"corsgate-0")]).passes)
        self.assertTrue(self.ask([(b"CDN-Loop", b"a, corsgate-1")]).passes)

    def test_methods(self) -> None:
        """A method that the route doesn't serve gets 405 and those that it does."""
        ruling = self.ask(method=b"PUT", route='methods = ["POST", "GET"]')
        assert ruling.problem is not None
        self.assertEqual(ruling.problem.headers, ((b"Allow", b"GET, POST"),))
        for method in (b"TRACE", b"trace", b"TRACK", b"Track"):
            ruling = self.ask(method=method)
            assert ruling.problem is not None
            self.assertEqual((ruling.passes, ruling.problem.status), (False, 405))
        for method in (b"LIST", b"VERSION-CONTROL", b"patch"):
            self.assertTrue(self.ask(method=method).passes)

    def test_precedes(self) -> None:
        """A bad target is reported to the request behind a preflight, where that is granted."""
        granted = self.ask([APP, WANTS_PUT], b"OPTIONS")
        for status, is_postponed in ((400, True), (414, True), (431, False), (408, False)):
            self.assertEqual(granted.precedes(status), is_postponed, status)
        for ruling in (self.ask([EVIL, WANTS_PUT], b"OPTIONS"), self.ask([APP], b"OPTIONS")):
            self.assertFalse(ruling.precedes(400))

    def test_ungranted(self) -> None:
        """What is forwarded without a grant is noted for the log."""
        ruling = self.ask([EVIL], cors=f"{CORS}, enforce_origin = false")
        self.assertEqual((ruling.passes, ruling.ungranted), (True, "origin not allowed"))
        self.assertEqual(self.ask([APP], b"DELETE").ungranted, "method not allowed")

    def test_trailers(self) -> None:
        """A client takes trailers if it says so."""
        for value, takes in ((b"trailers", True), (b"gzip, Trailers", True), (b"gzip", False)):
            self.assertEqual(self.ask([(b"TE", value)]).takes_trailers, takes, value)

    def test_binds(self) -> None:
        """A client's handshake binds a connection, unless the gate's credentials go instead."""
        handshake = (b"Authorization", b"NTLM TlRMTVNTUAAB")
        self.assertTrue(self.ask([handshake]).binds)
        self.assertFalse(self.ask([(b"Authorization", b"Basic YTpi")]).binds)
        self.assertFalse(self.ask([handshake], upstream=BASIC).binds)

    def test_shared(self) -> None:
        """A proxy's connection may carry requests of several users; so may one of nobody known."""
        self.assertFalse(self.ask().shared)
        self.assertTrue(self.ask(client=attrs.evolve(ASKING, trusted=True)).shared)
        self.assertTrue(self.ask(client=attrs.evolve(ASKING, peer=UNKNOWN)).shared)

    def test_no_content(self) -> None:
        """A preflight's head has the time and the id of its request."""
        ruling = self.ask([APP, WANTS_PUT], b"OPTIONS")
        before = ruling.decision.headers
        for date, request_id in ((b"now", b"1"), (b"now", b"2"), (b"later", b"3")):
            head = ruling.no_content(date, request_id.decode())
            own = [(b"Date", date), (b"X-Request-Id", request_id)]
            self.assertEqual((head.status, head.headers), (204, [*before, *own]))
            self.assertEqual(head.lines, field_lines(head.headers))

    def test_session_cookies(self) -> None:
        """With a cookie that pages of other sites may use, what comes without CORS is confined."""
        https = attrs.evolve(ASKING, scheme=b"https")
        session = [(b"Cookie", b"sid=1"), (b"Sec-Fetch-Site", b"cross-site")]
        image = [*session, (b"Sec-Fetch-Mode", b"no-cors")]
        shared = f"{CORS}, allow_credentials = true"
        self.assertFalse(self.ask(image, client=https, cors=shared).passes)
        self.assertTrue(self.ask([*image, APP], client=https, cors=shared).passes)
        for passes in (
            self.ask(image, cors=shared),
            self.ask(image[1:], client=https, cors=shared),
            self.ask(image, client=https),
            self.ask(image, client=https, cors=f"{shared}, enforce_origin = false"),
            self.ask(image, client=https, cors=shared, upstream='cookies = "pass"'),
        ):
            self.assertEqual((passes.passes, passes.confines), (True, False))
