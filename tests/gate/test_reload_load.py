"""Two hundred reloads under load: every response is right, and nothing is left behind."""

from __future__ import annotations

import gc
import os
from typing import Any
from weakref import ref

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from corsgate.config.model.values import Config
from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from tests.gate.test_http2 import Http2TestCase
from tests.gate.test_tls import AUTHORITY
from tests.gate.websocket import EchoServer, call
from tests.peers import Client, reactor, read_message, request
from tests.support import APP, Gate

RELOADS = 200
ISSUED = [AUTHORITY.issue("gate.test", common_name=f"issue {at}") for at in range(2)]


class EchoPeer(Protocol):
    """Responds with what the gate has told it of its configuration; to /slow in many pieces."""

    def __init__(self, server: EchoUpstream) -> None:
        self._server = server
        self._data = b""

    def dataReceived(self, data: bytes) -> None:
        """Respond to each request that is whole."""
        self._data += data
        tcp: Any = self.transport
        while (found := read_message(self._data)) is not None:
            self._data = self._data[len(found.raw) :]
            marks = found.one(b"X-Config") + b" " + str(len(found.body)).encode()
            if b"/slow" in found.target:
                tcp.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (RELOADS * 4))
                self._server.slow.append(tcp)
            else:
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(marks)
                tcp.write(head + marks)


class EchoUpstream:
    """A server of such peers."""

    def __init__(self) -> None:
        self.slow: list[Any] = []
        self._port: Any = None

    async def start(self) -> EchoUpstream:
        """Listen."""
        factory = Factory.forProtocol(lambda: EchoPeer(self))
        factory.noisy = False
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self._port = await endpoint.listen(factory)
        return self

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://127.0.0.1:{self._port.getHost().port}"

    def stop(self) -> Any:
        """Listen no more."""
        return self._port.stopListening()


