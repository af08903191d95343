"""Digest end to end: the gate between a client and Apache, or an upstream that follows a script."""

from __future__ import annotations

import json

from corsgate.credentials.lockout import MAX_FAILURES
from corsgate.server.memory_budget import Account
from corsgate.server.memory_holder import MemoryHolder
from tests.apache import ApacheDigest
from tests.peers import Message, request, response
from tests.support import DIGEST, FROM_APP, PASSWORD, POLICY, Gate, GateTestCase

FILES = {"test.json": b'{"a": 1}'}
LARGE = bytes(range(256)) * 1024


def challenge(nonce: str, stale: str = "false") -> bytes:
    """Return a 401 that asks for Digest."""
    value = f'Digest realm="r", nonce="{nonce}", qop="auth", algorithm=MD5, stale={stale}'
    return response(401, [(b"WWW-Authenticate", value.encode())], b"who are you")


class BeforeApache(GateTestCase):
    """Apache's mod_auth_digest checks what the gate makes."""

    def apache(self, nonce_lifetime_s: int = 300) -> ApacheDigest:
        """Return a server that ends with the test."""
        users = {"admin": PASSWORD}
        apache = ApacheDigest(users=users, files=FILES, nonce_lifetime_s=nonce_lifetime_s)
        self.addCleanup(apache.stop)
        return apache

    def gate(self, apache: ApacheDigest, credentials: str = DIGEST) -> Gate:
        """Return a gate before it."""
        return self.serve(
            f'[upstreams.a]\nservers = ["{apache.origin}"]\n{credentials}\n{POLICY}\n'
            '[routes."/"]\nupstream = "a"\ncors = "app"\n'
        )

    async def test_get(self) -> None:
        """The first request meets one challenge, and no other one does."""
        apache = self.apache()
        gate = self.gate(apache)
        for _ in range(3):
            answer = await self.ask(gate, target=b"/test.json", headers=[FROM_APP])
            self.assertEqual((answer.status, answer.body), (200, FILES["test.json"]))
            self.assertNotIn(b"www-authenticate", answer.fields)
            self.assertNotIn(b"authentication-info", answer.fields)
        self.assertEqual(apache.statuses(4), [200, 200, 200, 401])

    async def test_small_upload(self) -> None:
        """A small body is kept and sent again; the upload arrives once, and whole."""
        apache = self.apache()
        gate = self.gate(apache)
        answer = await self.ask(gate, b"PUT", b"/new.json", body=b'{"b": 2}')
        self.assertEqual(answer.status, 201)
        self.assertEqual((apache.files / "new.json").read_bytes(), b'{"b": 2}')
        self.assertEqual(apache.requests(2), [(401, "PUT", "/new.json"), (201, "PUT", "/new.json")])

    async def test_large_upload(self) -> None:
        """A large body waits for 100 Continue, so that the challenge comes before it."""
        apache = self.apache()
        gate = self.gate(apache)
        answer = await self.ask(gate, b"PUT", b"/big.bin", body=LARGE)
        self.assertEqual(answer.status, 201)
        self.assertEqual((apache.files / "big.bin").read_bytes(), LARGE)
        self.assertEqual(apache.requests(2), [(401, "PUT", "/big.bin"), (201, "PUT", "/big.bin")])
        self.assertEqual((await self.ask(gate, b"PUT", b"/big.bin", body=LARGE)).status, 204)
        self.assertEqual(apache.statuses(3), [201, 204, 401])

    async def test_no_room(self) -> None:
        """A small body is not kept either where much waits already, and arrives once, and whole."""
        apache = self.apache()
        gate = self.gate(apache)
        memory = gate.service.listeners[0].site.context.memory
        self.assertEqual(memory.held, 0)
        stalled = Account(MemoryHolder(), "127.0.0.1")
        memory.hold(stalled, response=17 * 1024 * 1024)
        answer = await self.ask(gate, b"PUT", b"/new.json", body=b'{"b": 2}')
        self.assertEqual(answer.status, 201)
        self.assertEqual((apache.files / "new.json").read_bytes(), b'{"b": 2}')
        self.assertEqual(apache.requests(2), [(401, "PUT", "/new.json"), (201, "PUT", "/new.json")])
        memory.close(stalled)
        self.assertEqual(memory.held, 0)

    async def test_chunked_upload(self) -> None:
        """A body of unknown length is taken for a large one; its client is asked for it once."""
        apache = self.apache()
        gate = self.gate(apache)
        client = await self.connect(gate)
        head = b"PUT /chunks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        client.send(head + b"Expect: 100-continue\r\n\r\n")
        self.assertEqual((await client.response()).status, 100)
        client.send(b"3\r\nabc\r\n0\r\n\r\n")
        self.assertEqual((await client.response()).status, 201)
        self.assertEqual((apache.files / "chunks").read_bytes(), b"abc")
        self.assertEqual(apache.requests(2), [(401, "PUT", "/chunks"), (201, "PUT", "/chunks")])

    async def test_wrong_password(self) -> None:
        """A wrong password costs one retry; the client gets the 401 without the challenge."""
        apache = self.apache()
        gate = self.gate(apache, DIGEST.replace('{ env = "PASSWORD" }', '"wrong"'))
        answer = await self.ask(gate, target=b"/test.json", headers=[FROM_APP])
        self.assertEqual(answer.status, 401)
        self.assertNotIn(b"www-authenticate", answer.fields)
        self.assertIn(b"access-control-allow-origin", answer.fields)
        self.assertEqual(apache.statuses(2), [401, 401])

    async def test_target_as_sent(self) -> None:
        """The target is hashed as it goes on the wire, query, base path and all."""
        apache = self.apache()
        (apache.files / "base").mkdir()
        (apache.files / "base" / "x.json").write_bytes(b"{}")
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{apache.origin}/base"]\n{DIGEST}\n'
            '[routes."/v1"]\nupstream = "a"\nstrip_prefix = true\n'
        )
        for target in (b'/v1/x.json?a=%2F;&b="c"', b"/v1/x%2Ejson?", b"/v1//x.json?uri=/"):
            self.assertEqual((await self.ask(gate, target=target)).status, 200, target)
        self.assertEqual(
            [target for _, _, target in apache.requests(4)][1:],
            ['/base/x.json?a=%2F;&b=\\"c\\"', "/base/x%2Ejson?", "/base//x.json?uri=/"],
        )


