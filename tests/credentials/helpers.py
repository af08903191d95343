"""Helpers of the credential tests: heads, responses, and a Digest server's own hashes."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from typing import NoReturn
from urllib.request import parse_http_list, parse_keqv_list

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import DigestCredentials, Secret
from corsgate.credentials.digest.signer import DigestSigner
from corsgate.credentials.guard import Guard
from corsgate.credentials.means import Means
from corsgate.credentials.outside import Outside
from corsgate.errors import ConnectFailed
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed

SERVER = "http://10.0.0.11:8000"


def request(
    target: bytes = b"/v1/documents", method: bytes = b"GET", *headers: tuple[bytes, bytes]
) -> RequestHead:
    """Return a head to sign."""
    return RequestHead(method=method, target=target, headers=[(b"Host", b"box"), *headers])


def response(status: int, *headers: tuple[bytes, bytes]) -> ResponseHead:
    """Return a response's head."""
    return ResponseHead(status=status, reason=b"", headers=list(headers))


def refusal(*challenges: bytes) -> ResponseHead:
    """Return a 401 with each challenge in a separate field."""
    return response(401, *((b"WWW-Authenticate", challenge) for challenge in challenges))


def challenge(nonce: str, more: str = 'qop="auth"', realm: str = "box") -> bytes:
    """Return a Digest challenge."""
    return f'Digest realm="{realm}", nonce="{nonce}", {more}'.encode()


def counting_rng() -> Callable[[int], bytes]:
    """Return a source of bytes that differ each time, but are the same in each run."""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def means(rng: Callable[[int], bytes] | None = None) -> Means:
    """Return means without I/O, whose time stands still, and whose threads are no others."""
    clock = Clock()
    return Means(
        seconds=clock.seconds,
        wall_clock=lambda: 1.7e9,
        rng=rng or counting_rng(),
        later=clock.callLater,
        guard=Guard("box", clock),
        fetch=_no_fetch,
        in_thread=maybeDeferred,
        make_pin=FakePin,
    )


async def _no_fetch(outside: Outside, head: RequestHead, body: bytes) -> NoReturn:
    raise ConnectFailed(f"{outside.server.origin}: there is no network here")


class FakePin:
    """A connection of credentials' own, whose exchanges are over as soon as they begin.

    Attributes:
        lost: Whether it has closed.
    """

    def __init__(self, returned: Callable[[FakePin], None]) -> None:
        self._returned = returned
        self.kept = True
        self.held = True
        self.authenticated = False
        self.lost = False

    @property
    def usable(self) -> bool:
        """Whether it can carry a request."""
        return not self.lost

    def when_settled(self) -> Deferred[None]:
        """Return a Deferred that has fired."""
        return succeed(None)

    def release(self, *, keep: bool) -> None:
        """Return it, or close it."""
        self.held = False
        self.lost = self.lost or not keep
        if keep:
            self._returned(self)

    def peer_certificate(self) -> None:
        """Return None: there is no TLS."""


def digest_signer(
    username: str = "admin",
    password: str = "open sesame",
    rng: Callable[[int], bytes] | None = None,
) -> DigestSigner:
    """Return a new signer."""
    credentials = DigestCredentials(username=username, password=Secret(password))
    return DigestSigner.of(credentials, means(rng))


class SigningTestCase(SynchronousTestCase):
    """Signs synchronously what the interface signs in a coroutine."""

    _sent: list[tuple[IAttempt, Signed]]

    def sign(
        self,
        signer: ICredentials,
        head: RequestHead | None = None,
        server: str = SERVER,
        body: bytes | None = b"",
    ) -> RequestHead:
        """Return the head that is sent at first; it may still be `challenged`."""
        attempt = signer.begin(server)
        signing = attempt.sign(head or request(), body)
        signed: Signed = self.successResultOf(Deferred.fromCoroutine(signing))
        attempt.end()
        self._sent = getattr(self, "_sent", [])
        self._sent.append((attempt, signed))
        return signed.head

    def challenged(
        self,
        signer: DigestSigner,
        sent: RequestHead,
        response: ResponseHead,
        server: str = SERVER,
    ) -> bool:
        """Return whether a request should be signed again after a response.

        Args:
            signer: What signed it.
            sent: What `sign` returned; any other head was sent unsigned.
            response: The response.
            server: The server's origin.
        """
        found = [each for each in getattr(self, "_sent", []) if each[1].head is sent]
        if not found:
            queue = signer._queues.get(server)
            if queue is None or queue.server.nonce is None:
                self.sign(signer, sent, server)
                found = self._sent[-1:]
            else:
                # It was on its way when another request brought a challenge.
                found = [(signer.begin(server), Signed(head=sent, has_credentials=False))]
        attempt, signed = found[-1]
        again = attempt.responded(signed, response)
        assert isinstance(again, bool)
        attempt.end()
        return again

    def authorization(
        self, signer: ICredentials, head: RequestHead | None = None, server: str = SERVER
    ) -> str | None:
        """Return the Authorization that the head gets, or None."""
        return authorization_of(self.sign(signer, head, server))


def authorization_of(head: RequestHead) -> str | None:
    """Return the value of a head's only Authorization, or None."""
    values = [value for name, value in head.headers if name.lower() == b"authorization"]
    assert len(values) <= 1, "more than one Authorization"
    return values[0].decode() if values else None


def given(authorization: str | None) -> dict[str, str]:
    """Return the parameters of Digest credentials, read by the standard library."""
    assert authorization is not None
    scheme, _, rest = authorization.partition(" ")
    assert scheme == "Digest"
    return parse_keqv_list(parse_http_list(rest))


def expected_response(
    fields: dict[str, str], username: str, password: str, method: str, session: str = ""
) -> str:
    """Return what a server would compute for these credentials.

    Args:
        fields: The parameters that were sent.
        username: The user's name, as the server knows it.
        password: The user's password, as the server knows it.
        method: The request's method.
        session: For -sess, the nonce and cnonce that the session began with, joined by ``:``.
    """
    hashes = {
        "MD5": "md5",
        "SHA-256": "sha256",
        "SHA-512-256": "sha512_256",
    }

    def hashed(text: str) -> str:
        algorithm = fields.get("algorithm", "MD5").removesuffix("-sess")
        return hashlib.new(hashes[algorithm], text.encode()).hexdigest()

    key = hashed(f"{username}:{fields['realm']}:{password}")
    if session:
        key = hashed(f"{key}:{session}")
    end = hashed(f"{method}:{fields['uri']}")
    if "qop" not in fields:
        return hashed(f"{key}:{fields['nonce']}:{end}")
    return hashed(
        f"{key}:{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:{fields['qop']}:{end}"
    )
