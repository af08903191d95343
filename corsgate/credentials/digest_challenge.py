"""Read Digest challenges, and choose the strongest (RFC 7616 3.3, 3.7)."""

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
"""The hash functions by the algorithm's lower-cased name."""
if "sha512_256" in hashlib.algorithms_available:
    _HASHES[b"sha-512-256"] = _sha_512_256
_STRENGTHS = {
    name.lower().encode("ascii"): strength for strength, name in enumerate(DIGEST_ALGORITHMS)
}

_MAX_ECHOED_BYTES = 4096
"""Servers refuse much longer fields, and this bounds the memory for each server."""


@attrs.frozen(kw_only=True)
class DigestChallenge:
    """A Digest challenge that the gate supports (RFC 7616 3.3).

    Attributes:
        realm: The realm, unquoted.
        nonce: The server's nonce, unquoted.
        opaque: A value to send back unchanged, or None.
        algorithm: The algorithm's name in the server's spelling; None if it sent none.
        qop: Whether the server supports ``auth``; a server of RFC 2069 does not.
        utf8: Whether the server announces UTF-8, and so supports RFC 7616.
        userhash: Whether the user name must be hashed.
        stale: Whether only the nonce of the previous request was wrong.
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
        """The algorithm's lower-cased name without ``-sess``; MD5 by default."""
        name = b"md5" if self.algorithm is None else self.algorithm
        return name.lower().removesuffix(b"-sess")

    @property
    def of_session(self) -> bool:
        """Whether the first client nonce is part of the session's key (3.4.2)."""
        return self.algorithm is not None and self.algorithm.lower().endswith(b"-sess")

    @property
    def fits(self) -> bool:
        """Whether realm, nonce and opaque are short enough to send with each request."""
        echoed = len(self.realm) + len(self.nonce) + len(self.opaque or b"")
        return echoed <= _MAX_ECHOED_BYTES

    def hashed(self, data: bytes) -> bytes:
        """Return the algorithm's hash in lower-case hexadecimal, H() of RFC 7616 3.3.

        Args:
            data: Any bytes.
        """
        return _HASHES[self.hash_name](data)


def read_digest_challenge(challenge: Challenge) -> DigestChallenge | None:
    """Return a Digest challenge, or None if it is not one that the gate supports.

    Unsupported are an unknown algorithm, a qop other than ``auth``, and a realm, nonce and opaque
    that are too long to send back. So is a -sess algorithm without qop: RFC 2069 has no client
    nonce for its key.

    Args:
        challenge: One challenge of WWW-Authenticate.
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
    """Return the strongest supported Digest challenge of a response.

    Args:
        headers: The response's fields.
        min_algorithm: The weakest of `DIGEST_ALGORITHMS` to accept; a ``-sess`` variant counts
            as its base.
        require_qop: Whether to reject a challenge without ``qop="auth"``.

    Returns:
        The first challenge with the strongest hash; with equal hashes one with qop is preferred.
        None if there is no supported challenge.

    Raises:
        WeakChallenge: There are supported challenges, but all are too weak.
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
            f"it offers only digest with {' or '.join(found)}, but the credentials need {wanted}"
        )
    return max(strong, key=lambda o: (_STRENGTHS[o.hash_name], o.qop), default=None)