class UnderLoad(Http2TestCase):
    """A gate whose routes, policies, servers, certificates and listeners change all the time."""

    timeout = 120

    def config(self, at: int) -> Config:
        """Return the configuration with a number, which requests and responses show."""
        servers = [each.url for each in self.echo]
        if at % 3:
            servers.reverse()
        chosen = ", ".join(f'"{url}"' for url in servers[: 1 + at % 2])
        text = f"""
hosts = ["localhost", "gate.test"]
[[listener]]
endpoint = "tcp:0:interface=127.0.0.1"
[[listener]]
endpoint = "tcp:0:interface=127.0.0.4"
certificates = [{{ chain = "{at % 2}.pem", key = "{at % 2}.key" }}]
[[listener]]
endpoint = "tcp:0:interface=127.0.0.{2 + at % 2}"
[limits]
min_upload_rate = 0
[upstreams.a]
servers = [{chosen}]
request_headers = {{ set = {{ X-Config = "{at}" }} }}
[upstreams.ws]
servers = ["{self.sockets.url}"]
[cors.app]
allow_origins = ["https://app.example", "https://a{at}.example"]
allow_methods = ["GET", "PUT"]
[routes."/v1"]
upstream = "a"
cors = "app"
response_headers = {{ set = {{ X-Served = "{at}" }} }}
[routes."/only/{at}"]
upstream = "a"
[routes."/ws"]
upstream = "ws"
cors = "app"
"""
        files = {
            name: content
            for number, issued in enumerate(ISSUED)
            for name, content in (
                (f"{number}.pem", issued.pem),
                (f"{number}.key", issued.key_pem),
            )
        }
        return parse_config(
            text,
            file="gate.toml",
            environ={},
            read_file=files.__getitem__,
            cors_rules=CORS_RULES,
            has_http2=True,
        )

    def check(self, served: bytes, body: bytes, since: int, size: int = 0) -> None:
        """Assert that a response is of one configuration, in force since the request was sent."""
        config, told = body.split()
        self.assertEqual(served, config)
        self.assertEqual(int(told), size)
        self.assertTrue(since <= int(served) <= self.now, (since, served, self.now))
        self.served += 1

    async def keep_alive(self, client: Client) -> None:
        """Ask over and over on one connection of HTTP/1.1."""
        while not self.over:
            since = self.now
            client.send(request(target=b"/v1/x", headers=[(b"Origin", APP)]))
            answer = await client.response()
            self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
            self.check(answer.one(b"X-Served"), answer.body, since)

    async def http2(self, peer: Any) -> None:
        """Ask over and over on one connection of HTTP/2, twice at a time."""
        while not self.over:
            since = self.now
            asked = [peer.ask(b"/v1/x"), peer.ask(b"/v1/y", method=b"PUT", body=b"b" * 100)]
            for number, size in zip(asked, (0, 100), strict=True):
                answer = await peer.whole(number)
                self.assertEqual(answer.status, 200)
                self.check(answer.one(b"x-served"), bytes(answer.body), since, size)

    async def newcomers(self, gate: Gate) -> None:
        """Ask over and over, each time on a new connection, which is never refused."""
        while not self.over:
            since = self.now
            client = await self.connect(gate)
            client.send(request(target=b"/v1/new"))
            answer = await client.response()
            self.check(answer.one(b"X-Served"), answer.body, since)
            await client.close()

    async def test_all(self) -> None:
        """It serves through all of it, and is as small at the end as it was before."""
        self.echo = [await EchoUpstream().start() for _ in range(2)]
        self.sockets = await EchoServer().start()
        for each in self.echo:
            self.addCleanup(each.stop)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.sockets.stop()))
        self.now = self.served = 0
        self.over = False
        gate = self.serve_config(self.config(0))
        old = [ref(gate.service.runtime)]
        address: Any = gate.service.ports[1].getHost()
        keep, slow, upload = [await self.connect(gate) for _ in range(3)]
        peer = await self.peer_at("127.0.0.4", address.port)
        slow.send(request(target=b"/v1/slow"))
        upload.send(
            b"PUT /v1/up HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (4 * RELOADS)
        )
        caller = await call(gate.port, APP, "/ws/x")
        await caller.when(lambda: caller.handshake is not None)
        while not any(each.slow for each in self.echo):
            await deferLater(reactor, 0.001)
        (trickle,) = [tcp for each in self.echo for tcp in each.slow]
        workers = [
            Deferred.fromCoroutine(each)
            for each in (self.keep_alive(keep), self.http2(peer), self.newcomers(gate))
        ]
        for at in range(1, RELOADS + 1):
            prepared = gate.service.prepare(self.config(at))
            self.now = at
            await gate.service.swap(prepared)
            old.append(ref(gate.service.runtime))
            trickle.write(b"%04d" % at)
            upload.send(b"%04d" % at)
            caller.say(b"%d" % at)
            served = self.served
            while self.served < served + 2:
                await deferLater(reactor, 0.001)
                for worker in workers:
                    if isinstance(found := getattr(worker, "result", None), Failure):
                        found.raiseException()
            del prepared
            if at == 20:
                await self.settled(gate)
                descriptors = self.open_descriptors()
        await self.settled(gate)
        self.assertLessEqual(abs(self.open_descriptors() - descriptors), 6)
        self.over = True
        await gatherResults(workers)
        answer = await slow.response()
        self.assertEqual(answer.body, b"".join(b"%04d" % at for at in range(1, RELOADS + 1)))
        self.assertEqual(answer.one(b"X-Served"), b"0")
        answer = await upload.response()
        self.check(answer.one(b"X-Served"), answer.body, 0, 4 * RELOADS)
        self.assertEqual(answer.one(b"X-Served"), b"0")
        await caller.when(lambda: len(caller.messages) == RELOADS)
        self.assertEqual(caller.messages, [b"%d" % at for at in range(1, RELOADS + 1)])
        for client in (slow, upload, keep):
            client.send(request(target=b"/v1/last"))
            self.assertEqual((await client.response()).one(b"X-Served"), b"%d" % RELOADS)
            client.send(request(target=b"/only/%d" % (RELOADS - 1)))
            self.assertEqual((await client.response()).status, 404)
        caller.close()
        await peer.close()
        await self.settled(gate)
        gc.collect()
        self.assertEqual([at for at, each in enumerate(old[:-1]) if each() is not None], [])
        self.assertEqual(len(gate.service._listening.leaving), 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def settled(self, gate: Gate) -> None:
        """Wait until listeners that are gone have no connections."""
        while gate.service._listening.leaving:
            await deferLater(reactor, 0.01)

    def open_descriptors(self) -> int:
        """Return how many descriptors the process has open."""
        return len(os.listdir("/proc/self/fd"))
