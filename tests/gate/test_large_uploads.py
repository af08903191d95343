"""Large uploads where the server may challenge them: the body waits, and is sent once."""

from __future__ import annotations

import json
from collections.abc import Callable

from twisted.internet.defer import Deferred

from tests.credentials_matrix.box import CUT, Box, Manners, Reply, Seen
from tests.credentials_matrix.kind import SECRET
from tests.credentials_matrix.kinds.digest import Kind
from tests.credentials_matrix.uploader import BLOCK, MIB, Uploader, connect
from tests.gate.test_http2 import Http2TestCase
from tests.peers import Message, response
from tests.support import APP, DIGEST, FROM_APP, POLICY, Gate, GateTestCase

EXPECT = (b"Expect", b"100-continue")
HTTP2_EXPECT = (b"expect", b"100-continue")
HOST = (b"Host", b"localhost")
SIZE = 2 * MIB


class UploadTestCase(GateTestCase):
    """A gate with digest credentials before a box that checks them."""

    async def box(self, judge: Callable[[Seen], Reply] | None = None) -> Box:
        """Return a box; by default it asks for Digest."""
        kind = self.kind = Kind()
        box = Box(judge or (lambda seen: kind.judge(box, seen)))
        await box.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(box.stop()))
        return box

    def gate(self, *boxes: Box, upstream: str = "", route: str = "", rest: str = "") -> Gate:
        """Return a gate before boxes."""
        servers = json.dumps([box.url for box in boxes])
        return self.serve(
            f"[credentials.k]\n{Kind().table(SECRET)}\n{POLICY}\n"
            f'[upstreams.a]\nservers = {servers}\ncredentials = "k"\n{upstream}\n'
            f'[routes."/v1"]\nupstream = "a"\ncors = "app"\n{route}\n{rest}\n'
        )

    async def uploader(self, gate: Gate) -> Uploader:
        """Return a new client."""
        client = await connect(gate.port)
        self.addCleanup(client.close)
        return client

    async def upload(
        self, gate: Gate, method: bytes = b"PUT", size: int = SIZE, *, chunked: bool = False
    ) -> Message:
        """Upload a body on a connection of its own; return the response."""
        client = await self.uploader(gate)
        client.upload(method, b"/v1/x", [HOST, FROM_APP], size, chunked=chunked)
        answer = await client.response()
        await client.close()
        return answer

    def assert_seen(self, box: Box, *requests: tuple[int, int, bool]) -> None:
        """Assert which statuses the box gave to how many bytes of body, with Expect or not."""
        seen = [(each.status or 0, each.body_bytes, each.expects) for each in box.seen]
        self.assertEqual(seen, [*requests])


