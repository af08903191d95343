"""Whether a server is up, by the results of its probes."""

from __future__ import annotations

from enum import Enum


class Standing(Enum):
    """The result of a server's probes."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class Health:
    """One server's standing.

    It begins as unknown, which is treated like up, so that a start need not wait for probes. The
    first pass makes it up. After that, `fall` failures in a row take it down, and `rise` passes
    in a row bring it back. So one lost packet changes nothing.
    """

    __slots__ = ("_streak", "standing")

    def __init__(self) -> None:
        self.standing = Standing.UNKNOWN
        # The number of results in a row that contradict the standing.
        self._streak = 0

    def probed(self, passed: bool, *, rise: int, fall: int) -> bool:
        """Record a probe's result.

        Args:
            passed: Whether the server's response was as expected.
            rise: The number of passes in a row that bring a down server up; at least 1.
            fall: The number of failures in a row that take a server down; at least 1.

        Returns:
            Whether the server has just gone down, or come up again.
        """
        before = self.standing
        if passed is (before is not Standing.DOWN):
            self._streak = 0
            if passed:
                self.standing = Standing.UP
            return False
        self._streak += 1
        if self._streak < (rise if passed else fall):
            return False
        self._streak = 0
        self.standing = Standing.UP if passed else Standing.DOWN
        return True