class ByScript(GateTestCase):
    """What no real server does at will."""

    async def test_stale_nonce(self) -> None:
        """A nonce that ran out is replaced, and the request is sent once more."""
        fresh = response(body=b"fine")
        upstream = await self.upstream(challenge("n1"), fresh, challenge("n2", "true"), fresh)
        gate = self.front(upstream, upstream=DIGEST)
        for _ in range(2):
            answer = await self.ask(gate, b"POST", body=b"data")
            self.assertEqual((answer.status, answer.body), (200, b"fine"))
        sent = [each.fields.get(b"authorization", [b""])[0] for each in upstream.requests]
        self.assertEqual([b'"n1"' in each for each in sent], [False, True, True, False])
        self.assertIn(b'"n2"', sent[3])
        self.assertEqual([each.body for each in upstream.requests], [b"data"] * 4)

    async def test_endless_challenges(self) -> None:
        """A server that calls every nonce stale is asked a few times, and then blocked."""
        count = iter(range(100))
        upstream = await self.upstream()
        upstream.answer = lambda _: challenge(f"n{next(count)}", "true")
        answer = await self.ask(self.front(upstream, upstream=DIGEST))
        self.assertEqual(answer.status, 502)
        self.assertIn(b"rejects the gate's credentials", answer.body)
        self.assertEqual(len(upstream.requests), 1 + MAX_FAILURES)

    async def test_each_server_its_own_nonce(self) -> None:
        """A nonce never goes to another server than it came from."""
        servers = [await self.upstream(), await self.upstream()]

        def answer_of(nonce: str) -> None:
            def answer(got: Message) -> bytes:
                signed = got.fields.get(b"authorization", [b""])[0]
                return response() if nonce.encode() in signed else challenge(nonce)

            servers[int(nonce[-1])].answer = answer

        answer_of("nonce-0")
        answer_of("nonce-1")
        gate = self.front(*servers, upstream=DIGEST)
        for _ in range(4):
            self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual([len(each.requests) for each in servers], [3, 3])
        self.assertNotIn(b"nonce-1", servers[0].data)
        self.assertNotIn(b"nonce-0", servers[1].data)

    async def test_large_challenge_page(self) -> None:
        """A challenge whose page has no end is given up, and the request still goes through."""
        upstream = await self.upstream()

        def answer(got: Message) -> bytes:
            if b"authorization" in got.fields:
                return response(body=b"fine")
            return challenge("n").replace(b"Content-Length: 11", b"X: y") + b"x" * 200_000

        upstream.answer = answer
        got = await self.ask(self.front(upstream, upstream=DIGEST))
        self.assertEqual((got.status, got.body), (200, b"fine"))
        await upstream.connections[0].gone()

    async def test_large_upload_refused(self) -> None:
        """A large upload that is challenged once it is there isn't sent twice; the next is signed.

        The nonce is still fresh, so that the server was not asked whether it wants the body.
        """
        upstream = await self.upstream(
            challenge("n1"), response(), response(), challenge("n2", "true"), response(201)
        )
        gate = self.front(upstream, upstream=DIGEST)
        for _ in range(2):
            self.assertEqual((await self.ask(gate)).status, 200)
        answer = await self.ask(gate, b"PUT", headers=[FROM_APP], body=LARGE)
        self.assertEqual(answer.status, 502)
        self.assertIn(b"send it again", answer.body)
        self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), FROM_APP[1])
        self.assertNotIn(b"www-authenticate", answer.fields)
        self.assertEqual((await self.ask(gate, b"PUT", body=LARGE)).status, 201)
        self.assertEqual(
            [len(each.body) for each in upstream.requests], [0, 0, 0, *[len(LARGE)] * 2]
        )
        self.assertIn(b'nonce="n2"', upstream.requests[-1].one(b"Authorization"))
        self.assertNotIn(b"expect", upstream.data.lower())
        outcome = json.loads(await gate.logged(3))["outcome"]
        self.assertEqual(outcome, "it asked for credentials only after it took the body")

    async def test_waits_for_continue(self) -> None:
        """A client that waits for 100 Continue gets one, and its body is sent again if need be."""
        upstream = await self.upstream(challenge("n1"), response(201))
        gate = self.front(upstream, upstream=DIGEST)
        client = await self.connect(gate)
        client.send(request(b"PUT", headers=[(b"Expect", b"100-continue")], body=b"abc")[:-3])
        self.assertEqual((await client.response()).status, 100)
        client.send(b"abc")
        self.assertEqual((await client.response()).status, 201)
        self.assertEqual([each.body for each in upstream.requests], [b"abc", b"abc"])
        self.assertNotIn(b"expect", upstream.requests[1].fields)

    async def test_weak_challenge(self) -> None:
        """A challenge below min_algorithm gets no answer; the client gets 502 that a page reads."""
        upstream = await self.upstream()
        upstream.answer = lambda _: challenge("n1")
        strict = DIGEST.replace("{ type", '{ min_algorithm = "SHA-256", type')
        gate = self.front(upstream, upstream=strict)
        for method, body in ((b"GET", None), (b"PUT", b"small")):
            answer = await self.ask(gate, method, headers=[FROM_APP], body=body)
            self.assertEqual(answer.status, 502)
            self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), FROM_APP[1])
            self.assertNotIn(b"www-authenticate", answer.fields)
        self.assertEqual([each.method for each in upstream.requests], [b"GET", b"PUT"])
        self.assertNotIn(b"authorization", upstream.data.lower())
        outcome = json.loads(await gate.logged(2))["outcome"]
        self.assertEqual(
            outcome, "it offers only digest with MD5, but the credentials need SHA-256"
        )

    async def test_weak_challenges_keep_no_connection(self) -> None:
        """The response that challenged too weakly is read to its end, so its connection is free."""
        upstream = await self.upstream()
        credentials = DIGEST.replace("{ type", "{ require_qop = true, type")
        gate = self.front(upstream, upstream=f"max_connections = 1\n{credentials}")
        upstream.answer = lambda _: challenge("n1").replace(b', qop="auth"', b"")
        for _ in range(3):
            self.assertEqual((await self.ask(gate)).status, 502)
        self.assertEqual(len(upstream.connections), 1)
        upstream.answer = lambda got: (
            response(body=b"fine") if b"authorization" in got.fields else challenge("n1")
        )
        self.assertEqual((await self.ask(gate)).status, 200)
