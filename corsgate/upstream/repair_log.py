"""The log of what was put right of a server's responses."""

from __future__ import annotations

from twisted.logger import Logger

from corsgate.upstream.repairs import Repair

_log = Logger()


class RepairLog:
    """Logs what was put right of a server's responses: each kind once.

    Args:
        origin: The server's origin.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._logged: set[Repair] = set()

    def note(self, repair: Repair, count: int) -> None:
        """Log that something was put right, unless that was logged before.

        Args:
            repair: What it was.
            count: How often it was, in one head or in a part of a body.
        """
        if repair in self._logged:
            return
        self._logged.add(repair)
        _log.warn(
            "{server} sent {fault}{times}: it was read all the same, as browsers do. "
            "strict_responses = true rejects it. Further ones are not logged.",
            server=self._origin,
            fault=repair.value,
            times=f" ({count} times)" if count > 1 else "",
        )
