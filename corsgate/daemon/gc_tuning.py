"""How often Python looks for garbage in cycles, set for a process that runs for years."""

from __future__ import annotations

import gc
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from corsgate.daemon.reload import Reloader, ReloadOutcome

TIDY_S = 2.0
"""How long after a reload the garbage is collected, so that requests and further reloads come
first. The collection is one pause: 50 ms of CPU time for 500 routes, 300 ms for 2,000."""

# A request leaves no cycles behind, but a few hundred of them in flight are so many objects that
# by its own thresholds Python would look through all of them several times per turn of the
# reactor: an eighth of the CPU time of a request, to find nothing. Only the first number is for
# that. Garbage there is, though: Twisted leaves a TLS connection in a cycle, tens of kB of
# OpenSSL's with it, where its client closes without a close_notify. What lived through a look
# before it became garbage waits for the rarer looks, so that these must not be rare.
_THRESHOLDS = (10_000, 5, 5)


def settle() -> None:
    """Collect garbage less often, and never scan the objects that exist now.

    To be called when all is set up: what a configuration was made into stays until a reload.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


def tidy() -> None:
    """Collect what a reload has replaced, and never scan the objects that exist now.

    The replaced configuration was frozen, and no collection finds frozen garbage. It is full of
    cycles.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class GcTuning(Service):
    """Tunes the collector when the gate starts, and tidies up once after one or several reloads.

    Args:
        clock: Calls back.
        reloader: Reloads the gate.
        settle: As `settle`.
        tidy: As `tidy`.
    """

    def __init__(
        self,
        clock: IReactorTime,
        reloader: Reloader,
        settle: Callable[[], None] = settle,
        tidy: Callable[[], None] = tidy,
    ) -> None:
        self._clock = clock
        self._settle = settle
        self._tidy = tidy
        self._call: IDelayedCall | None = None
        reloader.ended.append(self._reloaded)

    def startService(self) -> None:
        """Tune the collector, now that the configuration was made ready."""
        super().startService()
        self._settle()

    def stopService(self) -> None:
        """Leave everything else to the end of the process."""
        super().stopService()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _reloaded(self, outcome: ReloadOutcome) -> None:
        if self.running and self._call is None:
            self._call = self._clock.callLater(TIDY_S, self._now)

    def _now(self) -> None:
        self._call = None
        self._tidy()
