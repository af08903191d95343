"""How long a nonce is used, and which refusals justify another attempt."""

from __future__ import annotations

from corsgate.credentials.digest.signer import DigestSigner
from corsgate.credentials.servers import MAX_SERVERS
from corsgate.message.head import RequestHead
from tests.credentials.helpers import (
    SERVER,
    SigningTestCase,
    authorization_of,
    challenge,
    digest_signer,
    expected_response,
    given,
    refusal,
    request,
    response,
)

OK = response(200)
STALE = 'qop="auth", stale=%s'
UNANSWERABLE = (
    refusal(),
    refusal(b"Basic realm=x"),
    refusal(challenge("n", "qop=auth, algorithm=x")),
)


class BoundTests(SigningTestCase):
    def test_servers_that_come_and_go(self) -> None:
        """Only a bounded number of challenges is kept: those of the newest servers."""
        signer = digest_signer()
        origins = [f"http://10.0.{number >> 8}.{number & 255}" for number in range(MAX_SERVERS + 9)]
        for origin in origins:
            self.assertTrue(self.challenged(signer, request(), refusal(challenge("n")), origin))
        newest = [each for each in reversed(origins) if self.authorization(signer, server=each)]
        self.assertEqual(newest, origins[:8:-1])


class SessionTestCase(SigningTestCase):
    """Sends requests, each of which gets the response that the test wants."""

    def setUp(self) -> None:
        """Make a new signer."""
        self.signer = digest_signer()

    def started(self, nonce: str = "n1", more: str = 'qop="auth"') -> DigestSigner:
        """Return the signer after its first challenge."""
        self.assertTrue(
            self.challenged(self.signer, request(), refusal(challenge(nonce, more)), SERVER)
        )
        return self.signer

    def signed(self, nonce: str, count: int) -> RequestHead:
        """Sign a request, check its nonce and count, and return it."""
        head = self.sign(self.signer)
        fields = given(authorization_of(head))
        self.assertEqual((fields["nonce"], fields["nc"]), (nonce, f"{count:08x}"))
        return head

    def refused(self, head: RequestHead, nonce: str, more: str = 'qop="auth"') -> bool:
        """Return whether the head is to be signed again after a 401 with this nonce."""
        return self.challenged(self.signer, head, refusal(challenge(nonce, more)), SERVER)

    def accepted(self, head: RequestHead, *headers: tuple[bytes, bytes]) -> None:
        """Report a success to the signer."""
        self.assertFalse(self.challenged(self.signer, head, response(200, *headers), SERVER))


