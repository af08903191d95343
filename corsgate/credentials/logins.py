"""What credentials that log in say and leave behind, also where others wrap them."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from twisted.internet.defer import Deferred, FirstError, gatherResults, maybeDeferred
from twisted.python.failure import Failure

from corsgate.interfaces import ICredentials, ILogin, ILogOut


@attrs.frozen(kw_only=True)
class LoginFailure:
    """Why there is no new token or session.

    Attributes:
        time_s: When the last attempt failed, in seconds since 1970.
        words: Why, in one line without a secret.
        count: How many attempts in a row failed.
    """

    time_s: float
    words: str
    count: int

    @classmethod
    def after(cls, before: LoginFailure | None, time_s: float, words: str) -> LoginFailure:
        """Return the failure that follows another one.

        Args:
            before: The one before; None for the first in a row.
            time_s: As above.
            words: As above.
        """
        return cls(time_s=time_s, words=words, count=1 if before is None else before.count + 1)


def login_failure_of(signers: Iterable[ICredentials | None]) -> LoginFailure | None:
    """Return why the first of several signers that could not log in could not; None if all could.

    Args:
        signers: The signers; None among them is skipped.
    """
    for signer in signers:
        if ILogin.providedBy(signer):
            failure: LoginFailure | None = signer.login_failure
            if failure is not None:
                return failure
    return None


def log_out_of(signers: Iterable[ICredentials | None]) -> Deferred[None]:
    """Have signers end what they leave behind at servers.

    Args:
        signers: The signers; those that leave nothing behind, and None, are skipped.

    Returns:
        A Deferred that fires when all have. Cancelling it gives up.
    """
    leaving: list[Deferred[None]] = []
    for signer in signers:
        if ILogOut.providedBy(signer):
            leaving.append(maybeDeferred(signer.log_out))
    return gatherResults(leaving, consumeErrors=True).addCallbacks(lambda _: None, _own)


def _own(failure: Failure) -> Failure:
    """Return the failure of the one that failed, such as a CancelledError that a time-out makes."""
    if isinstance(failure.value, FirstError):
        own: Failure = failure.value.subFailure
        return own
    return failure
