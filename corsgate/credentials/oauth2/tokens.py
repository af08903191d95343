"""The access token of OAuth2 credentials: fetched once for all waiting requests, renewed early."""

from __future__ import annotations

import re
from math import ceil

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.rules import show
from corsgate.credentials.back_off import BackOff
from corsgate.credentials.logins import LoginFailure
from corsgate.credentials.means import Means
from corsgate.credentials.oauth2.client_assertion import client_assertion
from corsgate.credentials.oauth2.refresh_token import RefreshToken, refresh_token_key
from corsgate.credentials.oauth2.request import secrets_in, token_request, token_server
from corsgate.credentials.oauth2.response import Grant, read_grant
from corsgate.credentials.single_flight import SingleFlight
from corsgate.errors import LoginFailed, NoToken, TokenRefused, UpstreamError

MAX_RENEWAL_S = 300.0
MAX_SKEW_S = 10.0
"""A token is renewed in the background in the last fifth of its life, which is limited to its last
five minutes. In the last tenth, limited to ten seconds, it is used only if no other can be fetched.
"""

# Advice to set a key of upstreams that these credentials don't have.
_UPSTREAM_KEY = re.compile(r"(?:, or its key in|: set) tls\.[a-z_]+(?: = \"[^\"]*\")?")

_log = Logger()


@attrs.frozen(kw_only=True, eq=False)
class Token:
    """An access token.

    Attributes:
        value: The token.
        renew_at_s: When to start to fetch another one in the background.
        use_until_s: Until when it is used if another one can be fetched.
        ends_s: When it expires. All times are in seconds of the reactor's clock.
    """

    value: str = attrs.field(repr=False)
    renew_at_s: float
    use_until_s: float
    ends_s: float

    @classmethod
    def of(cls, grant: Grant, asked_s: float) -> Token:
        """Return the token of a grant.

        Args:
            grant: The token server's response.
            asked_s: When the request was sent; the token's life did not start earlier.
        """
        never = float("inf")
        life_s = never if grant.lifetime_s is None else grant.lifetime_s
        if life_s == never:
            return cls(value=grant.access_token, renew_at_s=never, use_until_s=never, ends_s=never)
        return cls(
            value=grant.access_token,
            renew_at_s=asked_s + life_s - min(life_s / 5, MAX_RENEWAL_S),
            use_until_s=asked_s + life_s - min(life_s / 10, MAX_SKEW_S),
            ends_s=asked_s + life_s,
        )


