"""How often Python looks for garbage in cycles, set for a process that runs for years."""

from __future__ import annotations

import gc
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

TIDY_S = 2.0
"""How long after a reload what it has replaced is collected, so that requests and further reloads
come first. That takes one pause: 50 ms of CPU time for 500 routes, 300 ms for 2,000."""

# A request leaves no cycles behind, but a few hundred of them in flight are so many objects that
# by its own thresholds Python would look through all of them several times per turn of the
# reactor: an eighth of the CPU time of a request, to find nothing. Only the first number is for
# that. Garbage there is, though: Twisted leaves a TLS connection in a cycle, tens of kB of
# OpenSSL's with it, where its client closes without a close_notify. What lived through a look
# before it became garbage waits for the rarer looks, so that these must not be rare.
_THRESHOLDS = (10_000, 5, 5)


def settle() -> None:
    """Look less often for cycles, and never again through what is there by now.

    To be called when all is set up: what a configuration was made into stays until a reload.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


def tidy() -> None:
    """Collect what a reload has replaced, and never again look through what is there by now.

    What was frozen is garbage by now, but no collection finds anything frozen. A configuration
    that was made ready is full of cycles.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class Tidying:
    """Has `tidy` called once for all reloads of a short time.

    Args:
        clock: Calls back.
        tidy: What is called.
    """

    def __init__(self, clock: IReactorTime, tidy: Callable[[], None] = tidy) -> None:
        self._clock = clock
        self._tidy = tidy
        self._call: IDelayedCall | None = None

    def reloaded(self) -> None:
        """Have it called soon."""
        if self._call is None:
            self._call = self._clock.callLater(TIDY_S, self._now)

    def _now(self) -> None:
        self._call = None
        self._tidy()
