"""Compute the answer to a Digest challenge: the value of Authorization (RFC 7616 3.4)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable

import attrs

from corsgate.credentials.auth_fields import quoted
from corsgate.credentials.digest.challenge import DigestChallenge

_CNONCE_BYTES = 24
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@attrs.frozen(kw_only=True, eq=False)
class Session:
    """The values that all requests signed with one nonce share.

    Attributes:
        offer: The challenge; after a nextnonce, with that nonce.
        constant: The part of Authorization that doesn't depend on the request.
        key: The hash of A1 (RFC 7616 3.4.2), which must be kept as secret as the password.
        cnonce: The client nonce in `key` for a -sess algorithm, or None.
    """

    offer: DigestChallenge
    constant: bytes = attrs.field(repr=False)
    key: bytes = attrs.field(repr=False)
    cnonce: bytes | None = attrs.field(repr=False)


@attrs.frozen(kw_only=True, eq=False)
class Login:
    """A user who answers challenges.

    Attributes:
        username: The user's name, in UTF-8.
        password: The password, in UTF-8.
        rng: Returns the requested number of unpredictable bytes.
    """

    username: bytes = attrs.field(repr=False)
    password: bytes = attrs.field(repr=False)
    rng: Callable[[int], bytes] = attrs.field(repr=False)

    def session(self, offer: DigestChallenge) -> Session:
        """Return a new session for a challenge.

        Args:
            offer: The challenge.
        """
        key = offer.hashed(b":".join((self.username, offer.realm, self.password)))
        cnonce = None
        if offer.of_session:
            cnonce = self._make_cnonce()
            key = offer.hashed(b":".join((key, offer.nonce, cnonce)))
        return Session(offer=offer, constant=self._constant(offer), key=key, cnonce=cnonce)

    def next_session(self, session: Session, nonce: bytes) -> Session | None:
        """Return a session for the nonce of a server's nextnonce (RFC 7616 3.5).

        The key stays the same: a -sess key is made only once, from the challenge (3.4.2).

        Args:
            session: The current session.
            nonce: The next nonce.

        Returns:
            The session, or None if the nonce is too long.
        """
        offer = attrs.evolve(session.offer, nonce=nonce)
        return (
            attrs.evolve(session, offer=offer, constant=self._constant(offer))
            if offer.fits
            else None
        )

    def answer(
        self, session: Session, count: int, method: bytes, target: bytes, body: bytes
    ) -> bytes:
        """Return the value of Authorization for one request (RFC 7616 3.4.1).

        The target is hashed as sent, because a server hashes the target that it received.

        Args:
            session: The session to sign with.
            count: How many requests have been signed with its nonce, including this one; at most
                0xffffffff.
            method: The request's method.
            target: The request's target.
            body: The request's body, which is used only for ``auth-int``.
        """
        offer = session.offer
        a2 = method + b":" + target
        if offer.covers_body:
            a2 += b":" + offer.hashed(body)
        request = offer.hashed(a2)
        if offer.qop is None:
            response = offer.hashed(b":".join((session.key, offer.nonce, request)))
            return b'%b, uri=%b, response="%b"' % (session.constant, quoted(target), response)
        # Use a new cnonce for each request, except for -sess, whose key contains the first one.
        cnonce, nc = session.cnonce or self._make_cnonce(), b"%08x" % count
        response = offer.hashed(
            b":".join((session.key, offer.nonce, nc, cnonce, offer.qop, request))
        )
        return b'%b, uri=%b, nc=%b, cnonce="%b", response="%b"' % (
            session.constant,
            quoted(target),
            nc,
            cnonce,
            response,
        )

    def _make_cnonce(self) -> bytes:
        """Return a new client nonce, which needs no escaping."""
        return b64encode(self.rng(_CNONCE_BYTES))

    def _constant(self, offer: DigestChallenge) -> bytes:
        """Return the part of Authorization that doesn't depend on the request (RFC 7616 3.4).

        The RFC prescribes which values are quoted, and old servers reject the other form. Like curl
        and browsers, this sends the name in UTF-8 and never as ``username*``. Servers that announce
        ``charset`` also read that, and many of them don't support ``username*``.
        """
        name = self.username
        if offer.userhash:
            name = offer.hashed(self.username + b":" + offer.realm)
        fields = [
            b"username=" + quoted(name),
            b"realm=" + quoted(offer.realm),
            b"nonce=" + quoted(offer.nonce),
        ]
        if offer.algorithm is not None:
            is_token = _TOKEN.fullmatch(offer.algorithm)
            fields.append(
                b"algorithm=" + (offer.algorithm if is_token else quoted(offer.algorithm))
            )
        if offer.opaque is not None:
            fields.append(b"opaque=" + quoted(offer.opaque))
        if offer.userhash:
            fields.append(b"userhash=true")
        if offer.qop is not None:
            fields.append(b"qop=" + offer.qop)
        return b"Digest " + b", ".join(fields)
