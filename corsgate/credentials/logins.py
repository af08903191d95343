"""Login failures of credentials and logging out, also for credentials that wrap others."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

import attrs
from twisted.internet.defer import Deferred, FirstError, gatherResults, maybeDeferred
from twisted.python.failure import Failure

from corsgate.errors import LoginFailed
from corsgate.interfaces import ICredentials, ILogin, ILogOut


@attrs.frozen(kw_only=True)
class LoginFailure:
    """Why there is no new token or session.

    Attributes:
        time_s: When the last attempt failed, in seconds since 1970.
        words: The reason, in one line without a secret.
        count: How many attempts in a row have failed.
    """

    time_s: float
    words: str
    count: int

    @classmethod
    def after(cls, before: LoginFailure | None, time_s: float, words: str) -> LoginFailure:
        """Return the next failure in a row.

        Args:
            before: The previous failure; None for the first in a row.
            time_s: As above.
            words: As above.
        """
        return cls(time_s=time_s, words=words, count=1 if before is None else before.count + 1)

    def paused(self, left_s: float) -> LoginFailed:
        """Return the error for a request in the pause after this failure.

        Args:
            left_s: How many seconds of the pause are left.
        """
        return LoginFailed(f"{self.words} (next attempt in {ceil(left_s)} s)", left_s)


def login_failure_of(signers: Iterable[ICredentials | None]) -> LoginFailure | None:
    """Return the login failure of the first signer that has one; None if none has.

    Args:
        signers: The signers; None is skipped.
    """
    for signer in signers:
        if ILogin.providedBy(signer):
            failure: LoginFailure | None = signer.login_failure
            if failure is not None:
                return failure
    return None


def log_out_of(signers: Iterable[ICredentials | None]) -> Deferred[None]:
    """Let signers log out of servers.

    Args:
        signers: The signers; None, and those without a logout, are skipped.

    Returns:
        A Deferred that fires when all have logged out. Cancelling it stops waiting.
    """
    leaving: list[Deferred[None]] = []
    for signer in signers:
        if ILogOut.providedBy(signer):
            leaving.append(maybeDeferred(signer.log_out))
    return gatherResults(leaving, consumeErrors=True).addCallbacks(lambda _: None, _own)


def _own(failure: Failure) -> Failure:
    """Return the signer's own failure instead of FirstError, such as a timeout's CancelledError."""
    if isinstance(failure.value, FirstError):
        own: Failure = failure.value.subFailure
        return own
    return failure
