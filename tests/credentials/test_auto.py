"""The strongest of what a server offers is used, and Basic only where nobody else can read it."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from corsgate.config.model.values import AutoCredentials, Secret
from corsgate.credentials.auto import AutoSigner
from corsgate.errors import WeakChallenge
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import ResponseHead
from corsgate.message.signed import Signed
from tests.credentials.helpers import (
    SigningTestCase,
    authorization_of,
    challenge,
    means,
    refusal,
    request,
    response,
)

BASIC = b'Basic realm="box"'
DIGEST = challenge("n1")
TLS, LOCAL, REMOTE, SOCKET = (
    "https://box.example",
    "http://127.0.0.1:8000",
    "http://10.0.0.11:8000",
    "unix:/run/box.sock",
)


def auto(*allow: str, min_algorithm: str = "MD5", in_clear: bool = False) -> AutoSigner:
    """Return a new signer."""
    credentials = AutoCredentials(
        username="admin",
        password=Secret("open sesame"),
        allow=allow or ("digest", "basic"),
        min_algorithm=min_algorithm,
        dangerously_allow_basic_in_clear=in_clear,
    )
    return AutoSigner.of(credentials, means())


class AutoTests(SigningTestCase):
    def tell(self, signer: AutoSigner, server: str, *responses: ResponseHead) -> list[str]:
        """Send one request, which gets these responses while it is sent again.

        Returns:
            The first word of each Authorization that was sent, empty for none.
        """
        attempt, sent = signer.begin(server), []
        for each in responses:
            signing = attempt.sign(request(), b"")
            signed: Signed = self.successResultOf(Deferred.fromCoroutine(signing))
            value = authorization_of(signed.head)
            self.assertIs(signed.has_credentials, value is not None)
            sent.append((value or "").partition(" ")[0])
            if not attempt.responded(signed, each):
                break
        attempt.end()
        return sent

    def test_interface(self) -> None:
        """It provides what it says."""
        verifyObject(ICredentials, auto())
        verifyObject(IAttempt, auto().begin(TLS))

    def test_strongest(self) -> None:
        """Digest is used where it is offered, in any order; otherwise Basic."""
        for offered in ((BASIC, DIGEST), (DIGEST, BASIC), (BASIC + b", " + DIGEST,)):
            signer = auto()
            self.assertEqual(
                self.tell(signer, TLS, refusal(*offered), response(200)), ["", "Digest"]
            )
            self.assertEqual(self.tell(signer, TLS, response(200)), ["Digest"])
        signer = auto()
        self.assertEqual(self.tell(signer, TLS, refusal(BASIC), response(200)), ["", "Basic"])
        self.assertEqual(self.tell(signer, TLS, response(200)), ["Basic"])

    def test_allow(self) -> None:
        """What isn't allowed is not sent."""
        self.assertEqual(self.tell(auto("digest"), TLS, refusal(BASIC)), [""])
        both = refusal(BASIC, DIGEST)
        self.assertEqual(self.tell(auto("basic"), TLS, both, response(200)), ["", "Basic"])
        self.assertEqual(self.tell(auto("basic"), TLS, refusal(DIGEST)), [""])

    def test_basic_is_private(self) -> None:
        """Basic goes over TLS, to this machine and to a socket; elsewhere it is an error."""
        for server in (TLS, LOCAL, SOCKET, "http://[::1]:80", "http://localhost"):
            self.assertEqual(
                self.tell(auto(), server, refusal(BASIC), response(200)), ["", "Basic"], server
            )
        with self.assertRaisesRegex(WeakChallenge, "only Basic"):
            self.tell(auto(), REMOTE, refusal(BASIC))
        said = auto(in_clear=True)
        self.assertEqual(self.tell(said, REMOTE, refusal(BASIC), response(200)), ["", "Basic"])

    def test_no_downgrade(self) -> None:
        """A server that offers Digest never gets the password, whatever else it says."""
        both = refusal(BASIC, DIGEST)
        self.assertEqual(self.tell(auto(), TLS, both, both), ["", "Digest"])
        with self.assertRaises(WeakChallenge):
            self.tell(auto(min_algorithm="SHA-256"), TLS, both)
        signer = auto()
        self.tell(signer, REMOTE, refusal(DIGEST), response(200))
        with self.assertRaises(WeakChallenge):
            self.tell(signer, REMOTE, refusal(BASIC))

    def test_unsupported_digest(self) -> None:
        """Basic is used beside a Digest that the gate doesn't know."""
        other = challenge("n", 'qop="auth", algorithm=SHA-1')
        self.assertEqual(
            self.tell(auto(), TLS, refusal(other, BASIC), response(200)), ["", "Basic"]
        )

    def test_wrong_password(self) -> None:
        """A refusal of Basic is final, and means that the login is wrong."""
        signer = auto()
        self.assertEqual(self.tell(signer, TLS, refusal(BASIC), refusal(BASIC)), ["", "Basic"])
        self.assertEqual(self.tell(signer, TLS, refusal(BASIC), refusal(BASIC)), ["Basic"])
        signed = self.successResultOf(
            Deferred.fromCoroutine(signer.begin(TLS).sign(request(), b""))
        )
        self.assertTrue(signed.is_fresh)

    def test_server_changes(self) -> None:
        """A server that now asks for Digest gets it."""
        signer = auto()
        self.tell(signer, TLS, refusal(BASIC), response(200))
        self.assertEqual(
            self.tell(signer, TLS, refusal(DIGEST), response(200)), ["Basic", "Digest"]
        )

    def test_public(self) -> None:
        """A server that asks for nothing gets nothing."""
        self.assertEqual(self.tell(auto(), TLS, response(200)), [""])
        self.assertEqual(self.tell(auto(), TLS, response(401)), [""])

    def test_servers_are_apart(self) -> None:
        """What one server asks for is not sent to another."""
        signer = auto()
        self.tell(signer, TLS, refusal(BASIC), response(200))
        self.assertEqual(self.tell(signer, LOCAL, response(200)), [""])

    def test_repr(self) -> None:
        """The repr shows no secret."""
        self.assertNotIn("sesame", repr(auto()))
        self.assertNotIn("YWRtaW4", repr(auto()))
