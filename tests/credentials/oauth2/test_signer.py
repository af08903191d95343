"""Requests signed with access tokens, and what a 401 means."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.oauth2.signer import OAuth2Signer
from corsgate.errors import ConnectFailed, LoginFailed
from corsgate.interfaces import IAttempt
from corsgate.message.signed import Signed
from tests.credentials.helpers import SERVER, authorization_of, request, response
from tests.credentials.oauth2.helpers import SECRET, FakeTokenServer, credentials

OTHER = "http://10.0.0.12:8000"


class SignerTestCase(SynchronousTestCase):
    """A signer before a token server without a network."""

    def setUp(self) -> None:
        """Make both."""
        self.server = FakeTokenServer()
        self.signer = OAuth2Signer.of(credentials(), self.server.means)

    def signing(self, attempt: IAttempt) -> Deferred[Signed]:
        """Begin to sign a request."""
        return Deferred.fromCoroutine(attempt.sign(request(), b""))

    def have(self, token: str, server: str = SERVER) -> None:
        """Have the server grant a token, which the API accepts."""
        attempt = self.signer.begin(server)
        signing = self.signing(attempt)
        self.server.grant(token, expires_in=3600)
        self.assertFalse(attempt.responded(self.successResultOf(signing), response(200)))

    def sent(self, attempt: IAttempt) -> tuple[str | None, Signed]:
        """Return the Authorization that is sent at once, and the whole."""
        signed = self.successResultOf(self.signing(attempt))
        return authorization_of(signed.head), signed


class Signing(SignerTestCase):
    def test_bearer(self) -> None:
        """The token is sent as a bearer token (RFC 6750 2.1), and no other secret."""
        self.have("t1")
        value, signed = self.sent(self.signer.begin(SERVER))
        self.assertEqual(value, "Bearer t1")
        self.assertNotIn(SECRET, str(signed.head.headers))
        self.assertNotIn("t1", repr(signed))
        self.assertNotIn("t1", repr(self.signer))

    def test_shared(self) -> None:
        """Signers of equal credentials share the token, and others don't."""
        self.have("t1")
        equal = OAuth2Signer.of(credentials(), self.server.means)
        self.assertEqual(self.sent(equal.begin(OTHER))[0], "Bearer t1")
        other = OAuth2Signer.of(credentials(scope="x"), self.server.means)
        self.assertNoResult(self.signing(other.begin(SERVER)))

    def test_no_token(self) -> None:
        """Without a token nothing is sent, and the failure isn't the API server's."""
        signing = self.signing(self.signer.begin(SERVER))
        self.server.fail(ConnectFailed("no"))
        error = self.failureResultOf(signing, LoginFailed).value
        self.assertNotIsInstance(error, ConnectFailed)
        assert self.signer.login_failure is not None
        self.assertEqual(self.signer.login_failure.count, 1)
        self.server.clock.advance(1)
        self.have("t1")
        self.assertIsNone(self.signer.login_failure)


