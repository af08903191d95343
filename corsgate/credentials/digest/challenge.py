"""Read Digest challenges, and choose the strongest (RFC 7616 3.3, 3.7)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

import attrs

from corsgate.config.model.values import DIGEST_ALGORITHMS
from corsgate.credentials.auth_fields import Challenge, challenges_of
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

_SPELLINGS = {name.replace(b"-", b""): name for name in _STRENGTHS}
"""The algorithms' names by their letters and digits only, because some servers write SHA256."""
_NOT_ALPHANUMERIC = re.compile(rb"[^a-z0-9]")
_QOPS = {None: 0, b"auth-int": 1, b"auth": 2}
"""The protections by preference; the one that works with most servers has the highest number."""
_TRUE = frozenset((b"true", b"1", b"yes"))

_MAX_ECHOED_BYTES = 4096
"""Servers reject much longer fields, and this limits the memory for each server."""


@attrs.frozen(kw_only=True)
class DigestChallenge:
    """A Digest challenge that the gate supports (RFC 7616 3.3).

    Attributes:
        realm: The realm, unquoted; empty if there is none.
        nonce: The server's nonce, unquoted.
        opaque: A value to send back unchanged, or None.
        algorithm: The algorithm's name in the server's spelling; None if it sent none.
        qop: The protection to use: ``auth``, or ``auth-int`` to cover the body; None for a server
            that implements only RFC 2069.
        userhash: Whether to hash the user name.
        stale: Whether only the nonce of the rejected request was wrong.
    """

    realm: bytes
    nonce: bytes = attrs.field(repr=False)
    opaque: bytes | None = attrs.field(repr=False)
    algorithm: bytes | None
    qop: bytes | None
    userhash: bool
    stale: bool = attrs.field(eq=False)

    @property
    def covers_body(self) -> bool:
        """Whether the answer covers the body, which must then be known (3.4.3)."""
        return self.qop == b"auth-int"

    @property
    def hash_name(self) -> bytes:
        """The algorithm's lower-cased registered name without ``-sess``; MD5 by default.

        An unregistered name is returned in lower case.
        """
        name = (self.algorithm or b"md5").lower()
        letters = _NOT_ALPHANUMERIC.sub(b"", name).removesuffix(b"sess")
        return _SPELLINGS.get(letters, name)

    @property
    def of_session(self) -> bool:
        """Whether the first client nonce is part of the session's key (3.4.2)."""
        return self.algorithm is not None and self.algorithm.lower().endswith(b"sess")

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

    These are not supported: an unknown algorithm; a realm, nonce and opaque that are too long to
    send back; and a -sess algorithm without qop, because RFC 2069 has no client nonce for its key.
    Of ``auth`` and ``auth-int``, ``auth`` is preferred, because few servers implement the other
    correctly. Unknown values of qop are ignored (3.3), and so is an empty algorithm. curl does the
    same.

    Args:
        challenge: One challenge of WWW-Authenticate.
    """
    given = challenge.parameters
    if challenge.scheme != b"digest" or b"nonce" not in given:
        return None
    protections = given.get(b"qop", b"").lower().replace(b",", b" ").split()
    offer = DigestChallenge(
        realm=given.get(b"realm", b""),
        nonce=given[b"nonce"],
        opaque=given.get(b"opaque"),
        algorithm=given.get(b"algorithm") or None,
        qop=next((each for each in (b"auth", b"auth-int") if each in protections), None),
        userhash=is_true(given.get(b"userhash")),
        stale=is_true(given.get(b"stale")),
    )
    if offer.hash_name not in _HASHES or (offer.of_session and offer.qop is None):
        return None
    return offer if offer.fits else None


def is_true(value: bytes | None) -> bool:
    """Return whether a flag is set, in any of the spellings that servers use."""
    return value is not None and value.strip(b" \t'\"").lower() in _TRUE


def strongest_challenge(
    headers: HeaderList,
    min_algorithm: str = DIGEST_ALGORITHMS[0],
    *,
    require_qop: bool = False,
) -> DigestChallenge | None:
    """Return the strongest supported Digest challenge of a response.

    Args:
        headers: The response's fields.
        min_algorithm: The weakest of `DIGEST_ALGORITHMS` to accept; a ``-sess`` variant is treated
            like its base algorithm.
        require_qop: Whether to reject a challenge without qop.

    Returns:
        The first challenge with the strongest hash; among equal hashes, one with qop if possible.
        None if there is no supported challenge.

    Raises:
        WeakChallenge: There are supported challenges, but all are too weak.
    """
    offers = [offer for each in challenges_of(headers) if (offer := read_digest_challenge(each))]
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
    return max(strong, key=lambda o: (_STRENGTHS[o.hash_name], _QOPS[o.qop]), default=None)
