"""What credentials that log in have besides signing, also if they are parts of others."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, gatherResults, succeed

from corsgate.interfaces import ICredentials, ILogin, ILogOut


def log_out_of(credentials: ICredentials | None) -> Deferred[None]:
    """End what credentials leave behind at servers, such as sessions; see `ILogOut`.

    Args:
        credentials: The credentials, of any kind; or None.
    """
    if not ILogOut.providedBy(credentials):
        return succeed(None)
    left: Deferred[None] = credentials.log_out()
    return left


def log_out_of_all(*every: ICredentials) -> Deferred[None]:
    """Do the same for several credentials at once.

    Args:
        every: The credentials.
    """
    left = gatherResults([log_out_of(each) for each in every], consumeErrors=True)
    return left.addCallback(lambda _: None)


def login_failure_of(*every: ICredentials | None) -> Any:
    """Return why the last login failed, see `ILogin`; None if it didn't, or none is needed.

    Args:
        every: The credentials. The first failure counts.
    """
    logins: list[Any] = [each for each in every if ILogin.providedBy(each)]
    found = (each.login_failure for each in logins)
    return next((failure for failure in found if failure is not None), None)
