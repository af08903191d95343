"""Keep the session of a server: log in when it is needed, and pause when logins don't help."""

from __future__ import annotations

from functools import partial
from math import ceil

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from corsgate.credentials.back_off import BackOff
from corsgate.credentials.logins import LoginFailure
from corsgate.credentials.means import Means
from corsgate.credentials.refusal import REFUSED
from corsgate.credentials.session.login import Login, LoginRejected, Session
from corsgate.credentials.single_flight import SingleFlight
from corsgate.errors import (
    ConnectFailed,
    CredentialsRejected,
    UpstreamBusy,
    UpstreamError,
)
from corsgate.message.head import ResponseHead

FREE_FAILURES = 3
"""How many logins in a row may fail, other than by a rejection, before there is a pause."""

SLOW_S = 1.0
"""A failure that took longer immediately causes a pause of the same length."""

_log = Logger()


class SessionKeeper:
    """Keeps the session of one server, or the one that all servers share.

    One request logs in, and the others wait for it. A session is dropped when a response shows that
    it has expired. A new session may not help, such as for a user without the right to a resource.
    Then refusals cause no login for a time that doubles from 5 s to 5 min.

    Args:
        login: Logs in.
        means: Time, randomness and I/O.

    Attributes:
        login: As above.
        means: As above.
        current: The current session; None before a login.
        names: The names of the gate's cookies, the latest last; kept when a session ends.
        failure: Why there is no working session; None if there is one.
        csrf_pause: Counts CSRF tokens that did not help.
    """

    def __init__(self, login: Login, means: Means) -> None:
        self.login = login
        self.means = means
        self.current: Session | None = None
        self.names: dict[bytes, None] = {}
        self.failure: LoginFailure | None = None
        self.csrf_pause = BackOff(first_s=5.0, most_s=300.0)
        # Logins that failed without a rejection; the guard counts rejections.
        self._down = BackOff(first_s=1.0, most_s=60.0, free=FREE_FAILURES)
        # Logins after which the server still refused a request.
        self._useless = BackOff(first_s=5.0, most_s=300.0)
        self._logins: SingleFlight[Session] = SingleFlight()
        self._fetches: SingleFlight[ResponseHead] = SingleFlight()

    async def session(self, server: str) -> Session:
        """Return the current session, or log in.

        Args:
            server: The origin of the server for which it is needed.

        Raises:
            UpstreamError: The login failed, or is not tried now.
        """
        session = self.current
        if session is not None and not self._is_over(session):
            return session
        return await self._logins.join(partial(self._log_in, server))

    def fetch_csrf(self, server: str, session: Session) -> Deferred[ResponseHead]:
        """Fetch a CSRF token for a session, once for all that wait.

        Args:
            server: The origin of the server where it is needed.
            session: The session.
        """
        return self._fetches.join(partial(self.login.fetch_csrf, server, session, self.names))

    def give_up(self, session: Session) -> bool:
        """Drop a session that the server refused; return whether to sign again.

        Args:
            session: The session that signed the request.
        """
        if self.current is session:
            if not self.login.is_any or self.pause_s:
                return False
            self.current = None
        # Otherwise there is a newer session, or a login that will make one.
        return True

    def useless(self, server: str, status: int) -> None:
        """Record that a server refused a request with a new session.

        Args:
            server: The server's origin.
            status: The status of its response.
        """
        counts = self._useless.failed_together(self.means.seconds())
        if not counts or not self.login.is_any or status in REFUSED:
            return  # A 401 or 403 is logged and shown elsewhere.
        words = (
            f"{server}: it responded {status} to a request with a new session: the user name or the"
            " password may be wrong, or the user may lack the right to that resource"
        )
        self._note(words)
        _log.warn(
            "{words}; the next login follows in {pause} s", words=words, pause=ceil(self.pause_s)
        )

    def worked(self, *, after_refusal: bool) -> None:
        """Record that a server served a request with the session.

        Args:
            after_refusal: Whether it had refused the request with the session before. Otherwise the
                resource may be public, so this proves little.
        """
        if after_refusal:
            self._useless.succeeded()
        if self.failure is not None and not self.pause_s:
            self.failure = None

    @property
    def pause_s(self) -> float:
        """For how many seconds refusals cause no login, because the last one did not help."""
        return self._useless.left_s(self.means.seconds())

    async def log_out(self) -> None:
        """Stop logging in, and log out of the session; failures are logged."""
        self._logins.cancel()
        session, self.current = self.current, None
        if session is not None and self.login.credentials.logout_url:
            await self.login.log_out(session)

    def _is_over(self, session: Session) -> bool:
        """Return whether a session is certainly over: it is too old, or all its cookies expired."""
        lifetime_s = self.login.credentials.lifetime_s
        if lifetime_s is not None and self.means.seconds() - session.made_s >= lifetime_s:
            return True
        return session.needs_cookies and session.jar.is_empty(self.means.wall_clock())

    async def _log_in(self, server: str) -> Session:
        began_s = self.means.seconds()
        pause_s = self._down.left_s(began_s)
        if pause_s and self.failure is not None:
            raise self.failure.paused(pause_s)
        try:
            self.current = await self.login.log_in(server, self.names)
        except UpstreamError as error:
            if not isinstance(error, CredentialsRejected | UpstreamBusy):
                self._note(str(error))
                if not isinstance(error, ConnectFailed | LoginRejected):
                    # Don't let each client wait for as long again if a login hangs.
                    now_s = self.means.seconds()
                    took_s = now_s - began_s
                    self._down.failed(now_s, took_s if took_s >= SLOW_S else 0.0)
            raise
        self._down.succeeded()
        self.failure = None
        return self.current

    def _note(self, words: str) -> None:
        self.failure = LoginFailure.after(self.failure, self.means.wall_clock(), words)
