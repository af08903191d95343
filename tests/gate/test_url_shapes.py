"""What a route with ``by_url`` makes of heads, without a socket."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import BasicCredentials, Route, Secret, Server, Upstream
from corsgate.gate.url_shapes import UrlRequestShape, UrlResponseShape, withheld_fields
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import HeaderList
from corsgate.message.proxied_url import read_url
from corsgate.message.uri_mapping import Mount
from tests.gate.test_request_shape import CLIENT
from tests.gate.test_response_shape import decision

BARE = Server(scheme="http", host="box.lan", port=80)
BELOW = Server(scheme="http", host="box.lan", port=80, base_path="/geo")
UPSTREAM = Upstream(name="a", servers=(BARE,))
SIGNED = Upstream(
    name="b",
    servers=(BELOW,),
    credentials=BasicCredentials(username="u", password=Secret(text="p")),
)
ROUTE = Route(prefix="/proxy", upstream=UPSTREAM, by_url=(UPSTREAM, SIGNED))


class RequestTests(SynchronousTestCase):
    """What a server gets."""

    def test_target(self) -> None:
        """The target is the URL's at each server, whatever the client's own was."""
        shape = UrlRequestShape(ROUTE, 1)
        head = RequestHead(method=b"GET", target=b"/proxy?url=x", headers=[])
        for rest, bare, below in (
            (b"/x?y", b"/x?y", b"/geo/x?y"),
            (b"", b"/", b"/geo"),
            (b"?y", b"/?y", b"/geo?y"),
            (b"//x", b"//x", b"/geo//x"),
        ):
            toward = shape.toward(rest)
            self.assertTrue(toward.maps_target)
            self.assertEqual(toward.upstream_head(head, BARE, CLIENT).target, bare)
            self.assertEqual(toward.upstream_head(head, BELOW, CLIENT).target, below)
        self.assertIsNot(shape, shape.toward(b"/"))

    def test_withheld(self) -> None:
        """Cookies go to no server; Authorization to none if the gate adds one's own."""
        plain = attrs.evolve(ROUTE, by_url=(UPSTREAM,))
        self.assertEqual(withheld_fields(ROUTE), {b"cookie", b"authorization"})
        self.assertEqual(withheld_fields(plain), {b"cookie"})
        self.assertEqual(withheld_fields(attrs.evolve(ROUTE, by_url=())), frozenset())


class ResponseTests(SynchronousTestCase):
    """What a client gets."""

    def test_fields(self) -> None:
        """Location leads through the route; other fields keep their URLs; cookies are withheld."""
        theirs: HeaderList = [
            (b"LOCATION", b"/x"),
            (b"Content-Location", b"/y"),
            (b"Set-Cookie", b"a=b; Path=/"),
            (b"Link", b"<http://box.lan/z>; rel=next"),
            (b"Date", b"Sun, 29 Nov 2026 06:00:00 GMT"),
        ]
        shape = UrlResponseShape(ROUTE, Mount(), sent_host=lambda server, _: server.host_value)
        of = shape.of(read_url(b"http://box.lan/a"), lambda url: url.host == b"box.lan", b"/proxy")
        head = of.client_head(
            ResponseHead(status=302, reason=b"Found", headers=theirs),
            BARE,
            decision([]),
            RequestHead(method=b"GET", target=b"/proxy?http://box.lan/a", headers=[]),
            authority=b"localhost",
            gate_origin=b"http://localhost",
            request_id="7",
        )
        mine = [
            (name, value) for name, value in head.headers if name.lower() not in (b"date", b"vary")
        ]
        self.assertEqual(
            mine,
            [
                (b"LOCATION", b"/proxy?http://box.lan/x"),
                (b"Content-Location", b"/y"),
                (b"Link", b"<http://box.lan/z>; rel=next"),
                (b"Content-Security-Policy", b"sandbox"),
                (b"X-Request-Id", b"7"),
            ],
        )
        self.assertIn(b"LOCATION: /proxy?http://box.lan/x\r\n", head.lines or b"")
        early = of.interim_head(ResponseHead(status=103, reason=b"", headers=theirs[2:4]))
        self.assertEqual(early.headers, theirs[3:4])
