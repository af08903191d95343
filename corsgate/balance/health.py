"""Whether a server is well, by the probes it is sent: a machine over their results."""

from __future__ import annotations

from enum import Enum


class Standing(Enum):
    """What the probes of a server say."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class Health:
    """One server's standing.

    It begins as unknown, which is used like one that is up: a start waits for no probe. The
    first pass makes it up. After that `fall` failures in a row take it down, and `rise` passes
    in a row bring it back, so that one lost packet moves nothing.
    """

    __slots__ = ("_streak", "standing")

    def __init__(self) -> None:
        self.standing = Standing.UNKNOWN
        # How many results in a row spoke against the standing.
        self._streak = 0

    def probed(self, passed: bool, *, rise: int, fall: int) -> bool:
        """Take a probe's result in.

        Args:
            passed: Whether the server answered as it should.
            rise: So many passes in a row bring a server that is down up; at least 1.
            fall: So many failures in a row take it down; at least 1.

        Returns:
            Whether the server has just gone down, or come up from there.
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