class Rejected(SignerTestCase):
    def test_renewed_once(self) -> None:
        """A 401 to a token that had been used renews it once; the next 401 is the client's."""
        self.have("t1")
        attempt = self.signer.begin(SERVER)
        _, signed = self.sent(attempt)
        self.assertFalse(signed.is_fresh)
        self.assertTrue(attempt.responded(signed, response(401)))
        signing = self.signing(attempt)
        self.server.grant("t2")
        signed = self.successResultOf(signing)
        self.assertEqual(authorization_of(signed.head), "Bearer t2")
        self.assertTrue(signed.is_fresh)
        self.assertFalse(attempt.responded(signed, response(401)))
        self.assertEqual(len(self.server.asked), 2)

    def test_fresh_token(self) -> None:
        """A 401 to a token that was just fetched speaks against the credentials."""
        attempt = self.signer.begin(SERVER)
        signing = self.signing(attempt)
        self.server.grant("t1")
        signed = self.successResultOf(signing)
        self.assertTrue(signed.is_fresh)
        self.assertFalse(attempt.responded(signed, response(401)))
        self.assertEqual(len(self.server.asked), 1)

    def test_other_statuses(self) -> None:
        """Only a 401 may mean that the token has expired (RFC 6750 3.1)."""
        self.have("t1")
        for status in (200, 302, 403, 404, 407, 500):
            attempt = self.signer.begin(SERVER)
            _, signed = self.sent(attempt)
            self.assertFalse(attempt.responded(signed, response(status)))
        self.assertEqual(len(self.server.asked), 1)

    def test_64_at_once(self) -> None:
        """64 requests whose token was revoked cost one renewal, and each is sent again once."""
        self.have("t1")
        attempts = [self.signer.begin(SERVER) for _ in range(64)]
        sent = [self.sent(each)[1] for each in attempts]
        for attempt, signed in zip(attempts, sent, strict=True):
            self.assertTrue(attempt.responded(signed, response(401)))
        signing = [self.signing(each) for each in attempts]
        self.assertEqual(len(self.server.asked), 2)
        self.server.grant("t2", expires_in=3600)
        values = {authorization_of(self.successResultOf(each).head) for each in signing}
        self.assertEqual(values, {"Bearer t2"})
        for attempt, each in zip(attempts, signing, strict=True):
            self.assertFalse(attempt.responded(self.successResultOf(each), response(200)))
        self.assertEqual(len(self.server.asked), 2)

    def test_late_401(self) -> None:
        """A 401 to an older token sends the newer one, without another fetch."""
        self.have("t1")
        late = self.signer.begin(SERVER)
        _, signed = self.sent(late)
        other = self.signer.begin(SERVER)
        self.assertTrue(other.responded(self.sent(other)[1], response(401)))
        signing = self.signing(other)
        self.server.grant("t2")
        self.assertFalse(other.responded(self.successResultOf(signing), response(200)))
        self.assertTrue(late.responded(signed, response(401)))
        self.assertEqual(self.sent(late)[0], "Bearer t2")
        self.assertEqual(len(self.server.asked), 2)

    def test_api_that_rejects_all(self) -> None:
        """An API that rejects new tokens too costs a token per pause, not one per request."""
        self.have("t1")
        for pause in (5, 10, 20):
            attempt = self.signer.begin(SERVER)
            self.assertTrue(attempt.responded(self.sent(attempt)[1], response(401)))
            signing = self.signing(attempt)
            self.server.grant("t", expires_in=3600)
            signed = self.successResultOf(signing)
            self.assertFalse(attempt.responded(signed, response(401)))
            count = len(self.server.asked)
            for _ in range(10):
                attempt = self.signer.begin(SERVER)
                _, signed = self.sent(attempt)
                self.assertTrue(signed.is_fresh)
                self.assertFalse(attempt.responded(signed, response(401)))
            self.assertEqual(len(self.server.asked), count)
            self.server.clock.advance(pause)

    def test_closed_path(self) -> None:
        """A path that always gets 401 costs one token in 5 s, even if other paths get 200."""
        self.have("t1")
        for count in (2, 3):
            attempt = self.signer.begin(SERVER)
            self.assertTrue(attempt.responded(self.sent(attempt)[1], response(401)))
            signing = self.signing(attempt)
            self.server.grant("t", expires_in=3600)
            self.assertFalse(attempt.responded(self.successResultOf(signing), response(401)))
            for status in (200, 401) * 20:
                attempt = self.signer.begin(SERVER)
                self.assertFalse(attempt.responded(self.sent(attempt)[1], response(status)))
            self.assertEqual(len(self.server.asked), count)
            self.server.clock.advance(5)
            attempt = self.signer.begin(SERVER)
            self.assertFalse(attempt.responded(self.sent(attempt)[1], response(200)))

    def test_accepted_after_many_rejections(self) -> None:
        """A long pause ends soon after a server has accepted the token again."""
        self.test_api_that_rejects_all()
        attempt = self.signer.begin(SERVER)
        self.assertTrue(attempt.responded(self.sent(attempt)[1], response(401)))
        signing = self.signing(attempt)
        self.server.grant("t", expires_in=3600)
        self.assertFalse(attempt.responded(self.successResultOf(signing), response(401)))
        for passed, is_renewed in ((0, False), (5, True)):
            self.server.clock.advance(passed)
            accepted, rejected = self.signer.begin(SERVER), self.signer.begin(SERVER)
            self.assertFalse(accepted.responded(self.sent(accepted)[1], response(200)))
            signed = self.sent(rejected)[1]
            self.assertEqual(rejected.responded(signed, response(401)), is_renewed)

    def test_other_api_accepts(self) -> None:
        """An API's rejections don't keep another API from a renewal."""
        self.test_api_that_rejects_all()
        attempt = self.signer.begin(OTHER)
        self.assertTrue(attempt.responded(self.sent(attempt)[1], response(401)))

    def test_renewal_fails(self) -> None:
        """If there is no other token, the request fails; the token stays for the others."""
        self.have("t1")
        attempt = self.signer.begin(SERVER)
        self.assertTrue(attempt.responded(self.sent(attempt)[1], response(401)))
        signing = self.signing(attempt)
        self.server.refuse(503)
        self.failureResultOf(signing, LoginFailed)
        self.assertEqual(self.sent(self.signer.begin(OTHER))[0], "Bearer t1")
