"""Log in to the servers of an upstream, sign requests with their sessions, and log out."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from corsgate.config.model.session import SessionCredentials
from corsgate.credentials.logins import LoginFailure
from corsgate.credentials.means import Means
from corsgate.credentials.servers import remember
from corsgate.credentials.session.attempt import SessionAttempt
from corsgate.credentials.session.keeper import SessionKeeper
from corsgate.credentials.session.login import Login
from corsgate.interfaces import ICredentials, ILogin, ILogOut

_log = Logger()


@implementer(ICredentials, ILogin, ILogOut)
class SessionSigner:
    """Signs the requests of one upstream, with a session for each server or a shared one.

    Args:
        credentials: How to log in, and how the session is sent.
        means: Time, randomness and I/O.

    Attributes:
        header_names: The fields that it sets, except Cookie, because the client's cookies with
            other names are also sent.
        fixed: None.
        may_be_challenged: True.
    """

    def __init__(self, credentials: SessionCredentials, means: Means) -> None:
        names = {name.encode("ascii").lower() for name in credentials.field_names}
        self.header_names = frozenset({b"authorization", *names})
        self.fixed: None = None
        self.may_be_challenged = True
        self._is_shared = credentials.shared
        self._means = means
        self._login = Login(credentials, means)
        self._keepers: dict[str, SessionKeeper] = {}
        self._under_way = 0
        # Fires when it has logged out; None until that is requested.
        self._left: Deferred[None] | None = None
        self._leaving: Deferred[None] | None = None

    def begin(self, server: str) -> SessionAttempt:
        """Return an attempt at one server.

        Args:
            server: The server's origin.
        """
        self._under_way += 1
        return SessionAttempt(self._keeper(server), server, self._ended)

    @property
    def login_failure(self) -> LoginFailure | None:
        """Why a server has no working session; None if all have one."""
        return next((k.failure for k in self._keepers.values() if k.failure is not None), None)

    def log_out(self) -> Deferred[None]:
        """Log out of all sessions, once no request needs them.

        Returns:
            A Deferred that fires when this is done. It has no time limit, but can be cancelled.
        """
        if self._left is None:
            self._left = Deferred(self._stay)
            self._leave()
        return self._left

    def _keeper(self, server: str) -> SessionKeeper:
        key = "" if self._is_shared else server
        found = self._keepers.get(key)
        if found is None:
            found = remember(self._keepers, key, SessionKeeper(self._login, self._means))
        return found

    def _ended(self) -> None:
        """Count the end of an attempt; log out after the last one if requested."""
        self._under_way -= 1
        self._leave()

    def _leave(self) -> None:
        if self._left is None or self._under_way or self._leaving is not None:
            return
        # This also runs again if a late request has made another session.
        self._leaving = gatherResults(
            Deferred.fromCoroutine(each.log_out()).addErrback(_logged)
            for each in self._keepers.values()
        ).addCallback(self._has_left)

    def _has_left(self, _: object) -> None:
        self._leaving = None
        if self._left is not None and not self._left.called:
            self._left.callback(None)

    def _stay(self, _: Deferred[None]) -> None:
        if self._leaving is not None:
            self._leaving.cancel()


def _logged(failure: Failure) -> None:
    if not failure.check(CancelledError):
        _log.failure("a logout failed", failure)
