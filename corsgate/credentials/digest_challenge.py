"""What a Digest challenge offers, and which of several is answered (RFC 7616 3.3, 3.7)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import attrs

from corsgate.config.model.values import DIGEST_ALGORITHMS
from corsgate.credentials.auth_fields import Challenge, parse_challenges
from corsgate.errors import WeakChallenge
from corsgate.message.headers import HeaderList


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).hexdigest().encode()


def _sha_256(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def _sha_512_256(data: bytes) -> bytes:
    return hashlib.new("sha512_256", data).hexdigest().encode()


_HASHES: dict[bytes, Callable[[bytes], bytes]] = {b"md5": _md5, b"sha-256": _sha_256}
"""What is hashed with, by the algorithm's lower-cased name."""
if "sha512_256" in hashlib.algorithms_available:
    _HASHES[b"sha-512-256"] = _sha_512_256
_STRENGTHS = {
    name.lower().encode("ascii"): strength for strength, name in enumerate(DIGEST_ALGORITHMS)
}

_MAX_ECHOED_BYTES = 4096
"""Servers refuse a field much longer than that, and it bounds what is kept for each of them."""


@attrs.frozen(kw_only=True)
class DigestChallenge:
    """A Digest challenge that can be answered (RFC 7616 3.3).

    Attributes:
        realm: The realm, unquoted.
        nonce: The server's nonce, unquoted.
        opaque: What the server wants back as it is, or None.
        algorithm: The algorithm's name as the server spelled it, or None where it named none.
        qop: Whether the server knows ``auth``; one of RFC 2069 knows none.
        utf8: Whether the server says that it takes UTF-8, and so knows RFC 7616.
        userhash: Whether the user name is to be hidden.
        stale: Whether only the nonce was wrong with the request before.
    """

    realm: bytes
    nonce: bytes = attrs.field(repr=False)
    opaque: bytes | None = attrs.field(repr=False)
    algorithm: bytes | None
    qop: bool
    utf8: bool
    userhash: bool
    stale: bool = attrs.field(eq=False)

    @property
    def hash_name(self) -> bytes:
        """The algorithm's lower-cased name without ``-sess``; MD5 where none was named."""
        name = b"md5" if self.algorithm is None else self.algorithm
        return name.lower().removesuffix(b"-sess")

    @property
    def of_session(self) -> bool:
        """Whether the first client nonce goes into the key of all that follows (3.4.2)."""
        return self.algorithm is not None and self.algorithm.lower().endswith(b"-sess")

    @property
    def fits(self) -> bool:
        """Whether realm, nonce and opaque are short enough to be sent back with each request."""
        echoed = len(self.realm) + len(self.nonce) + len(self.opaque or b"")
        return echoed <= _MAX_ECHOED_BYTES

    def hashed(self, data: bytes) -> bytes:
        """Return the algorithm's hash in lower-case hexadecimal, H() of RFC 7616 3.3.

        Args:
            data: Any bytes.
        """
        return _HASHES[self.hash_name](data)


def read_digest_challenge(challenge: Challenge) -> DigestChallenge | None:
    """Return the challenge as an offer, or None where it can't be answered.

    That is a scheme other than Digest, an algorithm that isn't known here, a protection other
    than ``auth``, a -sess algorithm without any (RFC 2069 has no client nonce to make its key
    of), or a realm, nonce and opaque too long to send back.

    Args:
        challenge: One of WWW-Authenticate.
    """
    given = challenge.parameters
    if challenge.scheme != b"digest" or b"realm" not in given or b"nonce" not in given:
        return None
    protections = given.get(b"qop", b"").lower().replace(b",", b" ").split()
    offer = DigestChallenge(
        realm=given[b"realm"],
        nonce=given[b"nonce"],
        opaque=given.get(b"opaque"),
        algorithm=given.get(b"algorithm"),
        qop=b"auth" in protections,
        utf8=given.get(b"charset", b"").lower() == b"utf-8",
        userhash=given.get(b"userhash", b"").lower() == b"true",
        stale=given.get(b"stale", b"").lower() == b"true",
    )
    if offer.hash_name not in _HASHES or ((offer.of_session or protections) and not offer.qop):
        return None
    return offer if offer.fits else None


def strongest_challenge(
    headers: HeaderList,
    min_algorithm: str = DIGEST_ALGORITHMS[0],
    *,
    require_qop: bool = False,
) -> DigestChallenge | None:
    """Return the strongest Digest challenge of a response that can be answered.

    Args:
        headers: The response's fields.
        min_algorithm: The weakest of `DIGEST_ALGORITHMS` that is answered; ``-sess`` belongs to
            its base.
        require_qop: Whether a challenge without ``qop="auth"`` gets no answer.

    Returns:
        The first of those with the strongest hash, one with a client nonce before one without;
        None where no challenge can be answered.

    Raises:
        WeakChallenge: There are challenges that could be answered, but all are weaker.
    """
    values = [value for name, value in headers if name.lower() == b"www-authenticate"]
    offers = [offer for each in parse_challenges(values) if (offer := read_digest_challenge(each))]
    weakest = _STRENGTHS[min_algorithm.lower().encode("ascii")]
    strong = [
        offer
        for offer in offers
        if _STRENGTHS[offer.hash_name] >= weakest and (offer.qop or not require_qop)
    ]
    if offers and not strong:
        found = dict.fromkeys(
            offer.hash_name.decode("ascii").upper() + ("" if offer.qop else " without qop")
            for offer in offers
        )
        wanted = min_algorithm + (" and qop" if require_qop else "")
        raise WeakChallenge(
            f"it offers digest with {' or '.join(found)} only, and the credentials need {wanted}"
        )
    return max(strong, key=lambda o: (_STRENGTHS[o.hash_name], o.qop), default=None)
