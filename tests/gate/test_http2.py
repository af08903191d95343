"""The gate over HTTP/2: the same promises, by other people's clients, on real sockets."""

from __future__ import annotations

import json
import zlib
from select import select
from typing import Any

import attrs
from h2.settings import SettingCodes
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.internet.task import deferLater

from corsgate.transport.tls import TLSClientEndpoint
from corsgate.upstream.tls import VerifyingCreator, trust_from_pem
from tests.apache import ApacheDigest
from tests.gate.test_tls import AUTHORITY, FIRST, OTHER, config
from tests.http2 import Http2Peer
from tests.peers import Client, Upstream, reactor, request, response
from tests.support import APP, BASIC, DIGEST, FROM_APP, FROM_FOREIGN, PASSWORD, Gate, GateTestCase

MIB = 1024 * 1024
HSTS = (b"Strict-Transport-Security", b"max-age=9")
BODY = bytes(range(256)) * (MIB // 256)


class Http2TestCase(GateTestCase):
    """A test case with a gate that speaks HTTP/2."""

    def over_tls(
        self, *upstreams: Upstream, servers: str = "", upstream: str = "", rest: str = ""
    ) -> Gate:
        """Return a gate with one route, ``/v1``, and the policy of all tests.

        Args:
            upstreams: The servers.
            servers: Or the URL of one.
            upstream: Further lines of the upstream.
            rest: Further tables, such as ``[limits]``.
        """
        urls = json.dumps([servers] if servers else [each.url for each in upstreams])
        lines = f"servers = {urls}\n{upstream}"
        return self.serve_config(config(lines, FIRST, OTHER, has_http2=True, rest=rest))

    async def peer(self, gate: Gate, address: str = "127.0.0.1") -> Http2Peer:
        """Return a new connection to a gate, from an address."""
        return await self.peer_at("127.0.0.1", gate.port, address)

    async def peer_at(self, host: str, port: int, address: str = "127.0.0.1") -> Http2Peer:
        """Return a new connection to a port of an address, from an address."""
        trust = trustRootFromCertificates([Certificate.loadPEM(AUTHORITY.pem)])
        options = optionsForClientTLS(
            "gate.test", trustRoot=trust, acceptableProtocols=[b"h2", b"http/1.1"]
        )
        tcp = TCP4ClientEndpoint(reactor, host, port, bindAddress=(address, 0))
        endpoint = wrapClientTLS(options, tcp)
        peer: Any = await endpoint.connect(Factory.forProtocol(Http2Peer))
        assert isinstance(peer, Http2Peer)
        self.addCleanup(peer.close)
        return peer


class Promises(Http2TestCase):
    """DESIGN's promises hold whatever HTTP is spoken."""

    async def test_preflight(self) -> None:
        """A preflight is answered by the gate alone."""
        upstream = await self.upstream()
        peer = await self.peer(self.over_tls(upstream))
        asked = [FROM_APP, (b"access-control-request-method", b"PUT")]
        got = await peer.whole(peer.ask(method=b"OPTIONS", headers=asked))
        self.assertEqual((got.status, bytes(got.body), got.ended), (204, b"", True))
        self.assertEqual(got.one(b"access-control-allow-origin"), APP)
        self.assertIn(b"PUT", got.one(b"access-control-allow-methods"))
        self.assertEqual(upstream.requests, [])

    async def test_preflight_status(self) -> None:
        """A preflight may pass with 200, whose length is known to be none."""
        policy = f'{{ allow_origins = ["{APP.decode()}"], preflight_status = 200 }}'
        rest = f'[routes."/ok"]\nupstream = "a"\ncors = {policy}\n'
        peer = await self.peer(self.over_tls(await self.upstream(), rest=rest))
        asked = [FROM_APP, (b"access-control-request-method", b"GET")]
        got = await peer.whole(peer.ask(b"/ok", method=b"OPTIONS", headers=asked))
        self.assertEqual((got.status, bytes(got.body), got.ended), (200, b"", True))
        self.assertEqual(got.one(b"content-length"), b"0")
        self.assertEqual(got.one(b"access-control-allow-origin"), APP)

    async def test_foreign(self) -> None:
        """An origin that is not allowed changes nothing, and costs no other stream."""
        upstream = await self.upstream()
        gate = self.over_tls(upstream)
        peer = await self.peer(gate)
        refused = peer.ask(method=b"PUT", headers=[FROM_FOREIGN], body=BODY)
        served = peer.ask(headers=[FROM_APP])
        self.assertEqual((await peer.whole(refused)).status, 403)
        self.assertEqual((await peer.whole(served)).status, 200)
        self.assertEqual([each.method for each in upstream.requests], [b"GET"])
        self.assertEqual(json.loads(await gate.logged())["status"], 403)

    async def test_errors_are_readable(self) -> None:
        """What goes wrong is told with the route's CORS headers."""
        gate = self.over_tls(servers="http://127.0.0.1:9", rest="[limits]\nmax_head_bytes = 1024\n")
        peer = await self.peer(gate)
        large = (b"x-large", b"x" * 1100)
        for status, headers in ((502, [FROM_APP]), (431, [FROM_APP, large])):
            got = await peer.whole(peer.ask(headers=headers))
            self.assertEqual(got.status, status)
            self.assertEqual(got.one(b"access-control-allow-origin"), APP)
        for status, target in ((404, b"/v2"), (400, b"/v1/../x"), (400, b"/v1/%zz")):
            self.assertEqual((await peer.whole(peer.ask(target))).status, status)
        got = await peer.whole(peer.ask(host=b"evil.test"))
        self.assertEqual(got.status, 421)

    async def test_basic(self) -> None:
        """Credentials are the gate's, and stay with it."""
        upstream = await self.upstream(response(401, [(b"WWW-Authenticate", b"Basic")]))
        peer = await self.peer(self.over_tls(upstream, upstream=BASIC))
        mine = (b"authorization", b"Bearer mine")
        got = await peer.whole(peer.ask(headers=[mine, (b"cookie", b"a=1"), (b"cookie", b"b=2")]))
        self.assertEqual(got.status, 401)
        self.assertNotIn(b"www-authenticate", got.fields)
        sent = upstream.requests[0]
        self.assertTrue(sent.one(b"authorization").startswith(b"Basic "))
        self.assertEqual(sent.one(b"cookie"), b"a=1; b=2")

    async def test_digest(self) -> None:
        """A challenge of Apache's is met, for a small upload and for a large one."""
        apache = ApacheDigest(users={"admin": PASSWORD}, files={"v1": b""}, nonce_lifetime_s=300)
        self.addCleanup(apache.stop)
        gate = self.over_tls(servers=apache.origin, upstream=DIGEST + "\n")
        peer = await self.peer(gate)
        for name, body in ((b"small", b"x"), (b"large", BODY)):
            got = await peer.whole(peer.ask(b"/v1", method=b"PUT", headers=[FROM_APP], body=body))
            self.assertEqual(got.status, 204, name)
            self.assertEqual((apache.files / "v1").read_bytes(), body)

    async def test_told(self) -> None:
        """The upstream is told of the client as ever, in HTTP/1.1's own framing."""
        upstream = await self.upstream()
        peer = await self.peer(self.over_tls(upstream))
        await peer.whole(peer.ask(b"/v1/a%2Fb?c", host=b"gate.test:8443", headers=[(b"x-a", b"b")]))
        await peer.whole(peer.ask(method=b"POST", body=b"hello"))
        length = (b"content-length", b"5")
        await peer.whole(peer.ask(method=b"POST", body=b"hello", headers=[length]))
        got, chunked, counted = upstream.requests
        self.assertEqual(got.target, b"/v1/a%2Fb?c")
        self.assertEqual(got.one(b"Host"), upstream.authority)
        self.assertEqual(got.one(b"Forwarded"), b'for=127.0.0.1;host="gate.test:8443";proto=https')
        self.assertEqual(got.one(b"X-Forwarded-Host"), b"gate.test:8443")
        self.assertEqual(got.one(b"X-A"), b"b")
        self.assertEqual((chunked.one(b"Transfer-Encoding"), chunked.body), (b"chunked", b"hello"))
        self.assertEqual((counted.one(b"Content-Length"), counted.body), (b"5", b"hello"))

    async def test_logged(self) -> None:
        """Each stream has a line."""
        upstream = await self.upstream(response(body=b"hello"))
        made = config(f'servers = ["{upstream.url}"]', FIRST, has_http2=True)
        gate = self.serve_config(attrs.evolve(made, log_format="combined"))
        peer = await self.peer(gate)
        await peer.whole(peer.ask())
        self.assertIn('"GET /v1/x HTTP/2" 200 5 ', await gate.logged())
        # Not even what is no request goes without one.
        number = peer.ask(headers=[(b"x-a", b"b\x01")])
        self.assertEqual((await peer.whole(number)).reset, 1)
        self.assertIn('"- - HTTP/2" 400 0 ', await gate.logged(2))


class Bodies(Http2TestCase):
    """Bodies both ways."""

    async def test_head(self) -> None:
        """HEAD has the length, and no body."""
        upstream = await self.upstream(response(length=1234))
        peer = await self.peer(self.over_tls(upstream))
        got = await peer.whole(peer.ask(method=b"HEAD"))
        self.assertEqual((got.status, got.one(b"content-length")), (200, b"1234"))
        self.assertEqual((got.ended, got.reset), (True, None))

    async def test_download(self) -> None:
        """A MiB comes whole, ten at once too."""
        upstream = await self.upstream(response(body=BODY))
        peer = await self.peer(self.over_tls(upstream))
        for got in [await peer.whole(number) for number in [peer.ask() for _ in range(10)]]:
            self.assertEqual(zlib.crc32(got.body), zlib.crc32(BODY))
            self.assertEqual((got.ended, len(got.body)), (True, MIB))

    async def test_slow_download(self) -> None:
        """A client that doesn't read stops the upstream, and nobody else."""
        size = 64 * MIB
        upstream = await self.upstream(None)
        gate = self.over_tls(upstream)
        peer = await self.peer(gate)
        peer.reads = False
        slow = peer.ask(b"/v1/slow")
        connection = (await upstream.arrived()).connection
        connection.send(response(length=size))
        stalled: list[bool] = []

        class Pump:
            def resumeProducing(self) -> None:
                connection.send(BODY)
                sent.append(MIB)
                if sum(sent) >= size:
                    connection.transport.unregisterProducer()

            def pauseProducing(self) -> None:
                stalled.append(True)

            def stopProducing(self) -> None:
                pass

        sent: list[int] = []
        connection.transport.registerProducer(Pump(), False)
        await peer.when(lambda: len(peer.answers[slow].body) == 65535)
        # Other streams of the same connection have no window either; of another they do.
        other = await self.peer(gate)
        quick = other.ask(b"/v1/quick")
        (await upstream.arrived(2)).connection.send(response(body=b"quick"))
        self.assertEqual(bytes((await other.whole(quick)).body), b"quick")
        self.assertLess(sum(sent), size // 2)
        peer.read_on()
        got = await peer.whole(slow)
        self.assertEqual((len(got.body), sum(sent), got.ended), (size, size, True))

    async def test_slow_upload(self) -> None:
        """An upstream that doesn't read stops its own stream, and no other."""
        size = 16 * MIB
        upstream = await self.upstream(None)
        peer = await self.peer(self.over_tls(upstream))
        length = (b"content-length", b"%d" % size)
        slow = peer.ask(method=b"PUT", body=b"x" * size, headers=[length])
        await upstream.when(lambda: upstream.connections)
        (connection,) = upstream.connections
        tcp: Any = connection.transport
        tcp.pauseProducing()
        # Others go on: the window that is used up is the stream's own.
        for _ in range(20):
            number = peer.ask(method=b"PUT", body=BODY[:100_000])
            await upstream.when(lambda: upstream.requests)
            upstream.requests.pop().connection.send(response(body=b"ok"))
            self.assertEqual((await peer.whole(number)).status, 200)
        self.assertGreater(peer.unsent(slow), size // 4)
        tcp.resumeProducing()
        arrived = await upstream.arrived()
        self.assertEqual(len(arrived.body), size)
        arrived.connection.send(response(body=b"ok"))
        self.assertEqual((await peer.whole(slow)).status, 200)

    async def test_cut_short(self) -> None:
        """An upstream that dies in its response's midst leaves a reset, never an end."""
        for begun in (
            response(body=b"half", length=100),
            b"HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ):
            upstream = await self.upstream(begun)
            gate = self.over_tls(upstream)
            peer = await self.peer(gate)
            number = peer.ask()
            await peer.when(lambda: bytes(peer.answers[number].body) == b"half")  # noqa: B023
            upstream.connections[0].finish()
            got = await peer.whole(number)
            self.assertEqual((got.ended, got.reset), (False, 2))
            upstream.script(response(body=b"next"))
            self.assertEqual(bytes((await peer.whole(peer.ask())).body), b"next")

    async def test_required_upgrade(self) -> None:
        """A 426 passes without what it requires: HTTP/2 has no Upgrade (RFC 9113 8.2.2)."""
        fields = [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), HSTS]
        upstream = await self.upstream(response(426, fields, b"no"))
        peer = await self.peer(self.over_tls(upstream))
        got = await peer.whole(peer.ask(headers=[FROM_APP]))
        self.assertEqual((got.status, bytes(got.body)), (426, b"no"))
        self.assertFalse({b"upgrade", b"connection"} & got.fields.keys())
        self.assertEqual(got.one(b"strict-transport-security"), b"max-age=9")

    async def test_trailers(self) -> None:
        """Trailers pass both ways."""
        chunks = b"Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n"
        upstream = await self.upstream(b"HTTP/1.1 200 Fine\r\n" + chunks + b"X-Sum: 4\r\n\r\n")
        peer = await self.peer(self.over_tls(upstream))
        got = await peer.whole(peer.ask(headers=[(b"te", b"trailers")]))
        self.assertEqual((bytes(got.body), got.trailers), (b"body", [(b"x-sum", b"4")]))
        self.assertEqual(upstream.requests[0].one(b"TE"), b"trailers")

    async def test_interim(self) -> None:
        """103 passes, and the upstream's own 100 Continue."""
        early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        upstream = await self.upstream(early + response(body=b"fine"))
        peer = await self.peer(self.over_tls(upstream))
        got = await peer.whole(peer.ask())
        self.assertEqual(got.interim, [[(b":status", b"103"), (b"link", b"</a>")]])
        self.assertEqual((got.status, bytes(got.body)), (200, b"fine"))

    async def test_client_resets(self) -> None:
        """A client that resets its request cancels the upstream's."""
        upstream = await self.upstream(None)
        gate = self.over_tls(upstream)
        peer = await self.peer(gate)
        number = peer.ask()
        connection = (await upstream.arrived()).connection
        peer.reset(number)
        await connection.gone()
        line = json.loads(await gate.logged())
        self.assertEqual((line["status"], line["outcome"]), (499, "the client reset the stream"))

    async def test_drain(self) -> None:
        """A gate that stops lets what is in flight end."""
        upstream = await self.upstream(None)
        gate = self.over_tls(upstream)
        peer = await self.peer(gate)
        number = peer.ask()
        connection = (await upstream.arrived()).connection
        stopped = gate.stop()
        connection.send(response(body=b"last"))
        answer = peer.answers[number]
        await peer.when(lambda: answer.ended)
        self.assertEqual(bytes(answer.body), b"last")
        await stopped
        await peer.when(lambda: peer.lost)
        self.assertEqual(peer.goaways, [2**31 - 1, number])


class Goodbyes(Http2TestCase):
    """Clients that end TLS while the response to them is paused."""

    async def until_paused(self, gate: Gate) -> None:
        """Wait until the gate's one client takes nothing more: its socket's buffer is full."""
        (listener,) = gate.service.listeners
        (channel,) = listener.site.connections.channels
        tls: Any = channel.transport  # type: ignore[attr-defined]  # a protocol's
        paused = False
        while not paused:
            await deferLater(reactor, 0)
            _, writable, _ = select([], [tls.transport], [], 0)
            paused = not writable and tls.transport.producerPaused

    async def assert_let_go(self, gate: Gate, upstream: Upstream, client: Any) -> None:
        """Assert that the upstream's connection ends with TLS, not with a time-out."""
        tls: Any = client.transport
        # TLS is ended, and the socket stays open; nothing is read from it.
        tls.loseConnection()
        await upstream.connections[-1].gone()
        (listener,) = gate.service.listeners
        while listener.site.connections.channels:
            await deferLater(reactor, 0)
        await client.close()

    async def test_http1(self) -> None:
        """Over HTTP/1.1, again and again."""
        upstream = await self.upstream(response(body=b"x" * 12 * MIB))
        gate = self.over_tls(upstream)
        for _ in range(10):
            client: Any = await TLSClientEndpoint(
                VerifyingCreator("gate.test", trust_from_pem(AUTHORITY.pem)),
                TCP4ClientEndpoint(reactor, "127.0.0.1", gate.port),
                reactor,
            ).connect(Factory.forProtocol(Client))
            client.send(request(host=b"gate.test"))
            await client.when(lambda client=client: client.data)
            client.transport.pauseProducing()
            await self.until_paused(gate)
            await self.assert_let_go(gate, upstream, client)

    async def test_http2(self) -> None:
        """Over HTTP/2, with windows that hold nothing back."""
        upstream = await self.upstream(response(body=b"x" * 12 * MIB))
        gate = self.over_tls(upstream)
        for _ in range(10):
            peer = await self.peer(gate)
            peer.connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**30})
            peer.connection.increment_flow_control_window(2**30)
            got = peer.answers[peer.ask()]
            await peer.when(lambda got=got: got.body)  # type: ignore[misc]
            tls: Any = peer.transport
            tls.pauseProducing()
            await self.until_paused(gate)
            await self.assert_let_go(gate, upstream, peer)