class TokenSource:
    """Gets the access token of credentials, and keeps it.

    Args:
        credentials: The credentials.
        means: Time, randomness and I/O.

    Attributes:
        current: The token, which may have expired; None if there was none yet.
        failure: Why the last attempt to get one failed; None if it succeeded.
    """

    def __init__(self, credentials: OAuth2Credentials, means: Means) -> None:
        self.current: Token | None = None
        self.failure: LoginFailure | None = None
        self._credentials = credentials
        self._means = means
        self._server = token_server(credentials)
        self._doubted: Token | None = None
        self._fetching: SingleFlight[Token] = SingleFlight()
        # Only the first rejection causes no pause: token servers lock out clients that guess.
        self._rejected = BackOff(first_s=5.0, most_s=300.0, free=1)
        self._down = BackOff(first_s=1.0, most_s=60.0)
        self._refresh: RefreshToken | None = None
        first = credentials.refresh_token
        if first is not None:
            self._refresh = means.shared.of(
                refresh_token_key(credentials),
                lambda: RefreshToken(first, credentials.token_file, means.in_thread),
            )

    async def token(self, refused: Token | None = None) -> Token:
        """Return a usable token; fetch one if necessary.

        Args:
            refused: A token that the API rejected, so that another one is needed; or None.

        Raises:
            LoginFailed: No token can be fetched.
        """
        now, current = self._means.seconds(), self.current
        if current is not None and current not in (refused, self._doubted):
            if now < current.renew_at_s:
                return current
            # While the token server is down, no request waits as long as the token is valid.
            if now < (current.use_until_s if self.failure is None else current.ends_s):
                if not self._fetching.is_running and not self._pause_s(now):
                    # A LoginFailed has been logged, and the current token is used.
                    self._fetching.join(self._renew).addErrback(Failure.trap, LoginFailed)
                return current
        try:
            pause_s = self._pause_s(now)
            if pause_s and self.failure is not None:
                raise self.failure.paused(pause_s)
            return await self._fetching.join(self._renew)
        except LoginFailed:
            # An old token is better than none, unless it is the refused one.
            current = self.current
            if current is None or current is refused or current.ends_s <= self._means.seconds():
                raise
            return current

    def doubt(self, token: Token) -> None:
        """Record that the API rejected a token, which is then renewed before the next use.

        Args:
            token: The token that was sent.
        """
        if token is self.current:
            self._doubted = token

    def _pause_s(self, now: float) -> float:
        """Return for how many seconds no request to the token server is sent."""
        return max(self._rejected.left_s(now), self._down.left_s(now))

    async def _renew(self) -> Token:
        """Fetch a token, and record the result.

        Raises:
            LoginFailed: There is no token.
        """
        ended: Deferred[None] = Deferred()
        if self._refresh is not None:
            # A replaced refresh token must be stored, or there is none after a restart.
            self._means.shared.await_at_end(ended)
        try:
            token = await self._fetch()
        except Exception as error:
            raise self._failed(error) from None
        finally:
            ended.callback(None)
        if self.failure is not None:
            _log.info("token server {server} gives tokens again", server=self._server.server.origin)
        self.current, self._doubted, self.failure = token, None, None
        self._rejected.succeeded()
        self._down.succeeded()
        return token

    def _failed(self, error: Exception) -> LoginFailed:
        """Pause requests to the token server, and return the error for waiting requests."""
        now = self._means.seconds()
        if not isinstance(error, UpstreamError | CancelledError):
            _log.failure("a token could not be fetched")
        reason = str(error) if isinstance(error, UpstreamError) else "the gate could not ask it"
        client, reason = show(self._credentials.client_id), self._named(reason)
        words = f"no token for client {client}: {reason}"
        if isinstance(error, TokenRefused):
            pause_s = self._rejected.failed(now)
        else:
            asked_s = error.retry_after_s if isinstance(error, NoToken) else 0.0
            pause_s = self._down.failed(now, asked_s)
        self.failure = LoginFailure.after(self.failure, self._means.wall_clock(), words)
        current = self.current
        valid = current is not None and current is not self._doubted and current.ends_s > now
        _log.warn(
            "no token for client {client}: {reason}; next attempt {next}{valid}",
            client=client,
            reason=reason,
            next=f"in {ceil(pause_s)} s" if pause_s else "with the next request",
            valid="; the old token is still valid" if valid else "",
        )
        return LoginFailed(words, pause_s)

    def _named(self, reason: str) -> str:
        """Return a reason in terms of these credentials' keys, after the token server's origin."""
        origin = self._server.server.origin
        reason = _UPSTREAM_KEY.sub("", reason).replace("in servers", "in token_url")
        return reason if reason.startswith(origin) else f"{origin}: {reason}"

    async def _fetch(self) -> Token:
        """Return a new token from the token server.

        Raises:
            UpstreamError: The token server gave no token.
        """
        if self._refresh is None:
            grant, asked_s = await self._ask(None)
            return Token.of(grant, asked_s)
        await self._refresh.lock.acquire()
        try:
            newest = await self._refresh.newest()
            grant, asked_s = await self._ask(newest.reveal())
            if grant.refresh_token is not None:
                await self._refresh.replace(grant.refresh_token)
        finally:
            self._refresh.lock.release()
        return Token.of(grant, asked_s)

    async def _ask(self, refresh_token: str | None) -> tuple[Grant, float]:
        """Return the token server's grant, and when the request was sent."""
        credentials, means = self._credentials, self._means
        assertion = ""
        if credentials.auth_method == "private_key_jwt":
            assertion = client_assertion(credentials, means.wall_clock(), means.rng(16))
        head, body = token_request(credentials, refresh_token=refresh_token, assertion=assertion)
        asked_s = means.seconds()
        response, content = await means.fetch(self._server, head, body)
        secrets = tuple(secrets_in(head, body))
        return read_grant(response, content, secrets, credentials.auth_method), asked_s
