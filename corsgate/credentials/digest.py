"""Sign requests with Digest authentication (RFC 7616).

The nonce of a 401 is kept. Later requests to that server are signed with it before they are sent,
with a rising count. `DigestSigner` decides when the nonce is no longer valid.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import quote

import attrs
from zope.interface import implementer

from corsgate.config.model.values import DigestCredentials
from corsgate.credentials.auth_fields import parse_challenges, parse_parameters, quoted
from corsgate.credentials.digest_challenge import DigestChallenge, strongest_challenge
from corsgate.credentials.static import utf8
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed

_Rng: TypeAlias = Callable[[int], bytes]

_MAX_COUNT = 0xFFFFFFFF
_CNONCE_BYTES = 24

MAX_SERVERS = 1000
"""The number of servers whose challenges are kept; discovery may keep adding new ones."""


@attrs.define(kw_only=True, eq=False)
class _Session:
    """The use of one nonce.

    Attributes:
        offer: The challenge that the session uses.
        constant: The part of Authorization that all requests share.
        key: The hash of A1 (RFC 7616 3.4.2), which is as secret as the password.
        cnonce: The client nonce in `key` for a -sess algorithm; otherwise None.
        count: How many requests were signed with the nonce.
        accepted: Whether the server has accepted the nonce with these credentials.
    """

    offer: DigestChallenge
    constant: bytes = attrs.field(repr=False)
    key: bytes = attrs.field(repr=False)
    cnonce: bytes | None = attrs.field(repr=False)
    count: int = 0
    accepted: bool = False


@attrs.define(kw_only=True, eq=False)
class _ServerState:
    """The state for one server.

    Attributes:
        session: The session that signs requests, or None before a challenge.
        refused_nonce: The last nonce that was refused when it was new, or None.
    """

    session: _Session | None = None
    refused_nonce: bytes | None = attrs.field(default=None, repr=False)


@implementer(ICredentials)
@attrs.define(kw_only=True, eq=False)
class DigestSigner:
    """Signs the requests of one upstream, with one session for each of its servers.

    Its memory is bounded: it keeps one challenge per server, whose size `read_digest_challenge`
    limits. Beyond `MAX_SERVERS` servers it forgets the oldest, at the cost of one more challenge.
    It keeps one realm per server: for a server with several, each change of realm costs a
    challenge.

    `challenged` sees one response at a time and can't count the attempts of one request. The
    caller does: three attempts suffice for a first challenge and a nonce that expires meanwhile.

    Attributes:
        header_names: Authorization.
        fixed: None.
        may_be_challenged: True.
    """

    header_names: frozenset[bytes] = attrs.field(default=frozenset((b"authorization",)), init=False)
    fixed: None = attrs.field(default=None, init=False)
    may_be_challenged: bool = attrs.field(default=True, init=False)
    _username: bytes = attrs.field(repr=False)
    _password: bytes = attrs.field(repr=False)
    _rng: _Rng = attrs.field(repr=False)
    _min_algorithm: str
    _require_qop: bool
    _servers: dict[str, _ServerState] = attrs.field(factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, credentials: DigestCredentials, rng: _Rng) -> DigestSigner:
        """Return a new signer.

        Args:
            credentials: The user name and password, and the weakest challenge to accept.
            rng: Returns the requested number of unpredictable bytes.
        """
        return cls(
            username=utf8(credentials.username),
            password=utf8(credentials.password.reveal()),
            rng=rng,
            min_algorithm=credentials.min_algorithm,
            require_qop=credentials.require_qop,
        )

    def begin(self, server: str) -> _Attempt:
        """Return an attempt at one server.

        Args:
            server: The server's origin.
        """
        return _Attempt(self, server)

    def authorize(self, head: RequestHead, server: str) -> RequestHead:
        """Return the signed head, or the same head if the server has sent no challenge yet.

        Args:
            head: The head to send, without any Authorization.
            server: The server's origin.
        """
        state = self._servers.get(server)
        if state is None or (session := state.session) is None:
            return head
        if session.count >= _MAX_COUNT:
            # The count has eight digits and must rise (3.4): only a new nonce can restart it.
            state.session = None
            return head
        session.count += 1
        value = self._sign(session, head.method, head.target)
        return RequestHead(
            method=head.method,
            target=head.target,
            headers=[*head.headers, (b"Authorization", value)],
        )

    def challenged(self, sent: RequestHead, response: ResponseHead, server: str) -> bool:
        """Record a response; return whether the request should be signed and sent again.

        The nonce of the request is read from `sent`, so that concurrent requests don't confuse
        each other's failures.

        Args:
            sent: The head that `authorize` returned.
            response: The response, with any status.
            server: The server's origin.

        Returns:
            True if there is a session with which this request has not been refused yet.

        Raises:
            WeakChallenge: All challenges of the server are too weak.
        """
        state = self._servers.get(server)
        if response.status != 401:
            if state is not None and state.session is not None:
                self._learn_from_success(state, state.session, sent, response)
            return False
        offer = strongest_challenge(
            response.headers, self._min_algorithm, require_qop=self._require_qop
        )
        if offer is None:
            return False
        if state is None:
            if len(self._servers) >= MAX_SERVERS:
                del self._servers[next(iter(self._servers))]
            state = self._servers[server] = _ServerState()
        nonce, count = _signed_with(sent)
        session = state.session
        if session is None:
            if nonce is not None and nonce == state.refused_nonce and not offer.stale:
                return False
        elif nonce != session.offer.nonce:
            # Another request got this nonce while this one was in flight. If each request in
            # flight took its own offer instead, they would keep replacing each other's session.
            return True
        elif not offer.stale and count <= 1 and not session.accepted:
            # A new nonce was refused, so the credentials are probably wrong. The next request
            # starts without a session, in case another node of the server issued the nonce.
            state.session, state.refused_nonce = None, nonce
            return False
        elif offer == session.offer:
            return False
        state.session = self._begin(offer)
        return True

    def _begin(self, offer: DigestChallenge) -> _Session:
        """Return a new session for the offer."""
        key = offer.hashed(b":".join((self._username, offer.realm, self._password)))
        cnonce = None
        if offer.of_session:
            cnonce = self._make_cnonce()
            key = offer.hashed(b":".join((key, offer.nonce, cnonce)))
        return _Session(offer=offer, constant=self._constant(offer), key=key, cnonce=cnonce)

    def _learn_from_success(
        self, state: _ServerState, session: _Session, sent: RequestHead, response: ResponseHead
    ) -> None:
        """Record that a nonce was accepted, and use the next one if the server sends it (3.5)."""
        infos = [
            value for name, value in response.headers if name.lower() == b"authentication-info"
        ]
        if session.accepted and not infos:
            return
        if _signed_with(sent)[0] != session.offer.nonce:
            return
        # A 5xx or 4xx may be sent before the credentials are checked.
        session.accepted = session.accepted or response.status < 400
        nonce = parse_parameters(infos[0]).get(b"nextnonce") if infos else None
        if not nonce or nonce == session.offer.nonce:
            return
        offer = attrs.evolve(session.offer, nonce=nonce)
        if offer.fits:
            # The key stays: a -sess key is made once, from the challenge (3.4.2).
            state.session = _Session(
                offer=offer,
                constant=self._constant(offer),
                key=session.key,
                cnonce=session.cnonce,
                accepted=True,
            )

    def _make_cnonce(self) -> bytes:
        """Return a new client nonce, whose characters need no escaping."""
        return b64encode(self._rng(_CNONCE_BYTES))

    def _constant(self, offer: DigestChallenge) -> bytes:
        """Return the part of Authorization that doesn't depend on the request (RFC 7616 3.4).

        The RFC prescribes which values are quoted, and old servers fail on the other form.
        """
        fields = [self._user(offer), b"realm=" + quoted(offer.realm)]
        fields.append(b"nonce=" + quoted(offer.nonce))
        if offer.algorithm is not None:
            fields.append(b"algorithm=" + offer.algorithm)
        if offer.opaque is not None:
            fields.append(b"opaque=" + quoted(offer.opaque))
        if offer.userhash:
            fields.append(b"userhash=true")
        if offer.qop:
            fields.append(b"qop=auth")
        return b"Digest " + b", ".join(fields)

    def _user(self, offer: DigestChallenge) -> bytes:
        """Return the parameter with the user name (RFC 7616 3.4, 3.4.4).

        ``username*`` is for servers that announce UTF-8. Older servers don't know it and refuse a
        request without ``username``; there they accept UTF-8 as plain bytes.
        """
        if offer.userhash:
            return b"username=" + quoted(offer.hashed(self._username + b":" + offer.realm))
        if offer.utf8 and not self._username.isascii():
            return b"username*=UTF-8''" + quote(self._username, safe="!#$&+-.^_`|~").encode()
        return b"username=" + quoted(self._username)

    def _sign(self, session: _Session, method: bytes, target: bytes) -> bytes:
        """Return the value of Authorization for one request (RFC 7616 3.4.1).

        The target is hashed as it goes on the wire: a server hashes what it received.
        """
        offer = session.offer
        request = offer.hashed(method + b":" + target)
        if not offer.qop:
            response = offer.hashed(b":".join((session.key, offer.nonce, request)))
            return b'%b, uri=%b, response="%b"' % (session.constant, quoted(target), response)
        # A new one for each request, except for -sess, whose key contains the first one.
        cnonce = session.cnonce or self._make_cnonce()
        count = b"%08x" % session.count
        response = offer.hashed(
            b":".join((session.key, offer.nonce, count, cnonce, b"auth", request))
        )
        return b'%b, uri=%b, nc=%b, cnonce="%b", response="%b"' % (
            session.constant,
            quoted(target),
            count,
            cnonce,
            response,
        )


@implementer(IAttempt)
class _Attempt:
    """One request: signed with the server's session, and again with a new one."""

    def __init__(self, signer: DigestSigner, server: str) -> None:
        self._signer = signer
        self._server = server

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Return the signed request, or the same head if the server has sent no challenge yet."""
        signed = self._signer.authorize(head, self._server)
        count = _signed_with(signed)[1]
        return Signed(
            head=signed,
            has_credentials=signed is not head,
            is_fresh=count == 1,
            awaits_continue=signed is head,
        )

    def responded(self, signed: Signed, response: ResponseHead) -> bool:
        """Record a response; return whether the request should be signed and sent again."""
        return self._signer.challenged(signed.head, response, self._server)

    def client_head(self, response: ResponseHead) -> ResponseHead:
        """Return the head as it is."""
        return response

    def end(self) -> None:
        """Do nothing: nobody waits."""


def _signed_with(sent: RequestHead) -> tuple[bytes | None, int]:
    """Return the nonce that a head was signed with, and its count; None and 0 without one.

    A nonce of RFC 2069 has no count. It counts as new until its session is accepted.
    """
    for name, value in sent.headers:
        if name.lower() == b"authorization":
            for credentials in parse_challenges((value,)):
                if credentials.scheme == b"digest":
                    given = credentials.parameters
                    return given.get(b"nonce"), int(given.get(b"nc", b"1"), 16)
    return None, 0
