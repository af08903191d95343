"""A request that comes back to the gate that it came from."""

from __future__ import annotations

import json
import shutil
from tempfile import mkdtemp

from twisted.internet.task import deferLater

from corsgate.message.loops import MAX_HOPS
from tests.gate.test_http2 import Http2TestCase
from tests.peers import reactor
from tests.support import APP, FROM_APP, FROM_FOREIGN, POLICY, Gate, parse

OWN = b"1.1 corsgate-5a5a5a5a"
ASKED = (b"Access-Control-Request-Method", b"PUT")


class LoopTests(Http2TestCase):
    """A loop ends at its first turn; gates in a row don't."""

    def setUp(self) -> None:
        """Make a place for sockets, whose path must be a short one."""
        self.directory = mkdtemp()
        # After the gates have let go of their sockets, which takes a turn of the reactor.
        self.addCleanup(deferLater, reactor, 0, shutil.rmtree, self.directory)

    def gate(self, name: str, servers: str, seed: bytes, upstream: str = "") -> Gate:
        """Return a gate that also listens on the socket NAME."""
        return self.serve_config(
            parse(
                f'listen = ["tcp:0:interface=127.0.0.1", "unix:{self.directory}/{name}"]\n'
                f'[upstreams.a]\nservers = ["{servers}"]\n{upstream}\n{POLICY}\n'
                '[routes."/v1"]\nupstream = "a"\ncors = "app"\n'
            ),
            seed=seed,
        )

    async def test_itself(self) -> None:
        """A gate that is its own upstream answers at once, so that the page can read it."""
        gate = self.gate("a", f"unix:{self.directory}/a", b"\x0a")
        for count, (method, body) in enumerate(((b"GET", None), (b"PUT", b"x" * 100_000)), 1):
            answer = await self.ask(gate, method, headers=[FROM_APP], body=body)
            self.assertEqual(answer.status, 508)
            self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
            self.assertIn(b"Loop Detected", answer.body)
            self.assertNotIn(b"corsgate-", answer.raw)
            await gate.logged(2 * count)
            self.assertEqual(len(gate.lines), 2 * count)
        event = json.loads(gate.lines[0])
        self.assertEqual(event["status"], 508)
        self.assertEqual(
            event["outcome"], "the request is in a loop: it has passed this gate already"
        )
        self.assertNotIn("server", event)

    async def test_without_via(self) -> None:
        """Where the upstream gets no Via, CDN-Loop ends the loop."""
        gate = self.gate("a", f"unix:{self.directory}/a", b"\x0a", "via = false")
        self.assertEqual((await self.ask(gate, headers=[FROM_APP])).status, 508)
        await gate.logged(2)
        self.assertEqual(len(gate.lines), 2)

    async def test_two(self) -> None:
        """So does one of two gates that ask each other, however the request got in."""
        first = self.gate("a", f"unix:{self.directory}/b", b"\x0a")
        second = self.gate("b", f"unix:{self.directory}/a", b"\x0b")
        answer = await self.ask(first, headers=[FROM_APP])
        self.assertEqual(answer.status, 508)
        await first.logged(2)
        self.assertEqual((len(first.lines), len(second.lines)), (2, 1))

    async def test_in_a_row(self) -> None:
        """A gate before another one is served, and the upstream learns of both."""
        upstream = await self.upstream()
        inner = self.gate("a", upstream.url, b"\x0a")
        outer = self.gate("b", f"unix:{self.directory}/a", b"\x0b")
        self.assertEqual((await self.ask(outer, headers=[FROM_APP])).status, 200)
        self.assertEqual(
            upstream.requests[0].fields[b"via"],
            [b"1.1 corsgate-0b0b0b0b", b"1.1 corsgate-0a0a0a0a"],
        )
        self.assertEqual(len(inner.lines), 1)

    async def test_hops(self) -> None:
        """Where the gate's mark is lost, the number of proxies ends the loop."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        for hops, status in ((1, 200), (MAX_HOPS, 200), (MAX_HOPS + 1, 508), (3000, 508)):
            value = b", ".join([b"1.1 x"] * hops)
            answer = await self.ask(gate, headers=[FROM_APP, (b"Via", value)])
            self.assertEqual(answer.status, status, hops)
            self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
        self.assertEqual(len(upstream.requests), 2)

    async def test_policy_goes_first(self) -> None:
        """A preflight is answered as ever, and a foreign origin learns nothing of the loop."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        for via in ([(b"Via", OWN)], [(b"Via", b"1.0 a"), (b"VIA", b"1.1 b, " + OWN)]):
            answer = await self.ask(gate, b"OPTIONS", headers=[FROM_APP, ASKED, *via])
            self.assertEqual(answer.status, 204)
            self.assertEqual((await self.ask(gate, headers=[FROM_FOREIGN, *via])).status, 403)
            self.assertEqual((await self.ask(gate, headers=[FROM_APP, *via])).status, 508)
            self.assertEqual((await self.ask(gate, headers=via)).status, 508)
        self.assertEqual(upstream.requests, [])

    async def test_http2(self) -> None:
        """It is the same over HTTP/2."""
        upstream = await self.upstream()
        peer = await self.peer(self.over_tls(upstream))
        got = await peer.whole(peer.ask(headers=[FROM_APP, (b"via", b"2 a, " + OWN)]))
        self.assertEqual(got.status, 508)
        self.assertEqual(got.one(b"access-control-allow-origin"), APP)
        got = await peer.whole(
            peer.ask(headers=[FROM_APP, (b"via", b"2 a, 1.1 corsgate-00000000")])
        )
        self.assertEqual(got.status, 200)
        self.assertEqual(len(upstream.requests), 1)