class Waiting(UploadTestCase):
    """The body waits until the box has seen the head."""

    async def test_challenged(self) -> None:
        """A challenge costs no upload; the connection on which none followed isn't used again."""
        for chunked in (False, True):
            box = await self.box()
            gate = self.gate(box, upstream="max_connections = 1")
            answer = await self.upload(gate, chunked=chunked)
            self.assertEqual((answer.status, answer.body), (200, b"fine"))
            self.assert_seen(box, (401, 0, True), (200, SIZE, False))
            self.assertTrue(box.seen[1].whole)
            self.assertEqual([each.connection for each in box.seen], [1, 2])

    async def test_challenge_without_end(self) -> None:
        """A challenge whose page has no end keeps no connection from the request that meets it."""
        upstream = await self.upstream(response(201))
        gate = self.front(upstream, upstream=f"max_connections = 1\n{DIGEST}")
        client = await self.uploader(gate)
        client.upload(b"PUT", b"/v1/x", [HOST], MIB // 4)
        await upstream.when(lambda: upstream.data.endswith(b"\r\n\r\n"))
        challenge = (b"WWW-Authenticate", b'Digest realm="r", nonce="n", qop="auth"')
        upstream.connections[0].send(response(401, [challenge], b"who", length=1000))
        self.assertEqual((await client.response()).status, 201)
        self.assertEqual([len(each.body) for each in upstream.requests], [MIB // 4])
        self.assertEqual(len(upstream.connections), 2)

    async def test_bytes(self) -> None:
        """What arrives is what was sent."""
        box = await self.box()
        await self.upload(self.gate(box))
        whole = await self.box(lambda _: Reply())
        await self.upload(self.gate(whole))
        self.assertEqual(box.seen[1].digest.digest(), whole.seen[0].digest.digest())

    async def test_public(self) -> None:
        """A box that doesn't challenge asks for the body and gets it, on a connection it keeps."""
        box = await self.box(lambda _: Reply(status=201))
        gate = self.gate(box)
        for _ in range(2):
            self.assertEqual((await self.upload(gate)).status, 201)
        self.assert_seen(box, (201, SIZE, True), (201, SIZE, True))
        self.assertEqual(len(box.connections), 1)

    async def test_fresh(self) -> None:
        """With a fresh challenge, known to be good for several requests, nothing is asked."""
        box = await self.box()
        gate = self.gate(box)
        for _ in range(2):
            self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual((await self.upload(gate)).status, 200)
        self.assert_seen(box, (401, 0, False), *[(200, 0, False)] * 2, (200, SIZE, False))

    async def test_no_head(self) -> None:
        """A box that drops HEAD, and one whose GET and HEAD are public, get the upload."""

        def judge(seen: Seen) -> Reply:
            if seen.method == b"HEAD":
                box.connections[-1].transport.abortConnection()
            return Reply() if seen.method in (b"GET", b"HEAD") else self.kind.judge(box, seen)

        box = await self.box(judge)
        gate = self.gate(box)
        self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual((await self.upload(gate)).status, 200)
        self.assertEqual([each.method for each in box.seen], [b"GET", b"PUT", b"PUT"])

    async def test_refused(self) -> None:
        """Another early response is the client's; the box never gets the body."""
        for status in (302, 403, 413, 501):
            box = await self.box(lambda _, status=status: Reply(status=status))  # type: ignore[misc]  # a default
            answer = await self.upload(self.gate(box))
            self.assertEqual(answer.status, status)
            self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
            self.assert_seen(box, (status, 0, True))
            await box.connections[0].when_gone()

    async def test_accepted_without_body(self) -> None:
        """So is a success, if it is whole without the body."""
        upstream = await self.upstream()
        gate = self.front(upstream, upstream=DIGEST)
        client = await self.uploader(gate)
        client.upload(b"PUT", b"/v1/x", [HOST], SIZE)
        await upstream.when(lambda: upstream.data.endswith(b"\r\n\r\n"))
        upstream.connections[0].send(response(201, body=b"known"))
        self.assertEqual((await client.response()).body, b"known")
        await upstream.connections[0].gone()
        self.assertEqual(upstream.connections[0].data.partition(b"\r\n\r\n")[2], b"")

    async def test_accepted_early(self) -> None:
        """A success that has only begun may wait for the body, which is sent; both are whole."""
        upstream = await self.upstream(None)
        gate = self.front(upstream, upstream=DIGEST)
        client = await self.uploader(gate)
        client.upload(b"PUT", b"/v1/x", [HOST], MIB // 4)
        await upstream.when(lambda: upstream.data.endswith(b"\r\n\r\n"))
        self.assertIn(b"Expect: 100-continue\r\n", upstream.data)
        connection = upstream.connections[0]
        connection.send(response(200, body=b"be", length=5))
        await upstream.arrived()
        self.assertEqual(len(upstream.requests[0].body), MIB // 4)
        connection.send(b"gun")
        self.assertEqual((await client.response()).body, b"begun")

    async def test_another_server(self) -> None:
        """A server that is down for uploads hasn't got the body, so that another one gets it."""
        first = await self.box(lambda _: Reply(status=503))
        second = await self.box(lambda _: Reply(status=201))
        gate = self.gate(first, second)
        self.assertEqual((await self.upload(gate)).status, 201)
        self.assertEqual([each.body_bytes for each in first.seen + second.seen], [0, SIZE])

    async def test_wrong_password(self) -> None:
        """With a wrong password the body is sent once, and the client gets the 401 bare."""
        box = await self.box(lambda seen: self.kind.judge(box, seen))
        gate = self.serve(
            f"[credentials.k]\n{Kind().table('wrong')}\n{POLICY}\n"
            f'[upstreams.a]\nservers = ["{box.url}"]\ncredentials = "k"\n'
            '[routes."/v1"]\nupstream = "a"\ncors = "app"\n'
        )
        answer = await self.upload(gate)
        self.assertEqual(answer.status, 401)
        self.assertNotIn(b"www-authenticate", answer.fields)
        self.assertEqual([each.status for each in box.seen], [401, 401])
        self.assertLessEqual(len(box.bodies), 1)


class Odd(UploadTestCase):
    """Boxes that do something else about Expect."""

    async def test_ignored(self) -> None:
        """Where it is ignored the body goes after a second.

        The challenge then comes too late: 502, and the next request is signed. The gate asks again
        later, since the box may only have been slow.
        """
        box = await self.box()
        box.manners = Manners.IGNORES
        gate = self.gate(box)
        answer = await self.upload(gate)
        self.assertEqual(answer.status, 502)
        self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
        self.assertIn(b"The next request will usually be signed", answer.body)
        self.assertEqual((await self.upload(gate)).status, 200)
        self.assert_seen(box, (401, SIZE, True), (200, SIZE, False))
        self.kind.expire()
        self.assertEqual((await self.upload(gate)).status, 502)
        self.assertEqual([each.expects for each in box.seen], [True, False, True])

    async def test_public(self) -> None:
        """Where it is ignored and nothing is challenged, the next body goes at once."""
        box = await self.box(lambda _: Reply(status=201))
        box.manners = Manners.IGNORES
        gate = self.gate(box)
        self.assertEqual([(await self.upload(gate)).status for _ in range(2)], [201, 201])
        self.assert_seen(box, (201, SIZE, True), (201, SIZE, False))

    async def test_asks_everybody(self) -> None:
        """Where 100 Continue goes to everybody, and then the challenge, the body is sent once."""
        upstream = await self.upstream(response(201))
        gate = self.front(upstream, upstream=DIGEST)
        client = await self.uploader(gate)
        client.upload(b"PUT", b"/v1/x", [HOST], MIB // 4)
        await upstream.when(lambda: upstream.data.endswith(b"\r\n\r\n"))
        challenge = (b"WWW-Authenticate", b'Digest realm="r", nonce="n", qop="auth"')
        asks = b"HTTP/1.1 100 Continue\r\n\r\n"
        upstream.connections[0].send(2 * asks + response(401, [challenge]))
        self.assertEqual((await client.response()).status, 201)
        self.assertEqual([len(each.body) for each in upstream.requests], [MIB // 4])
        self.assertEqual(upstream.connections[0].data.partition(b"\r\n\r\n")[2], b"")

    async def test_reads_first(self) -> None:
        """One that reads the body before it challenges gets it; the next request is signed."""
        box = await self.box()
        box.manners = Manners.ASKS_FIRST
        gate = self.gate(box)
        self.assertEqual([(await self.upload(gate)).status for _ in range(2)], [502, 200])
        self.assert_seen(box, (401, SIZE, True), (200, SIZE, False))

    async def test_rejected(self) -> None:
        """One that responds with 417 gets the request again without Expect, the body once."""
        box = await self.box(lambda _: Reply(status=201))
        box.manners = Manners.REJECTS
        gate = self.gate(box)
        for _ in range(2):
            self.assertEqual((await self.upload(gate)).status, 201)
        self.assert_seen(box, (417, 0, True), (201, SIZE, False), (201, SIZE, False))

    async def test_challenged_without_expect(self) -> None:
        """One that cuts at Expect, and challenges by the head, gets the body once, signed."""
        box = await self.box()
        judge = box.judge
        box.judge = lambda seen: CUT if seen.expects else judge(seen)
        self.assertEqual((await self.upload(self.gate(box))).status, 200)
        self.assert_seen(box, (0, 0, True), (401, 0, False), (200, SIZE, False))

    async def test_cut(self) -> None:
        """One that cuts the connection when it sees Expect gets the request without it."""
        box = await self.box(lambda seen: CUT if seen.expects else Reply(status=201))
        answer = await self.upload(self.gate(box), b"POST")
        self.assertEqual(answer.status, 201)
        self.assert_seen(box, (0, 0, True), (201, SIZE, False))

    async def test_silent(self) -> None:
        """One that never responds costs no more than the route's timeout."""
        box = await self.box()
        box.held = True
        box.manners = Manners.IGNORES
        gate = self.gate(box, route='limits = { timeout = "300ms" }')
        self.assertEqual((await self.upload(gate)).status, 504)
        await box.connections[0].when_gone()


class Clients(UploadTestCase):
    """Clients that wait, leave, or send ahead."""

    async def test_waits(self) -> None:
        """A client that waits for 100 Continue gets one when its body is wanted, and only one."""
        box = await self.box()
        gate = self.gate(box)
        client = await self.uploader(gate)
        client.upload(b"PUT", b"/v1/x", [HOST, FROM_APP, EXPECT], SIZE, waits=True)
        self.assertEqual((await client.response()).status, 100)
        self.assertEqual((box.seen[0].status, len(box.bodies)), (401, 0))
        client.go_on()
        self.assertEqual((await client.response()).status, 200)
        self.assert_seen(box, (401, 0, True), (200, SIZE, False))

    async def test_waits_with_a_lapsed_challenge(self) -> None:
        """It lets the box look first, and so survives a nonce that has lapsed meanwhile."""
        box = await self.box()
        gate = self.gate(box)
        self.assertEqual((await self.ask(gate)).status, 200)
        self.kind.expire()
        client = await self.uploader(gate)
        client.upload(b"PUT", b"/v1/x", [HOST, EXPECT], SIZE, waits=True)
        self.assertEqual((await client.response()).status, 100)
        client.go_on()
        self.assertEqual((await client.response()).status, 200)
        self.assertEqual([each.status for each in box.seen], [401, 200, 401, 200])
        self.assertEqual([each.body_bytes for each in box.seen], [0, 0, 0, SIZE])

    async def test_waits_and_is_refused(self) -> None:
        """It is spared the upload that the box refuses; its connection isn't used again."""
        box = await self.box(lambda _: Reply(status=413))
        client = await self.uploader(self.gate(box))
        client.upload(b"PUT", b"/v1/x", [HOST, EXPECT], SIZE, waits=True)
        answer = await client.response()
        self.assertEqual((answer.status, answer.one(b"Connection")), (413, b"close"))

    async def test_leaves(self) -> None:
        """A client that leaves while its body waits takes the box's connection with it.

        One whose data fills the buffer isn't read meanwhile, so that its leaving is seen later.
        """
        for waits in (True, False):
            box = await self.box()
            box.manners = Manners.IGNORES
            client = await self.uploader(self.gate(box))
            client.upload(b"PUT", b"/v1/x", [HOST], SIZE, waits=waits)
            await box.when(lambda box=box: box.seen)  # type: ignore[misc]  # a default
            await client.close()
            await box.connections[0].when_gone()
            (seen,) = box.seen
            self.assertFalse(seen.whole)
            if waits:
                self.assertEqual(seen.body_bytes, 0)

    async def test_held_back(self) -> None:
        """While its body waits, a client can't send more than is buffered."""
        box = await self.box()
        box.manners = Manners.IGNORES
        gate = self.gate(box)
        client = await self.uploader(gate)
        client.upload(b"PUT", b"/v1/x", [HOST], 64 * MIB)
        await box.when(lambda: box.seen)
        memory = gate.service.listeners[0].site.context.memory
        self.assertEqual(box.seen[0].body_bytes, 0)
        self.assertLess(memory.held, MIB)
        self.assertLess(client.sent_bytes, 32 * MIB)
        await client.close()
        await box.connections[0].when_gone()


class OverHttp2(Http2TestCase, UploadTestCase):
    """Clients of HTTP/2."""

    async def test_challenged(self) -> None:
        """A stream's body waits too, and others go on meanwhile."""
        box = await self.box()
        table = Kind().table(SECRET).replace("\n", ", ")
        gate = self.over_tls(servers=box.url, upstream=f"credentials = {{ {table} }}")
        peer = await self.peer(gate)
        length = (b"content-length", b"%d" % SIZE)
        number = peer.ask(method=b"PUT", body=BLOCK * (SIZE // len(BLOCK)), headers=[length])
        self.assertEqual((await peer.whole(number)).status, 200)
        self.assert_seen(box, (401, 0, True), (200, SIZE, False))

    async def test_ignored(self) -> None:
        """A client that waits is asked once, whatever the box ignores."""
        box = await self.box(lambda _: Reply(status=201))
        box.manners = Manners.IGNORES
        table = Kind().table(SECRET).replace("\n", ", ")
        gate = self.over_tls(servers=box.url, upstream=f"credentials = {{ {table} }}")
        peer = await self.peer(gate)
        body = BLOCK * (SIZE // len(BLOCK))
        answer = await peer.whole(peer.ask(method=b"PUT", body=body, headers=[HTTP2_EXPECT]))
        self.assertEqual((answer.status, len(answer.interim)), (201, 0))
        self.assert_seen(box, (201, SIZE, True))
