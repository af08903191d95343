"""In what way an attempt failed, in the words of ``retry_on`` and ``eject``."""

from __future__ import annotations

from collections.abc import Mapping

from corsgate.config.model.balancing import CAUSES
from corsgate.errors import ConnectFailed, ConnectionReset, UpstreamError, UpstreamTimedOut

CAUSE_OF_STATUS: Mapping[int, str] = {int(cause): cause for cause in CAUSES if cause.isdecimal()}
"""The statuses that may count as failures."""


def cause_of(error: UpstreamError) -> str | None:
    """Return the cause that an error stands for.

    Args:
        error: What an attempt failed with before there was a response.

    Returns:
        ``connect``, ``reset`` or ``timeout``; None for what says nothing of the server, such as
        a full queue, or what no other server would do better.
    """
    match error:
        case ConnectFailed():
            return "connect"
        case ConnectionReset():
            return "reset"
        case UpstreamTimedOut():
            return "timeout"
    return None
