"""Tests for the demo's closed box."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.demo import box as box_module
from corsgate.demo.box import FIRST_DOCUMENT, Box, DigestGuard, Document, Verdict, make_box
from tests.demo.wire import Answer, DigestClient, ask, with_field

TARGET = "/v1/documents?uri=/test.json"
JSON = ("Content-Type", "application/json")


class GuardTests(SynchronousTestCase):
    """The digest check by itself."""

    def setUp(self) -> None:
        """Make a guard, and a client with its challenge."""
        numbers = iter(range(10**6))
        self.guard = DigestGuard("closed-box", "admin", "admin", lambda: f"nonce{next(numbers)}")
        self.client = DigestClient(self.guard.challenge())

    def check(self, authorization: str, target: str = TARGET) -> Verdict:
        """Return the verdict on a GET."""
        return self.guard.check("GET", target, authorization)

    def test_rfc_example(self) -> None:
        """RFC 2617's own example is good."""
        guard = DigestGuard(
            "testrealm@host.com",
            "Mufasa",
            "Circle Of Life",
            lambda: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        )
        guard.challenge()
        authorization = (
            'Digest username="Mufasa", realm="testrealm@host.com", '
            'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", qop=auth, '
            'nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1", '
            'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        )
        self.assertIs(guard.check("GET", "/dir/index.html", authorization), Verdict.GOOD)

    def test_right(self) -> None:
        """A signature of another implementation is good, for a target with a query."""
        self.assertIs(self.check(self.client.sign("GET", TARGET)), Verdict.GOOD)

    def test_wrong(self) -> None:
        """Another user, password, method, target, realm or response is bad."""
        good = self.client.sign("GET", TARGET)
        cases = {
            "user": DigestClient(self.client.challenge, username="eve").sign("GET", TARGET),
            "password": DigestClient(self.client.challenge, password="x").sign("GET", TARGET),
            "method": self.client.sign("PUT", TARGET),
            "target": self.client.sign("GET", "/v1/documents?uri=/other.json"),
            "no query": self.client.sign("GET", "/v1/documents"),
            "realm": with_field(good, "realm", "elsewhere"),
            "response": with_field(good, "response", "0" * 32),
            "not ASCII": with_field(good, "response", "é" * 32),
            "no qop": good.replace("qop=auth", "other=auth"),
            "short count": good.replace("nc=00000001", "nc=1"),
            "basic": "Basic YWRtaW46YWRtaW4=",
            "repeated": f'{good}, username="admin"',
            "unclosed": good + ', opaque="',
            "empty": "Digest",
        }
        for name, authorization in cases.items():
            with self.subTest(name):
                self.assertIs(self.check(authorization), Verdict.BAD)
        self.assertIs(self.check(good), Verdict.GOOD)

    def test_counts_in_any_order(self) -> None:
        """Counts may come out of order, as they do from several connections."""
        first, second = (self.client.sign("GET", TARGET) for _ in range(2))
        self.assertIs(self.check(second), Verdict.GOOD)
        self.assertIs(self.check(first), Verdict.GOOD)

    def test_replay(self) -> None:
        """The same response is not accepted twice."""
        signed = self.client.sign("GET", TARGET)
        self.assertIs(self.check(signed), Verdict.GOOD)
        self.assertIs(self.check(signed), Verdict.STALE)

    def test_unknown_nonce(self) -> None:
        """An unknown nonce is stale, so that a client with the right password retries."""
        client = DigestClient('Digest realm="closed-box", qop="auth", nonce="elsewhere"')
        self.assertIs(self.check(client.sign("GET", TARGET)), Verdict.STALE)

    def test_nonce_wears_out(self) -> None:
        """A nonce is stale after its maximum number of uses."""
        self.patch(box_module, "MAX_NONCE_USES", 3)
        verdicts = [self.check(self.client.sign("GET", TARGET)) for _ in range(4)]
        self.assertEqual(verdicts, [Verdict.GOOD] * 3 + [Verdict.STALE])

    def test_nonces_are_bounded(self) -> None:
        """The oldest nonce is dropped when there are too many."""
        clients = [DigestClient(self.guard.challenge()) for _ in range(box_module.MAX_NONCES)]
        self.assertIs(self.check(self.client.sign("GET", TARGET)), Verdict.STALE)
        self.assertIs(self.check(clients[0].sign("GET", TARGET)), Verdict.GOOD)

    def test_stale_challenge(self) -> None:
        """A stale challenge says so; a first one doesn't."""
        self.assertNotIn("stale", self.guard.challenge())
        self.assertIn("stale=true", self.guard.challenge(stale=True))

    def test_repr(self) -> None:
        """The password isn't shown."""
        self.assertNotIn("hunter2", repr(DigestGuard("realm", "admin", "hunter2")))

    @given(st.text())
    def test_anything_else(self, text: str) -> None:
        """No text raises an exception, and no unsigned text is accepted."""
        guard = DigestGuard("closed-box", "admin", "admin")
        for authorization in (text, f"Digest {text}", f'Digest nc=00000001, cnonce="{text}"'):
            self.assertIs(guard.check("GET", TARGET, authorization), Verdict.BAD)


class BoxTests(SynchronousTestCase):
    """The documents API, over the wire."""

    def setUp(self) -> None:
        """Make a box, and a client with its challenge."""
        self.box: Box = make_box()
        refused = ask(self.box, "GET", TARGET)
        self.client = DigestClient(refused.one(b"www-authenticate").decode())

    def ask(
        self, method: str, target: str = TARGET, *headers: tuple[str, str], body: bytes = b""
    ) -> Answer:
        """Send one signed request."""
        signed = ("Authorization", self.client.sign(method, target))
        return ask(self.box, method, target, signed, *headers, body=body)

    def test_read(self) -> None:
        """A signed GET returns the document with its type."""
        answer = self.ask("GET")
        self.assertEqual((answer.status, answer.body), (200, FIRST_DOCUMENT))
        self.assertEqual(answer.one(b"content-type"), b"application/json")

    def test_head(self) -> None:
        """HEAD returns the same as GET, without the body."""
        answer = self.ask("HEAD")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(answer.one(b"content-length"), str(len(FIRST_DOCUMENT)).encode())

    def test_unsigned(self) -> None:
        """Without credentials nothing is read or written."""
        before = dict(self.box.documents)
        for method, body in (("GET", b""), ("PUT", b"{}"), ("HEAD", b"")):
            with self.subTest(method):
                answer = ask(self.box, method, TARGET, JSON, body=body)
                self.assertEqual(answer.status, 401)
                self.assertNotIn(b"closed box", answer.body)
                challenge = answer.one(b"www-authenticate")
                self.assertTrue(challenge.startswith(b"Digest "), challenge)
                self.assertIn(b'qop="auth"', challenge)
        self.assertEqual(self.box.documents, before)

    def test_replayed(self) -> None:
        """A replay gets a challenge that says stale, and works with its nonce."""
        signed = ("Authorization", self.client.sign("GET", TARGET))
        self.assertEqual(ask(self.box, "GET", TARGET, signed).status, 200)
        answer = ask(self.box, "GET", TARGET, signed)
        self.assertEqual(answer.status, 401)
        self.client = DigestClient(answer.one(b"www-authenticate").decode())
        self.assertIn("stale=true", self.client.challenge)
        self.assertEqual(self.ask("GET").status, 200)

    def test_two_authorizations(self) -> None:
        """Two Authorization fields are rejected, even if one is good."""
        signed = ("Authorization", self.client.sign("GET", TARGET))
        answer = ask(self.box, "GET", TARGET, signed, ("Authorization", "Basic eDp5"))
        self.assertEqual(answer.status, 401)

    def test_options(self) -> None:
        """OPTIONS, including a preflight, is rejected before credentials are checked."""
        preflight = (
            ("Origin", "http://localhost:4200"),
            ("Access-Control-Request-Method", "PUT"),
        )
        for headers in ((), preflight):
            with self.subTest(headers):
                answer = ask(self.box, "OPTIONS", TARGET, *headers)
                self.assertEqual(answer.status, 405)
                self.assertEqual(answer.one(b"allow"), b"GET, HEAD, PUT")
                self.assertNotIn(b"www-authenticate", answer.fields)

    def test_other_methods(self) -> None:
        """Other methods are rejected."""
        for method in ("POST", "DELETE", "PATCH", "BREW"):
            with self.subTest(method):
                self.assertEqual(self.ask(method).status, 405)

    def test_no_cors(self) -> None:
        """No response of any status has a CORS field or a Vary on Origin."""
        origin = ("Origin", "http://localhost:4200")
        answers = [
            self.ask("GET", TARGET, origin),
            self.ask("PUT", TARGET, origin, JSON, body=b"{}"),
            self.ask("PUT", TARGET, origin, JSON, body=b"{"),
            self.ask("GET", "/v1/documents?uri=/none", origin),
            ask(self.box, "GET", TARGET, origin),
            ask(self.box, "OPTIONS", TARGET, origin, ("Access-Control-Request-Method", "PUT")),
        ]
        self.assertEqual([answer.status for answer in answers], [200, 204, 400, 404, 401, 405])
        for answer in answers:
            cors = [name for name in answer.fields if name.startswith(b"access-control-")]
            self.assertEqual(cors, [])
            self.assertNotIn(b"vary", answer.fields)

    def test_write_and_read(self) -> None:
        """GET returns the bytes and the type of the last PUT."""
        document = b'{"a": [1, 2.50, "\xc3\xa9"]}\n'
        written = self.ask(
            "PUT", TARGET, ("Content-Type", "application/json; charset=utf-8"), body=document
        )
        self.assertEqual((written.status, written.body), (204, b""))
        self.assertNotIn(b"content-length", written.fields)
        answer = self.ask("GET")
        self.assertEqual((answer.status, answer.body), (200, document))
        self.assertEqual(answer.one(b"content-type"), b"application/json; charset=utf-8")

    def test_create(self) -> None:
        """A PUT to a new name creates a document of any type."""
        target = "/v1/documents?uri=/notes/%C3%A9.txt"
        body = bytes(range(256))
        written = self.ask("PUT", target, ("Content-Type", "text/plain"), body=body)
        self.assertEqual(written.status, 201)
        self.assertEqual(self.box.documents["/notes/é.txt"], Document(b"text/plain", body))
        self.assertEqual(self.ask("GET", target).body, body)

    def test_unknown(self) -> None:
        """A missing document or path is 404, with JSON."""
        for target in ("/v1/documents?uri=/none.json", "/", "/v2/documents?uri=/test.json"):
            with self.subTest(target):
                answer = self.ask("GET", target)
                self.assertEqual(answer.status, 404)
                self.assertEqual(answer.one(b"content-type"), b"application/json")
                self.assertEqual(json.loads(answer.body)["error"]["status"], 404)

    def test_bad_names(self) -> None:
        """A request that doesn't name exactly one document is rejected."""
        queries = ("", "?uri=", "?uri=x", "?uri=/a&uri=/b", "?uri=/%FF", f"?uri=/{'a' * 600}")
        for query in queries:
            with self.subTest(query):
                self.assertEqual(self.ask("GET", f"/v1/documents{query}").status, 400)

    def test_bad_json(self) -> None:
        """A document of type JSON must be JSON, and a rejected one changes nothing."""
        for body in (b"{", b"\xff", b"[" * 100_000, b" "):
            for kind in ("application/json", "Application/JSON; x=y", "application/a+json"):
                with self.subTest((body[:5], kind)):
                    answer = self.ask("PUT", TARGET, ("Content-Type", kind), body=body)
                    self.assertEqual(answer.status, 400)
        self.assertEqual(self.ask("GET").body, FIRST_DOCUMENT)

    def test_no_type(self) -> None:
        """A document needs a type."""
        self.assertEqual(self.ask("PUT", body=b"{}").status, 415)

    def test_document_limit(self) -> None:
        """A document may have the maximum size, but no byte more."""
        text = ("Content-Type", "text/plain")
        largest = b"x" * box_module.MAX_DOCUMENT_BYTES
        self.assertEqual(self.ask("PUT", TARGET, text, body=largest + b"x").status, 413)
        self.assertEqual(self.ask("GET").body, FIRST_DOCUMENT)
        self.assertEqual(self.ask("PUT", TARGET, text, body=largest).status, 204)
        self.assertEqual(self.ask("GET").body, largest)

    def test_count_limit(self) -> None:
        """A full box accepts no new document, but changes of existing ones."""
        for number in range(box_module.MAX_DOCUMENTS - 1):
            self.box.documents[f"/{number}"] = Document(b"text/plain", b"")
        self.assertEqual(self.ask("PUT", "/v1/documents?uri=/new", JSON, body=b"{}").status, 507)
        self.assertEqual(self.ask("PUT", TARGET, JSON, body=b"{}").status, 204)

    def test_counts_requests(self) -> None:
        """Every request is counted, including a rejected one."""
        before = self.box.requests
        ask(self.box, "OPTIONS", TARGET)
        ask(self.box, "GET", "/nowhere")
        self.ask("GET")
        self.assertEqual(self.box.requests, before + 3)
