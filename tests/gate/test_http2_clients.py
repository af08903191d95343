"""Other people's clients of HTTP/2, and thousands of streams."""

from __future__ import annotations

import gc
import os
import re
from pathlib import Path

from tests.corpus.recorder import turn
from tests.gate.test_http2 import BODY, Http2TestCase
from tests.gate.test_tls import AUTHORITY
from tests.http2 import Http2Peer
from tests.peers import response
from tests.programs import output, require
from tests.support import FROM_FOREIGN

FEW = 4
"""Descriptors that may be open for a moment, whatever for."""


class Clients(Http2TestCase):
    """Other people's clients."""

    def trusted(self) -> Path:
        """Return a file with the authority's certificate."""
        directory = Path(self.mktemp())
        directory.mkdir()
        path = directory / "ca.pem"
        path.write_bytes(AUTHORITY.pem)
        return path

    async def test_agreed(self) -> None:
        """HTTP/2 is agreed on where a client offers it, HTTP/1.1 where it doesn't."""
        gate = self.over_tls(servers="http://127.0.0.1:9")
        program = require("openssl", "openssl")
        connect = ["s_client", "-connect", f"127.0.0.1:{gate.port}"]
        for offered, agreed in (("h2", "h2"), ("http/1.1,h2", "h2"), ("http/1.1", "http/1.1")):
            said = await output(program, [*connect, "-alpn", offered], b"Q\n")
            self.assertIn(f"ALPN protocol: {agreed}", said)

    async def test_curl(self) -> None:
        """curl gets what it asks for, and sends what it has."""
        upstream = await self.upstream(response(body=BODY))
        gate = self.over_tls(upstream)
        ca = self.trusted()
        got = ca.parent / "got"
        said = await output(
            require("curl", "curl"),
            [
                *("--http2", "--silent", "--show-error", "--noproxy", "*", "--cacert", str(ca)),
                *("--resolve", f"gate.test:{gate.port}:127.0.0.1", "--output", str(got)),
                *("--data-binary", f"@{ca}", "--write-out", "%{http_code} %{http_version}"),
                f"https://gate.test:{gate.port}/v1/x",
            ],
        )
        self.assertEqual(said, "200 2")
        self.assertEqual(got.read_bytes(), BODY)
        self.assertEqual(upstream.requests[0].body, AUTHORITY.pem)

    async def test_curl_reads_an_early_response(self) -> None:
        """curl reports a response that comes before its upload has ended: 413, 502 and 404."""
        ca = self.trusted()
        large = ca.parent / "large"
        large.write_bytes(bytes(4 * len(BODY)))
        gate = self.over_tls(
            servers="http://127.0.0.1:9",
            rest='[routes."/small"]\nupstream = "a"\nlimits = { max_body_bytes = "1KiB" }\n',
        )
        for path, status in (("/small", 413), ("/v1", 502), ("/nowhere", 404)):
            said = await output(
                require("curl", "curl"),
                [
                    *("--http2", "--silent", "--noproxy", "*", "--cacert", str(ca)),
                    *("--resolve", f"gate.test:{gate.port}:127.0.0.1", "--output", "/dev/null"),
                    *("--upload-file", str(large), "--write-out", "%{http_code} %{exitcode}"),
                    f"https://gate.test:{gate.port}{path}",
                ],
            )
            self.assertEqual(said, f"{status} 0")

    async def test_nghttp(self) -> None:
        """nghttp gets several at once, and says goodbye."""
        upstream = await self.upstream(response(body=b"hello"))
        gate = self.over_tls(upstream)
        url = f"https://127.0.0.1:{gate.port}/v1/"
        said = await output(
            require("nghttp", "nghttp2-client"),
            ["--verbose", "--null-out", "--no-verify-peer", *(url + each for each in "abc")],
        )
        self.assertEqual(len(re.findall(r"recv \(stream_id=\d+\) :status: 200", said)), 3)
        self.assertEqual(said.count("recv DATA frame <length=5, flags=0x01"), 3)
        self.assertNotIn("RST_STREAM", said)

    async def test_h2load(self) -> None:
        """h2load's requests all succeed, with small windows too."""
        upstream = await self.upstream(response(body=BODY[:40_000]))
        gate = self.over_tls(upstream)
        for windows in ([], ["-w", "10", "-W", "12"]):
            said = await output(
                require("h2load", "nghttp2-client"),
                [
                    *("-n", "200", "-c", "4", "-m", "20", *windows),
                    f"https://127.0.0.1:{gate.port}/v1/x",
                ],
            )
            self.assertIn("200 succeeded, 0 failed, 0 errored, 0 timeout", said)

    async def test_flat(self) -> None:
        """Nothing is left of thousands of streams, good, reset and refused."""
        upstream = await self.upstream(response(body=b"fine"))
        gate = self.over_tls(upstream)

        async def mix(peer: Http2Peer, rounds: int) -> None:
            for _ in range(rounds):
                served = [peer.ask() for _ in range(20)]
                served += [peer.ask(method=b"PUT", headers=[FROM_FOREIGN], body=b"x" * 30_000)]
                served += [peer.ask(b"/../x"), peer.ask(b"/v1/x", method=b"PUT", body=b"y" * 100)]
                peer.reset(peer.ask())
                for number in served:
                    await peer.whole(number)
                peer.answers.clear()

        site = gate.service.listeners[0].site

        async def connect(rounds: int) -> tuple[int, int]:
            """Return how many descriptors and objects there are behind a connection."""
            peer = await self.peer(gate)
            await mix(peer, rounds)
            self.assertFalse(peer.lost)
            await peer.close()
            while site.connections.channels:
                await turn()
            self.assertEqual(len(gate.lines), rounds * 24)
            # How many connections to the server it takes is for chance to say.
            agents = [each.agent for each in gate.service.upstreams.values()]
            for agent in agents:
                agent.drop_idle()
            while any(pool.connections for agent in agents for pool in agent.pools.values()):
                await turn()
            # What the test itself keeps.
            del peer.connection
            gate.lines.clear()
            upstream.requests.clear()
            upstream.connections[:] = [each for each in upstream.connections if not each.outcome]
            gc.collect()
            return len(os.listdir("/proc/self/fd")), len(gc.get_objects())

        descriptors, objects = await connect(5)
        for _ in range(4):
            now = await connect(40)
        self.assertLessEqual(now[0], descriptors + FEW)
        # A stream that left one object would leave 3,840. What the runner's own log keeps is less.
        self.assertLess(now[1], objects + 3000)
