"""Logs the repairs of a server's malformed responses."""

from __future__ import annotations

from twisted.logger import Logger

from corsgate.upstream.repairs import Repair

_log = Logger()


class RepairLog:
    """Logs each kind of repair of a server's responses once.

    Args:
        origin: The server's origin.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._logged: set[Repair] = set()

    def note(self, repair: Repair, count: int) -> None:
        """Log a repair, unless its kind was logged before.

        Args:
            repair: The kind of repair.
            count: How often it occurred in one head or in a part of a body.
        """
        if repair in self._logged:
            return
        self._logged.add(repair)
        _log.warn(
            "{server} sent {fault}{times}: it was accepted anyway, as in browsers. "
            "strict_responses = true rejects it. Further ones are not logged.",
            server=self._origin,
            fault=repair.value,
            times=f" ({count} times)" if count > 1 else "",
        )
