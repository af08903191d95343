"""The Digest signer against Apache's mod_auth_digest, an independent implementation.

Apache supports only MD5 with qop=auth. The other forms are tested against hashes that the tests
compute.
"""

from __future__ import annotations

import secrets
from http.client import HTTPConnection

from corsgate.credentials.digest.signer import DigestSigner
from corsgate.message.head import RequestHead, ResponseHead
from tests.apache import ApacheDigest
from tests.credentials.helpers import (
    SERVER,
    SigningTestCase,
    authorization_of,
    digest_signer,
    given,
    request,
)

FILES = {"test.json": b'{"a": 1}'}
TRIES = 4
"""One more than the gate needs, so that a test notices a further attempt."""
MANY = 50_000
"""More requests than any machine sends in the second that a short-lived nonce lasts."""


class ApacheTestCase(SigningTestCase):
    """Sends signed requests and consults the signer on responses, as the gate does."""

    def apache(self, nonce_lifetime_s: int = 300) -> ApacheDigest:
        """Start a server that stops with the test."""
        users = {"admin": "admin", "J\u00e4s\u00f8n": "geh\u00f6im"}
        apache = ApacheDigest(users=users, files=FILES, nonce_lifetime_s=nonce_lifetime_s)
        self.addCleanup(apache.stop)
        return apache

    def signer(self, username: str = "admin", password: str = "admin") -> DigestSigner:
        """Return a signer with real client nonces."""
        return digest_signer(username, password, secrets.token_bytes)

    def send(self, apache: ApacheDigest, head: RequestHead, body: bytes = b"") -> ResponseHead:
        """Send a head unchanged; return the response."""
        connection = HTTPConnection("127.0.0.1", apache.port, timeout=10)
        try:
            connection.putrequest(
                head.method.decode(), head.target.decode(), skip_accept_encoding=True
            )
            for name, value in head.headers[1:]:
                connection.putheader(name.decode(), value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            answer.read()
            return ResponseHead(
                status=answer.status,
                reason=b"",
                headers=[
                    (name.encode(), value.encode("latin-1")) for name, value in answer.getheaders()
                ],
            )
        finally:
            connection.close()

    def exchange(
        self,
        apache: ApacheDigest,
        signer: DigestSigner,
        target: bytes = b"/test.json",
        method: bytes = b"GET",
        body: bytes = b"",
    ) -> list[int]:
        """Sign and send until the signer accepts the response; return all statuses."""
        statuses = []
        for _ in range(TRIES):
            head = self.sign(signer, request(target, method))
            answer = self.send(apache, head, body)
            statuses.append(answer.status)
            if not self.challenged(signer, head, answer, SERVER):
                break
        return statuses


class ApacheTests(ApacheTestCase):
    def test_one_nonce_for_all(self) -> None:
        """One challenge lasts for many requests: no further 401."""
        apache, signer = self.apache(), self.signer()
        self.assertEqual(self.exchange(apache, signer), [401, 200])
        for _ in range(20):
            self.assertEqual(self.exchange(apache, signer), [200])
        self.assertEqual(given(self.authorization(signer))["nc"], f"{22:08x}")
        self.assertEqual(apache.statuses(22), [*[200] * 21, 401])

    def test_wrong_password(self) -> None:
        """A wrong password is refused twice for each request, and no more."""
        apache, signer = self.apache(), self.signer(password="guess")
        self.assertEqual(self.exchange(apache, signer), [401, 401])
        self.assertEqual(self.exchange(apache, signer), [401, 401])

    def test_target_as_sent(self) -> None:
        """Queries that look like parameters, escapes and odd endings are hashed as sent."""
        apache, signer = self.apache(), self.signer()
        self.exchange(apache, signer)
        targets = (
            b"/test.json?uri=/test.json&x=%2F;",
            b"/test.json?",
            b"/test%2Ejson?a=b?c=d;",
            b"/test.json?a='b'&c=,d",
            b"//test.json",
        )
        for target in targets:
            self.assertEqual(self.exchange(apache, signer, target), [200], target)
        self.assertCountEqual(
            [target for _, _, target in apache.requests(7)],
            ["/test.json", "/test.json", *(target.decode() for target in targets)],
        )

    def test_write(self) -> None:
        """A PUT with a body is signed as well."""
        apache, signer = self.apache(), self.signer()
        self.assertEqual(
            self.exchange(apache, signer, b"/new.json", b"PUT", b'{"b": 2}'), [401, 201]
        )
        self.assertEqual((apache.files / "new.json").read_bytes(), b'{"b": 2}')

    def test_foreign_user(self) -> None:
        """A non-ASCII name and password are accepted as UTF-8."""
        apache, signer = self.apache(), self.signer("J\u00e4s\u00f8n", "geh\u00f6im")
        self.assertEqual(self.exchange(apache, signer), [401, 200])

    def test_another_node(self) -> None:
        """A nonce of a node that went away is replaced after one 401."""
        old, new, signer = self.apache(), self.apache(), self.signer()
        self.assertEqual(self.exchange(old, signer), [401, 200])
        self.assertEqual(self.exchange(new, signer), [401, 200])
        self.assertEqual(self.exchange(new, signer), [200])

    def test_stale(self) -> None:
        """An expired nonce is replaced, and Apache reports that it is stale."""
        apache, signer = self.apache(nonce_lifetime_s=1), self.signer()
        self.exchange(apache, signer)
        head = self.sign(signer, request(b"/test.json"))
        for _ in range(MANY):
            answer = self.send(apache, head)
            if answer.status == 401:
                break
        self.assertIn(b"stale=true", dict(answer.headers)[b"WWW-Authenticate"])
        self.assertEqual(self.exchange(apache, signer), [401, 200])

    def test_next_nonce(self) -> None:
        """Before a nonce expires Apache sends the next one, which is used without another 401."""
        apache, signer = self.apache(nonce_lifetime_s=20), self.signer()
        self.assertEqual(self.exchange(apache, signer), [401, 200])
        nonces = set()
        for _ in range(5):
            self.assertEqual(self.exchange(apache, signer), [200])
            nonces.add(given(authorization_of(self.sign(signer)))["nonce"])
        self.assertEqual(len(nonces), 5)

    def test_forbidden_file(self) -> None:
        """Apache's 401 for a user without permission is final; other requests go on."""
        apache, signer = self.apache(), self.signer()
        self.exchange(apache, signer)
        self.exchange(apache, signer)
        forbidden = f"/{ApacheDigest.FORBIDDEN}".encode()
        self.assertEqual(self.exchange(apache, signer, forbidden), [401, 401])
        self.assertEqual(self.exchange(apache, signer), [401, 200])
