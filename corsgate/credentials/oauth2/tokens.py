"""The access token of OAuth2 credentials: fetched once for all who wait, and renewed in time."""

from __future__ import annotations

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
from corsgate.errors import LoginFailed, NoToken, TokenRefused, UpstreamError

MAX_RENEWAL_S = 300.0
MAX_SKEW_S = 10.0
"""A token is renewed in the background in the last fifth of its life, but in the last five minutes
at most; in its last tenth, but the last ten seconds at most, only if there is no other."""

_log = Logger()


@attrs.frozen(kw_only=True, eq=False)
class Token:
    """An access token.

    Attributes:
        value: The token.
        renew_at_s: From when another one is fetched in the background.
        use_until_s: Until when it is used while another one can be had.
        ends_s: When it ends. All are in seconds of the reactor's clock.
    """

    value: str = attrs.field(repr=False)
    renew_at_s: float
    use_until_s: float
    ends_s: float

    @classmethod
    def of(cls, grant: Grant, asked_s: float) -> Token:
        """Return the token of a grant.

        Args:
            grant: What the token server gave.
            asked_s: When it was asked; the token's life began no earlier.
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
        means: Time, chance and I/O.

    Attributes:
        current: The token, which may have ended; None if there was none.
        failure: Why the last attempt to get one failed; None if it succeeded.
    """

    def __init__(self, credentials: OAuth2Credentials, means: Means) -> None:
        self.current: Token | None = None
        self.failure: LoginFailure | None = None
        self._credentials = credentials
        self._means = means
        self._server = token_server(credentials)
        self._doubted: Token | None = None
        self._is_fetching = False
        self._waiting: list[Deferred[Token]] = []
        # Two rejections are free, since token servers lock clients that guess.
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
        """Return a token that can be used now, and fetch one if need be.

        Args:
            refused: A token that the API did not accept, so that another one is needed; or None.

        Raises:
            LoginFailed: There is none.
        """
        now, current = self._means.seconds(), self.current
        if current is not None and current not in (refused, self._doubted):
            if now < current.renew_at_s:
                return current
            if now < current.use_until_s:
                if not self._pause_s(now):
                    self._begin()
                return current
        try:
            return await self._next(now)
        except LoginFailed:
            # Better an old token than none, unless it is the one that was refused.
            current = self.current
            if current is None or current is refused or current.ends_s <= self._means.seconds():
                raise
            return current

    def doubt(self, token: Token) -> None:
        """Record that the API did not accept a token; it is renewed before the next use.

        Args:
            token: The token that was sent.
        """
        if token is self.current:
            self._doubted = token

    def _pause_s(self, now: float) -> float:
        """Return for how long the token server is left alone."""
        return max(self._rejected.left_s(now), self._down.left_s(now))

    def _next(self, now: float) -> Deferred[Token]:
        """Return a Deferred of the token that is being fetched, or will be."""
        waiting: Deferred[Token] = Deferred(self._left)
        pause_s = self._pause_s(now)
        if not self._is_fetching and pause_s and self.failure is not None:
            waiting.errback(LoginFailed(f"{self.failure.words} (next attempt in {pause_s:.0f} s)"))
            return waiting
        self._waiting.append(waiting)
        self._begin()
        return waiting

    def _begin(self) -> None:
        """Fetch a token, unless one is being fetched."""
        if self._is_fetching:
            return
        # Set first, since the result may come at once.
        self._is_fetching = True
        fetched = Deferred.fromCoroutine(self._fetch())
        if self._refresh is not None:
            # What the token server has replaced must be kept, or a restart has no refresh token.
            self._means.shared.await_at_end(fetched)
        fetched.addCallbacks(self._succeeded, self._failed)
        fetched.addErrback(lambda failure: _log.failure("a token was lost", failure))

    def _succeeded(self, token: Token) -> None:
        """Give a new token to all who wait."""
        if self.failure is not None:
            _log.info("token server {server} gives tokens again", server=self._server.server.origin)
        self.current, self._doubted, self.failure = token, None, None
        self._rejected.succeeded()
        self._down.succeeded()
        for each in self._ended():
            # One that gets it may take others with it, such as those of its connection.
            if not each.called:
                each.callback(token)

    def _failed(self, failure: Failure) -> None:
        """Fail all who wait, and leave the token server alone for a while."""
        error, now = failure.value, self._means.seconds()
        if not isinstance(error, UpstreamError | CancelledError):
            _log.failure("a token could not be fetched", failure)
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
            next=f"in {pause_s:.0f} s" if pause_s else "with the next request",
            valid="; the old token is still valid" if valid else "",
        )
        for each in self._ended():
            if not each.called:
                each.errback(LoginFailed(words))

    def _ended(self) -> list[Deferred[Token]]:
        """Return those who waited for the attempt that has ended."""
        self._is_fetching = False
        waiting, self._waiting = self._waiting, []
        return waiting

    def _named(self, reason: str) -> str:
        """Return a reason with the origin of the token server before it, once."""
        origin = self._server.server.origin
        return reason if reason.startswith(origin) else f"{origin}: {reason}"

    def _left(self, waiting: Deferred[Token]) -> None:
        """Forget one who no longer waits; the others still do."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    async def _fetch(self) -> Token:
        """Return a new token from the token server.

        Raises:
            UpstreamError: There is none.
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
        """Return what the token server gives, and when it was asked."""
        credentials, means = self._credentials, self._means
        assertion = ""
        if credentials.auth_method == "private_key_jwt":
            assertion = client_assertion(credentials, means.wall_clock(), means.rng(16))
        head, body = token_request(credentials, refresh_token=refresh_token, assertion=assertion)
        asked_s = means.seconds()
        response, content = await means.fetch(self._server, head, body)
        return read_grant(response, content, secrets_in(head, body)), asked_s
