"""How often Python looks for garbage in cycles, set for a process that runs for years."""

from __future__ import annotations

import gc
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

TIDY_S = 2.0
"""The delay from a reload to the collection of what it replaced, in seconds: requests and further
reloads come first. The collection pauses the gate once: 50 ms for 500 routes, 300 ms for 2,000."""

# A request leaves no cycles behind. But a few hundred in flight are so many objects that, with its
# default thresholds, Python would scan them several times per turn of the reactor: an eighth of the
# CPU time of a request, to find nothing. Only the first number is for that. There is some garbage:
# Twisted leaves a TLS connection in a cycle, with tens of kB of OpenSSL's, if its client closes
# without a close_notify. Objects that survived a scan before they became garbage wait for the
# scans of older generations, so these must not be rare.
_THRESHOLDS = (10_000, 5, 5)


def settle() -> None:
    """Scan less often for cycles, and never again the objects that exist now.

    Call this after the set-up: the objects of a configuration stay until a reload.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


def tidy() -> None:
    """Collect what a reload has replaced, and never again scan the objects that exist now.

    Frozen objects are never collected, so they are unfrozen first. A compiled configuration is
    full of cycles.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class Tidying:
    """Calls `tidy` once for all reloads within `TIDY_S`.

    Args:
        clock: Calls back.
        tidy: The function to call.
    """

    def __init__(self, clock: IReactorTime, tidy: Callable[[], None] = tidy) -> None:
        self._clock = clock
        self._tidy = tidy
        self._call: IDelayedCall | None = None

    def reloaded(self) -> None:
        """Schedule the call."""
        if self._call is None:
            self._call = self._clock.callLater(TIDY_S, self._now)

    def _now(self) -> None:
        self._call = None
        self._tidy()
