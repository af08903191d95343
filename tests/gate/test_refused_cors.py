"""Which responses that the gate makes itself carry the route's CORS headers, one by one."""

from __future__ import annotations

from tests.gate.test_http2 import Http2TestCase
from tests.peers import request
from tests.support import APP, FOREIGN, FROM_APP

LIMITS = "[limits]\nmax_target_bytes = 100\nmax_headers = 9\nmax_head_bytes = 1000\n"
LIMITS += "max_body_bytes = 10\n"
WANTS_PUT = (b"Access-Control-Request-Method", b"PUT")
START = b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nOrigin: " + APP + b"\r\n"
LONG = b"/v1/" + b"x" * 100
MANY = [(b"X", b"y")] * 9
LARGE = (b"X", b"y" * 1000)


def ask(method: bytes = b"GET", target: bytes = b"/v1/x", *more: tuple[bytes, bytes]) -> bytes:
    """Return a request from a page that may read the route."""
    return request(method, target, [FROM_APP, *more])


# Its status, and whether the connection goes on.
READABLE: tuple[tuple[int, bool, bytes], ...] = (
    (400, True, ask(target=b"/v1/%")),
    (400, True, ask(target=b"/v1/%00")),
    (400, True, ask(target=b"/v1/../x")),
    (400, True, ask(target=b"/v1/%2e%2e%2fx")),
    (400, False, ask(target=b"/v1/x#y")),
    (204, True, ask(b"OPTIONS", b"/v1/../x", WANTS_PUT)),
    (204, False, ask(b"OPTIONS", LONG, WANTS_PUT)),
    (405, True, ask(b"TRACE")),
    (405, True, ask(b"TRACK")),
    (405, True, ask(b"DELETE", b"/v1/read")),
    (413, True, request(b"PUT", b"/v1/x", [FROM_APP], b"x" * 11)),
    (414, False, ask(b"GET", LONG)),
    (414, False, ask(b"GET", b"/v1/" + b"x" * 1000)),
    (431, False, ask(b"GET", b"/v1/x", *MANY)),
    (431, False, ask(b"GET", b"/v1/x", LARGE)),
    (431, False, ask(b"OPTIONS", b"/v1/x", WANTS_PUT, *MANY)),
    (501, False, ask(b"M" * 65)),
    (501, False, ask(b"connect")),
    (501, False, ask(b"POST", b"/v1/x", (b"Transfer-Encoding", b"gzip, chunked"))),
    (502, True, ask(target=b"/v1/down")),
    (508, True, ask(b"GET", b"/v1/x", (b"Via", b"1.1 corsgate-5a5a5a5a5a5a5a5a"))),
)

