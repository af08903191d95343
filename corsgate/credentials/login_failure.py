"""What the status page shows of credentials that can't log in, and how they log out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults

from corsgate.interfaces import ILogin, ILogOut


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
        """Return the failure that follows another one; None for the first in a row.

        Args:
            before: The one before, or None.
            time_s: As above.
            words: As above.
        """
        return cls(time_s=time_s, words=words, count=1 if before is None else before.count + 1)


def login_failure_of(signers: Sequence[Any]) -> LoginFailure | None:
    """Return the first failure of credentials that others consist of; None if there is none.

    Args:
        signers: Provide `ICredentials`, and perhaps `ILogin`.
    """
    found = (each.login_failure for each in signers if ILogin.providedBy(each))
    return next((each for each in found if each is not None), None)


def log_out_of(signers: Sequence[Any]) -> Deferred[Any]:
    """Log out of what credentials leave behind that others consist of; see `ILogOut`.

    Args:
        signers: Provide `ICredentials`, and perhaps `ILogOut`.

    Returns:
        A Deferred that fires then.
    """
    leaving: list[Any] = [each.log_out() for each in signers if ILogOut.providedBy(each)]
    return gatherResults(leaving)