class NonceTests(SessionTestCase):
    def test_unsigned_before_challenge(self) -> None:
        """Without a challenge the head stays unchanged, and so does the signer after a success."""
        head = request()
        self.assertIs(self.sign(self.signer, head), head)
        self.accepted(head)
        self.assertIs(self.sign(self.signer, head), head)

    def test_count_rises(self) -> None:
        """One nonce signs all later requests, with a rising count of eight hex digits."""
        self.started()
        for count in range(1, 20):
            self.accepted(self.signed("n1", count))

    def test_client_nonce_is_new(self) -> None:
        """Each request has its own client nonce."""
        self.started()
        nonces = {given(self.authorization(self.signer))["cnonce"] for _ in range(5)}
        self.assertEqual(len(nonces), 5)

    def test_servers_are_apart(self) -> None:
        """A nonce is sent only to the server that it came from."""
        other = "http://10.0.0.12:8000"
        self.started()
        self.assertIsNone(self.authorization(self.signer, server=other))
        self.challenged(self.signer, request(), refusal(challenge("n2")), other)
        self.signed("n1", 1)
        self.assertEqual(given(self.authorization(self.signer, server=other))["nonce"], "n2")

    def test_count_runs_out(self) -> None:
        """After ffffffff the nonce is dropped, and the next request asks for another."""
        self.started()
        nonce = self.signer._queues[SERVER].server.nonce
        assert nonce is not None
        nonce.count = 0xFFFFFFFE
        self.accepted(self.signed("n1", 0xFFFFFFFF))
        self.assertIsNone(self.authorization(self.signer))
        self.started("n2")
        self.signed("n2", 1)

    def test_stale(self) -> None:
        """A stale nonce is replaced, new or used, and ``stale`` may have any case."""
        self.started("n0")
        for number, word in enumerate(("true", "TRUE", '"true"', '"True"')):
            head = self.signed(f"n{number}", 1)
            self.assertTrue(self.refused(head, f"n{number + 1}", STALE % word))

    def test_used_nonce_dies(self) -> None:
        """A used nonce that is refused without ``stale`` is replaced once (a node went away)."""
        self.started()
        self.accepted(self.signed("n1", 1))
        self.assertTrue(self.refused(self.signed("n1", 2), "n2"))
        self.assertFalse(self.refused(self.signed("n2", 1), "n3"))

    def test_wrong_credentials(self) -> None:
        """A refused new nonce ends the session; the next request starts without one."""
        self.started()
        self.assertFalse(self.refused(self.signed("n1", 1), "n2"))
        self.assertIsNone(self.authorization(self.signer))
        self.assertFalse(self.refused(self.signed_after("n3"), "n4", STALE % "false"))

    def signed_after(self, nonce: str) -> RequestHead:
        """Return a request signed with a first challenge."""
        self.started(nonce)
        return self.signed(nonce, 1)

    def test_same_challenge_again(self) -> None:
        """A repeated challenge would lead to the same request, so it is not retried."""
        self.started()
        self.accepted(self.signed("n1", 1))
        for more in ('qop="auth"', STALE % "true"):
            self.assertFalse(self.refused(self.sign(self.signer), "n1", more))
        self.signed("n1", 4)

    def test_unanswerable(self) -> None:
        """A 401 without a supported challenge is final, and does not affect the present nonce."""
        for answer in (
            refusal(),
            refusal(b"Basic realm=x"),
            refusal(challenge("n", "qop=auth, algorithm=x")),
        ):
            self.assertFalse(self.challenged(self.signer, request(), answer, SERVER))
        self.started()
        for answer in (
            refusal(),
            refusal(b"Basic realm=x"),
            refusal(challenge("n", "qop=auth, algorithm=x")),
        ):
            self.assertFalse(self.challenged(self.signer, self.sign(self.signer), answer, SERVER))
        self.signed("n1", 4)

    def test_other_statuses(self) -> None:
        """A challenge counts only with 401; other responses change nothing."""
        for status in (200, 204, 302, 403, 407, 500, 503):
            answer = response(status, (b"WWW-Authenticate", challenge("n")))
            self.assertFalse(self.challenged(self.signer, request(), answer, SERVER))
        self.assertIsNone(self.authorization(self.signer))

    def test_without_count(self) -> None:
        """A nonce of RFC 2069 follows the same rules: once accepted, it is replaced."""
        self.started("n1", "algorithm=MD5")
        head = self.sign(self.signer)
        self.assertNotIn("nc=", authorization_of(head) or "")
        self.accepted(head)
        self.assertTrue(self.refused(self.sign(self.signer), "n2", "algorithm=MD5"))
        self.assertFalse(self.refused(self.sign(self.signer), "n3", "algorithm=MD5"))


