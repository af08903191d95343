"""The logins behind signers that consist of others, or that replace others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.python.failure import Failure

from corsgate.interfaces import ICredentials, ILogin, ILogOut


def log_out_all(signers: Iterable[ICredentials]) -> Deferred[None]:
    """Log out wherever one of some signers has logged in.

    Args:
        signers: Of any kinds.

    Returns:
        A Deferred that fires then. It has no time limit; cancelling it gives up.
    """
    logged_in: Iterable[Any] = filter(ILogOut.providedBy, signers)
    leaving = [each.log_out() for each in logged_in]
    left = gatherResults(leaving, consumeErrors=True).addCallback(lambda _: None)
    return left.addErrback(_first)


def _first(failure: Failure) -> Failure:
    """Return what failed first, as if it had been alone."""
    error = failure.value
    return error.subFailure if isinstance(error, FirstError) else failure


def first_login_failure(signers: Iterable[ICredentials]) -> Any:
    """Return why the last login of one of some signers failed; None if none did.

    Args:
        signers: Of any kinds.
    """
    for each in signers:
        if ILogin.providedBy(each) and each.login_failure is not None:
            return each.login_failure
    return None
