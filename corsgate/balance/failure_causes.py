"""Why an attempt failed, in the terms of ``retry_on`` and ``eject``."""

from __future__ import annotations

from collections.abc import Mapping

from corsgate.config.model.balancing import CAUSES
from corsgate.errors import ConnectFailed, ConnectionReset, UpstreamError, UpstreamTimedOut

CAUSE_OF_STATUS: Mapping[int, str] = {int(cause): cause for cause in CAUSES if cause.isdecimal()}
"""The response statuses that may count as failures."""


def cause_of(error: UpstreamError) -> str | None:
    """Return the cause of an error.

    Args:
        error: The error of an attempt that got no response.

    Returns:
        ``connect``, ``reset`` or ``timeout``. None if the error does not speak against the server,
        such as a full queue, or if no other server would do better.
    """
    match error:
        case ConnectFailed():
            return "connect"
        case ConnectionReset():
            return "reset"
        case UpstreamTimedOut():
            return "timeout"
    return None
