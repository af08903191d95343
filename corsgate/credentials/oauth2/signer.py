"""Sign requests with access tokens from a token server (OAuth 2.0, RFC 6749 and RFC 6750)."""

from __future__ import annotations

import attrs
from zope.interface import implementer

from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.credentials.attempt import BaseAttempt, with_fields
from corsgate.credentials.back_off import BackOff
from corsgate.credentials.logins import LoginFailure
from corsgate.credentials.means import Means
from corsgate.credentials.oauth2.tokens import Token, TokenSource
from corsgate.credentials.servers import remember
from corsgate.interfaces import IAttempt, ICredentials, ILogin
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed

MIN_PAUSE_S = 5.0
"""For how many seconds no token is fetched for a server that rejected a new one."""


@implementer(ICredentials, ILogin)
@attrs.frozen(kw_only=True, eq=False)
class OAuth2Signer:
    """Adds the current access token, and renews it once if the API rejects it.

    Attributes:
        header_names: Authorization.
        fixed: None, since tokens change.
        may_be_challenged: True, since a rejected request is resent with another token.
    """

    header_names: frozenset[bytes] = attrs.field(default=frozenset((b"authorization",)), init=False)
    fixed: None = attrs.field(default=None, init=False)
    may_be_challenged: bool = attrs.field(default=True, init=False)
    _source: TokenSource = attrs.field(repr=False)
    _means: Means = attrs.field(repr=False)
    # How often each server has rejected a new token since it last accepted a token.
    _rejections: dict[str, BackOff] = attrs.field(factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, credentials: OAuth2Credentials, means: Means) -> OAuth2Signer:
        """Return a signer; those of equal credentials share their token.

        Args:
            credentials: The credentials.
            means: Time, randomness and I/O.
        """
        source = means.shared.of(credentials, lambda: TokenSource(credentials, means))
        return cls(source=source, means=means)

    @property
    def login_failure(self) -> LoginFailure | None:
        """Why there is no new token; None if the last attempt to get one succeeded."""
        return self._source.failure

    def begin(self, server: str) -> _Attempt:
        """Return an attempt.

        Args:
            server: The server's origin; every server gets the same token.
        """
        return _Attempt(self, server)

    async def _token(self, server: str, refused: Token | None) -> tuple[Token, bool]:
        """Return a token, and whether a 401 can't mean that the token has expired.

        That is so if the token was fetched for this request or a concurrent one, or if the server
        has just rejected a new token.
        """
        before, rejections = self._source.current, self._rejections.get(server)
        token = await self._source.token(refused)
        was_rejected = rejections is not None and rejections.left_s(self._means.seconds()) > 0
        return token, token is not before or refused is not None or was_rejected

    def _accepted(self, server: str) -> None:
        """Forget a server's rejections, except one in the last seconds.

        One path may always respond with 401 and another with 200. Each pair must not cost a token.
        """
        known = self._rejections.get(server)
        if known is None:
            return
        now = self._means.seconds()
        known.failures, known.until_s = 1, min(known.until_s, now + MIN_PAUSE_S)
        if not known.left_s(now):
            del self._rejections[server]

    def _rejected(self, server: str, token: Token, *, is_fresh: bool) -> bool:
        """Record a 401; return whether another token may help.

        If a server also rejects new tokens, the gate must not fetch one for each request.
        """
        now = self._means.seconds()
        known = self._rejections.get(server)
        if is_fresh:
            if known is None:
                made = BackOff(first_s=MIN_PAUSE_S, most_s=300.0)
                known = remember(self._rejections, server, made)
            # Count one failure, since many requests may have used the same token.
            known.failed_together(now)
            return False
        if known is not None and known.left_s(now):
            # Another request has learned meanwhile that new tokens don't help.
            return False
        self._source.doubt(token)
        return True


@implementer(IAttempt)
class _Attempt(BaseAttempt):
    """One request to one server.

    Args:
        signer: The signer that made this attempt.
        server: The server's origin.
    """

    __slots__ = ("_is_fresh", "_refused", "_server", "_signer", "_token")

    def __init__(self, signer: OAuth2Signer, server: str) -> None:
        self._signer = signer
        self._server = server
        self._token: Token | None = None
        self._refused: Token | None = None
        self._is_fresh = False

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Return the head with a token; this may wait for the token.

        Args:
            head: The head to send.
            body: Its body, which is not used.

        Raises:
            LoginFailed: There is no token.
        """
        found = await self._signer._token(self._server, self._refused)
        self._token, self._is_fresh = found
        value = b"Bearer " + self._token.value.encode("ascii")
        signed = with_fields(head, ((b"Authorization", value),))
        return Signed(head=signed, is_fresh=self._is_fresh)

    def responded(self, signed: Signed, response: ResponseHead) -> bool:
        """Return whether the API may have rejected the token as expired or revoked.

        Args:
            signed: The request that was sent.
            response: The response.
        """
        token = self._token
        if token is None:
            return False
        if response.status != 401:
            self._signer._accepted(self._server)
            return False
        if not self._signer._rejected(self._server, token, is_fresh=self._is_fresh):
            return False
        self._refused = token
        return True
