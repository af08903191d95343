"""AWS signatures through the whole gate, judged by a box that verifies them with botocore."""

from __future__ import annotations

from twisted.internet.defer import Deferred, gatherResults

from corsgate.balance.retry import MAX_REPLAYED_BYTES
from corsgate.credentials.sigv4 import Scope, normal_target
from tests.certificates import self_signed
from tests.gate.aws_box import ACCESS_KEY, REGION, AwsBox
from tests.gate.test_upstream_tls import TlsEndpoint
from tests.peers import Message
from tests.support import APP, FROM_APP, PASSWORD, POLICY, Gate, GateTestCase

LARGE = b"x" * (MAX_REPLAYED_BYTES + 1)


def credentials(service: str) -> str:
    """Return the lines of an upstream."""
    return (
        f'credentials = {{ type = "aws_sigv4", region = "{REGION}", service = "{service}",'
        f' access_key = "{ACCESS_KEY}", secret_key = {{ env = "PASSWORD" }} }}\n'
    )


class AwsTestCase(GateTestCase):
    """A gate before a box that verifies signatures."""

    async def begin(
        self, service: str = "s3", *, tls: bool = False, more: str = ""
    ) -> tuple[AwsBox, Gate]:
        """Return a box and a gate before it.

        Args:
            service: The service that it is.
            tls: Whether it speaks TLS.
            more: Further lines of the upstream.
        """
        box = AwsBox(PASSWORD, service)
        self.addCleanup(lambda: Deferred.fromCoroutine(box.stop()))
        if tls:
            await box.start_on(TlsEndpoint(self_signed("box", "127.0.0.1").context()))
        else:
            await box.start()
        scheme = "https" if tls else "http"
        more += '\nverify = "dangerously-off"' if tls else ""
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{scheme}://127.0.0.1:{box.port}"]\n'
            f"{credentials(service)}{more}\n{POLICY}\n"
            '[routes."/v1"]\nupstream = "a"\ncors = "app"\n'
        )
        return box, gate


class SignatureTests(AwsTestCase):
    """What a box accepts."""

    async def test_accepted(self) -> None:
        """Requests of many forms have right signatures, for S3 and for others."""
        for service in ("s3", "execute-api"):
            box, gate = await self.begin(service)
            for method, target, headers, body in (
                (b"GET", b"/v1", [], None),
                (b"GET", b"/v1/a%20b/%C3%A9?list-type=2&prefix=a%2Fb&acl", [], None),
                (b"GET", b"/v1/a(b)'!/x?prefix=a+b/(c)&d", [], None),
                (b"GET", b"/v1/x?&&", [], None),
                (b"GET", b"/v1/a%2Fb%2f%2Fc//+%2B~%7E", [], None),
                (b"HEAD", b"/v1/x", [], None),
                (b"DELETE", b"/v1/x?versionId=1", [], None),
                (b"PUT", b"/v1/x", [(b"X-Amz-Meta-A", b"a,  b"), (b"x-amz-acl", b"p")], b"abc"),
                (b"POST", b"/v1/x", [(b"Content-Type", b"application/json")], b"{}"),
                (b"POST", b"/v1/x", [], b""),
                (b"PUT", b"/v1//x//", [(b"Range", b"bytes=0-1"), (b"Date", b"x")], b"a" * 5000),
            ):
                answer = await self.ask(gate, method, target, [FROM_APP, *headers], body)
                said = (service, method, target, box.verdicts[-1])
                self.assertEqual(answer.status, 200, said)
                self.assertEqual(answer.one(b"access-control-allow-origin"), APP)
                scope = Scope(region=REGION, service=service)
                self.assertEqual(box.requests[-1].target, normal_target(target, scope))
            self.assertEqual(set(box.verdicts), {""})

    async def test_the_clients_own(self) -> None:
        """A client's signature, in fields or in the query, is replaced."""
        box, gate = await self.begin()
        own = [
            (b"Authorization", b"AWS4-HMAC-SHA256 Credential=x"),
            (b"X-Amz-Date", b"20200101T000000Z"),
            (b"X_Amz_Date", b"20200101T000000Z"),
            (b"X-Amz-Content-Sha256", b"0"),
            (b"X-Amz-Security-Token", b"mine"),
        ]
        target = b"/v1/x?X-Amz-Algorithm=a&X-Amz-Signature=0&id=1"
        answer = await self.ask(gate, target=target, headers=[FROM_APP, *own])
        self.assertEqual((answer.status, box.verdicts), (200, [""]))
        (got,) = box.requests
        self.assertEqual(got.target, b"/v1/x?id=1")
        self.assertNotIn(b"x-amz-security-token", got.fields)
        self.assertNotIn(b"mine", got.raw)

    async def test_preserved_host(self) -> None:
        """The Host that is sent is the one that is signed."""
        box, gate = await self.begin(more="preserve_host = true")
        answer = await self.ask(gate, headers=[FROM_APP], host=b"localhost:5555")
        self.assertEqual((answer.status, box.verdicts), (200, [""]))
        self.assertEqual(box.requests[-1].one(b"host"), b"localhost:5555")

    async def test_many_at_once(self) -> None:
        """Sixty-four requests at once are all signed."""
        box, gate = await self.begin("es")
        asked = [
            Deferred.fromCoroutine(self.ask(gate, b"POST", b"/v1/%d" % n, [FROM_APP], b"%d" % n))
            for n in range(64)
        ]
        answers: list[Message] = await gatherResults(asked)
        self.assertEqual([answer.status for answer in answers], [200] * 64)
        self.assertEqual(box.verdicts, [""] * 64)

    async def test_wrong_key(self) -> None:
        """A refusal reaches the page as it is, after one try; nothing shows the secret."""
        box, gate = await self.begin()
        box._key.secret_key = "another"
        answer = await self.ask(gate, headers=[FROM_APP])
        self.assertEqual((answer.status, answer.body), (403, b"SignatureDoesNotMatch"))
        self.assertEqual(len(box.requests), 1)
        for shown in (answer.raw, (await gate.logged()).encode(), box.requests[0].raw):
            self.assertNotIn(PASSWORD.encode(), shown)


