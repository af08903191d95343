"""Methods that few servers know pass as others do; those that no script can send don't."""

from __future__ import annotations

import json

from tests.gate.test_http2 import Http2TestCase
from tests.peers import request, response
from tests.support import DIGEST, FROM_APP

UNUSUAL = (b"LIST", b"BAN", b"VERSION-CONTROL", b"patch", b"get", b"M" * 64, b"!#$%&'*+.^_`|~")
FORBIDDEN = (b"TRACE", b"TRACK", b"trace", b"Track")
PREFLIGHT = b"access-control-request-method"


class MethodTests(Http2TestCase):
    """The gate over both versions of HTTP."""

    async def test_http1(self) -> None:
        """Each passes byte for byte, with a body or without, and the connections go on."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        client = await self.connect(gate)
        for method in UNUSUAL:
            for body in (None, b"", b"hello"):
                client.send(request(method, headers=[FROM_APP], body=body))
                answer = await client.response()
                self.assertEqual((answer.status, answer.body), (200, b"ok"), method)
                self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), FROM_APP[1])
                got = upstream.requests[-1]
                self.assertEqual((got.method, got.body), (method, body or b""))
                # Nothing is said of a body that the client did not speak of (RFC 9110 8.6).
                self.assertEqual(b"content-length" in got.fields, body is not None)
        self.assertEqual(len(upstream.connections), 1)
        self.assertEqual(json.loads(gate.lines[0])["method"], "LIST")

    async def test_http2(self) -> None:
        """The same over HTTP/2."""
        upstream = await self.upstream()
        peer = await self.peer(self.over_tls(upstream))
        for method in UNUSUAL:
            got = await peer.whole(peer.ask(method=method, headers=[FROM_APP], body=b"hello"))
            self.assertEqual((got.status, bytes(got.body)), (200, b"ok"), method)
            sent = upstream.requests[-1]
            self.assertEqual((sent.method, sent.body), (method, b"hello"))

    async def test_byte_by_byte(self) -> None:
        """Requests in a row are read as they are, however slowly they come."""
        upstream = await self.upstream()
        client = await self.connect(self.front(upstream))
        for byte in request(b"LIST", body=b"GET / HTTP/1.1\r\n\r\n") + request(b"BAN"):
            client.send(bytes([byte]))
        for _ in range(2):
            self.assertEqual((await client.response()).status, 200)
        self.assertEqual([got.method for got in upstream.requests], [b"LIST", b"BAN"])

    async def test_response(self) -> None:
        """The response to ``head`` has a body, unlike that to HEAD."""
        upstream = await self.upstream(response(body=b"one"), response(body=b"two"))
        client = await self.connect(self.front(upstream))
        for method, body in ((b"head", b"one"), (b"LIST", b"two")):
            client.send(request(method))
            self.assertEqual((await client.response()).body, body)

    async def test_signed(self) -> None:
        """The gate's credentials go with them; a digest is made of the method as it is."""

        def challenge_once(got: object) -> bytes:
            if b"authorization" in upstream.requests[-1].fields:
                return response(200, body=b"ok")
            return response(401, [(b"WWW-Authenticate", b'Digest realm="r", nonce="n"')])

        upstream = await self.upstream()
        upstream.answer = challenge_once
        gate = self.front(upstream, upstream=DIGEST)
        self.assertEqual((await self.ask(gate, b"LIST", headers=[FROM_APP])).status, 200)
        self.assertEqual([got.method for got in upstream.requests], [b"LIST", b"LIST"])

    async def test_route(self) -> None:
        """A route serves those that it lists, in that case; others get 405 and Allow."""
        upstream = await self.upstream()
        gate = self.front(upstream, route='methods = ["LIST", "GET"]')
        self.assertEqual((await self.ask(gate, b"LIST")).status, 200)
        for method in (b"list", b"get", b"BAN"):
            answer = await self.ask(gate, method)
            self.assertEqual((answer.status, answer.one(b"Allow")), (405, b"GET, LIST"), method)
        self.assertEqual(len(upstream.requests), 1)

    async def test_policy(self) -> None:
        """A policy names them as any other, and tells ``patch`` from PATCH."""
        upstream = await self.upstream()
        policy = 'cors = { allow_origins = ["https://app.example"], allow_methods = ["LIST"%s] }'
        for more, method, is_granted in (
            ("", b"LIST", True),
            ("", b"list", False),
            ("", b"patch", False),
            (', "patch"', b"patch", True),
            (', "patch"', b"PATCH", False),
        ):
            gate = self.serve(
                f'[upstreams.a]\nservers = ["{upstream.url}"]\n'
                f'[routes."/v1"]\nupstream = "a"\n{policy % more}\n'
            )
            answer = await self.ask(gate, b"OPTIONS", headers=[FROM_APP, (PREFLIGHT, method)])
            self.assertEqual(answer.status, 204 if is_granted else 403, (more, method))
        self.assertEqual(upstream.requests, [])

    async def test_forbidden(self) -> None:
        """TRACE and TRACK would show what the gate adds: 405 in any case, over both versions."""
        upstream = await self.upstream()
        gate, secure = self.front(upstream), self.over_tls(upstream)
        peer = await self.peer(secure)
        for method in FORBIDDEN:
            answer = await self.ask(gate, method, headers=[FROM_APP])
            self.assertEqual(answer.status, 405, method)
            allowed = answer.one(b"Allow")
            self.assertNotIn(method.upper(), allowed)
            self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), FROM_APP[1])
            got = await peer.whole(peer.ask(method=method, headers=[FROM_APP]))
            self.assertEqual((got.status, got.one(b"allow")), (405, allowed))
        self.assertEqual(upstream.connections, [])