# Where no route is known, or what came can't be relied on.
UNREADABLE: tuple[tuple[int, bytes], ...] = (
    (400, ask(target=b"/%/v1")),
    (400, ask(target=b"/../v1/x")),
    (400, ask(target=b"v1/x")),
    (400, ask(target=b"*")),
    (400, START.replace(b"GET ", b"GET  ") + b"\r\n"),
    (400, START.replace(b"GET ", b"G@T ") + b"\r\n"),
    (400, START + b"Host: localhost\r\n\r\n"),
    (400, START.replace(b"Host: localhost", b"X: y") + b"\r\n"),
    (400, START + b"X : y\r\n\r\n"),
    (400, START + b"X: \x00\r\n\r\n"),
    (400, START + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n"),
    (400, START + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, START + b"Transfer-Encoding: chunked, gzip\r\n\r\n"),
    (400, START + b"Connection: " + b"x," * 70 + b"\r\n\r\n"),
    (404, ask(target=b"/v2/x")),
    (421, request(headers=[FROM_APP], host=b"rebound.example")),
    (501, request(b"CONNECT", b"localhost:443", [FROM_APP])),
    (505, START.replace(b"HTTP/1.1", b"HTTP/2.0") + b"\r\n"),
)


class RefusedCorsTests(Http2TestCase):
    """What a page gets to read of what the gate refuses."""

    async def test_http1(self) -> None:
        """A refusal on a route is for its pages to read, and the connection ends where it must."""
        upstream = await self.upstream()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n'
            '[upstreams.down]\nservers = ["http://127.0.0.1:9"]\n'
            '[cors.app]\nallow_origins = ["https://app.example"]\nallow_methods = ["PUT"]\n'
            '[routes."/v1"]\nupstream = "a"\ncors = "app"\n'
            '[routes."/v1/read"]\nupstream = "a"\ncors = "app"\nmethods = ["GET"]\n'
            '[routes."/v1/down"]\nupstream = "down"\ncors = "app"\n' + LIMITS
        )
        for status, goes_on, data in READABLE:
            client = await self.connect(gate)
            client.send(data)
            answer = await client.response()
            self.assertEqual(answer.status, status, data[:80])
            self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP, data[:80])
            self.assertIn(b"Origin", answer.one(b"Vary"))
            if goes_on:
                client.send(request(target=b"/v2"))
                self.assertEqual((await client.response()).status, 404, data[:80])
            else:
                self.assertEqual(answer.one(b"Connection"), b"close", data[:80])
            await client.close()
            # Another page gets to read none of it.
            answer = await self.send(gate, data.replace(APP, FOREIGN))
            self.assertNotIn(b"access-control-allow-origin", answer.fields, data[:80])
        self.assertEqual(upstream.requests, [])

    async def test_slow(self) -> None:
        """A page reads that its head or body came too slowly, if the head says whose it is."""
        limits = '[limits]\nclient_head_timeout = "50ms"\nclient_body_timeout = "50ms"\n'
        gate = self.front(await self.upstream(None), rest=limits)
        put = START.replace(b"GET ", b"PUT ") + b"Content-Length: 5\r\n\r\nhell"
        for data, is_readable in ((START + b"X: y", True), (put, True), (START[:30], False)):
            answer = await self.send(gate, data)
            self.assertEqual(answer.status, 408, data)
            self.assertEqual(b"access-control-allow-origin" in answer.fields, is_readable, data)

    async def test_nowhere(self) -> None:
        """What belongs to no route, or may be read in two ways, is for nobody to read."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        for status, data in UNREADABLE:
            answer = await self.send(gate, data)
            self.assertEqual(answer.status, status, data[:80])
            self.assertNotIn(b"access-control-allow-origin", answer.fields, data[:80])
        self.assertEqual(upstream.requests, [])

    async def test_http2(self) -> None:
        """The same over HTTP/2, on one connection."""
        upstream = await self.upstream()
        peer = await self.peer(self.over_tls(upstream, rest=LIMITS))
        wants_put = (WANTS_PUT[0].lower(), WANTS_PUT[1])
        for status, method, path, more in (
            (400, b"GET", b"/v1/%", []),
            (400, b"GET", b"/v1/../x", []),
            (400, b"GET", b"/v1/x#y", []),
            (204, b"OPTIONS", b"/v1/x#y", [wants_put]),
            (204, b"OPTIONS", LONG, [wants_put]),
            (405, b"TRACK", b"/v1/x", []),
            (414, b"GET", LONG, []),
            (431, b"GET", b"/v1/x", [(b"x", b"y")] * 9),
            (431, b"GET", b"/v1/x", [(b"x", LARGE[1])]),
            (501, b"M" * 65, b"/v1/x", []),
            (501, b"connect", b"/v1/x", []),
        ):
            got = await peer.whole(peer.ask(method=method, target=path, headers=[FROM_APP, *more]))
            self.assertEqual(got.status, status, (method, path))
            self.assertEqual(got.one(b"access-control-allow-origin"), APP, (method, path))
            foreign = [(b"origin", FOREIGN), *more]
            got = await peer.whole(peer.ask(method=method, target=path, headers=foreign))
            self.assertNotIn(b"access-control-allow-origin", got.fields, (method, path))
        for status, path in ((400, b"x"), (404, b"/v2")):
            got = await peer.whole(peer.ask(target=path, headers=[FROM_APP]))
            self.assertEqual(got.status, status, path)
            self.assertNotIn(b"access-control-allow-origin", got.fields, path)
        self.assertEqual(upstream.requests, [])
