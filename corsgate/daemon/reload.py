"""Reloads the gate while it runs, and remembers how that went."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred, succeed

from corsgate.gate.service import GateService


@attrs.frozen(kw_only=True)
class ReloadOutcome:
    """How a reload ended.

    Attributes:
        time_s: When it ended, in seconds since 1970.
        trigger: What asked for it, such as ``SIGHUP``.
        faults: Why the old configuration is kept, one text for each fault; empty if the new one
            is in force.
        changes: What the change does, as ``corsgate diff`` describes it.
    """

    time_s: float
    trigger: str
    faults: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


class Reloader:
    """Reloads the gate when it is asked to.

    Args:
        gate: The gate.
        wall_clock: Returns the seconds since 1970.

    Attributes:
        last: How the last reload ended; None before the first one.
        succeeded: How many ended well.
        failed: How many kept the old configuration.
        began: Called when a reload begins.
        ended: Called with the outcome when it ends.
    """

    def __init__(self, gate: GateService, wall_clock: Callable[[], float]) -> None:
        self._gate = gate
        self._wall_clock = wall_clock
        self.last: ReloadOutcome | None = None
        self.succeeded = 0
        self.failed = 0
        self.began: list[Callable[[], None]] = []
        self.ended: list[Callable[[ReloadOutcome], None]] = []

    def reload(self, trigger: str) -> Deferred[ReloadOutcome]:
        """Open the access log again, and read the certificates again.

        Args:
            trigger: What asks for it, for the log.

        Returns:
            A Deferred of the outcome.
        """
        for each in self.began:
            each()
        self._gate.refresh()
        self.last = outcome = ReloadOutcome(time_s=self._wall_clock(), trigger=trigger)
        self.succeeded += 1
        for tell in self.ended:
            tell(outcome)
        return succeed(outcome)