class BodyTests(AwsTestCase):
    """Bodies that are hashed, and bodies that can't be."""

    async def test_large(self) -> None:
        """S3 over TLS, or on the same machine, takes a large body, which is streamed."""
        for tls in (True, False):
            box, gate = await self.begin(tls=tls)
            answer = await self.ask(gate, b"PUT", b"/v1/x", [FROM_APP], LARGE)
            self.assertEqual((answer.status, set(box.verdicts)), (200, {""}))
            got = box.requests[-1]
            self.assertEqual(got.body, LARGE)
            self.assertEqual(got.one(b"x-amz-content-sha256"), b"UNSIGNED-PAYLOAD")

    async def test_too_large(self) -> None:
        """Another service gets no body that isn't signed; the page learns why."""
        box, gate = await self.begin("es")
        answer = await self.ask(gate, b"PUT", b"/v1/x", [FROM_APP], LARGE)
        self.assertEqual(answer.status, 413)
        self.assertIn(b"The body can't be signed: it is too large", answer.body)
        self.assertEqual(answer.one(b"access-control-allow-origin"), APP)
        self.assertEqual([got for got in box.requests if got.body], [])
        client = await self.connect(gate)
        client.send(
            b"PUT /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n0\r\n\r\n"
        )
        self.assertEqual((await client.response()).status, 413)
        await self.assert_serves(gate)


class ClockTests(AwsTestCase):
    """A box whose clock differs from the gate's."""

    async def test_skewed(self) -> None:
        """The box's time is learned from its refusal, once for all requests that follow."""
        box, gate = await self.begin()
        for ahead_s in (3600.0, -86_400.0, 0.0):
            box.ahead_s = ahead_s
            box.verdicts.clear()
            for body in (b"abc", None, b""):
                method = b"GET" if body is None else b"PUT"
                answer = await self.ask(gate, method, b"/v1/x", [FROM_APP], body)
                self.assertEqual((answer.status, answer.body), (200, b"ok"))
            self.assertEqual(box.verdicts, ["RequestTimeTooSkewed", "", "", ""])

    async def test_skewed_at_once(self) -> None:
        """Requests that were all signed before the box's time was known all succeed."""
        box, gate = await self.begin()
        box.ahead_s = 3600.0
        asked = [Deferred.fromCoroutine(self.ask(gate, headers=[FROM_APP])) for _ in range(16)]
        answers: list[Message] = await gatherResults(asked)
        self.assertEqual([answer.status for answer in answers], [200] * 16)
        self.assertLessEqual(len(box.requests), 32)