class NextNonceTests(SessionTestCase):
    def next_nonce(self, value: bytes) -> tuple[bytes, bytes]:
        """Return a field of a success."""
        return (b"Authentication-Info", value)

    def test_taken(self) -> None:
        """The next nonce that a server sends is used from then on, with a new count (3.5)."""
        self.started()
        self.accepted(self.signed("n1", 1), self.next_nonce(b'qop=auth, nextnonce="n2"'))
        self.accepted(self.signed("n2", 1), (b"authentication-info", b"nextnonce=n3"))
        self.signed("n3", 1)

    def test_refused(self) -> None:
        """A next nonce counts as accepted: if it is refused, it has expired and is replaced."""
        self.started()
        self.accepted(self.signed("n1", 1), self.next_nonce(b'nextnonce="n2"'))
        self.assertTrue(self.refused(self.signed("n2", 1), "n3"))
        self.assertFalse(self.refused(self.signed("n3", 1), "n4"))

    def test_ignored(self) -> None:
        """Junk, the same nonce, a too long one, and one for an earlier nonce change nothing."""
        unsigned = request()
        self.started()
        head = self.signed("n1", 1)
        for value in (b"", b'nextnonce="n1"', b'nextnonce=""', b'nextnonce="n2', b"rspauth=x"):
            self.accepted(head, self.next_nonce(value))
        self.accepted(head, self.next_nonce(b'nextnonce="%b"' % (b"n" * 5000)))
        self.accepted(unsigned, self.next_nonce(b'nextnonce="n2"'))
        self.signed("n1", 2)

    def test_late(self) -> None:
        """If two responses to one nonce send a next one, the first is used, not the second."""
        self.started()
        one, two = self.signed("n1", 1), self.signed("n1", 2)
        self.accepted(two, self.next_nonce(b'nextnonce="n2"'))
        self.accepted(one, self.next_nonce(b'nextnonce="n3"'))
        self.signed("n2", 1)

    def test_session_key_stays(self) -> None:
        """The key of -sess stays that of the challenge when the nonce moves on (3.4.2)."""
        self.started("n1", 'qop="auth", algorithm=MD5-sess')
        head = self.signed("n1", 1)
        self.accepted(head, self.next_nonce(b'nextnonce="n2"'))
        session = f"n1:{given(authorization_of(head))['cnonce']}"
        fields = given(authorization_of(self.signed("n2", 1)))
        self.assertEqual(
            fields["response"], expected_response(fields, "admin", "open sesame", "GET", session)
        )


class ConcurrencyTests(SessionTestCase):
    def test_first_challenges(self) -> None:
        """Of many concurrent first challenges one is kept, and all requests use it."""
        self.started("n1")
        for number in range(2, 6):
            self.assertTrue(self.refused(request(), f"n{number}"))
        self.signed("n1", 1)

    def test_newer_nonce_is_used(self) -> None:
        """Requests whose nonce expires in flight share the first new one."""
        self.started()
        for count in (1, 2):
            self.accepted(self.signed("n1", count))
        heads = [self.signed("n1", count) for count in range(3, 8)]
        for number, head in enumerate(heads, 2):
            self.assertTrue(self.refused(head, f"n{number}", STALE % "true"))
        self.signed("n2", 1)

    def test_late_refusal_of_first(self) -> None:
        """A first use that is overtaken, and so refused, does not mean bad credentials."""
        self.started()
        one, two = self.signed("n1", 1), self.signed("n1", 2)
        self.accepted(two)
        self.assertTrue(self.refused(one, "n2"))

    def test_errors_prove_nothing(self) -> None:
        """A 5xx doesn't show that a nonce was accepted."""
        self.started()
        one, two = self.signed("n1", 1), self.signed("n1", 2)
        self.challenged(self.signer, two, response(503), SERVER)
        self.assertFalse(self.refused(one, "n2"))

    def test_wrong_credentials(self) -> None:
        """When the first use is refused, the other requests in flight give up too."""
        self.started()
        heads = [self.signed("n1", count) for count in range(1, 6)]
        self.assertEqual(
            [self.refused(head, f"m{number}") for number, head in enumerate(heads)], [False] * 5
        )
        self.assertIsNone(self.authorization(self.signer))

    def test_late_refusal_after_restart(self) -> None:
        """A late refusal of a wrong login is final, and does not affect a newer nonce."""
        self.started()
        one, two = self.signed("n1", 1), self.signed("n1", 2)
        self.assertFalse(self.refused(one, "n2"))
        self.started("n3")
        self.assertFalse(self.refused(two, "n4"))
        self.signed("n3", 1)
