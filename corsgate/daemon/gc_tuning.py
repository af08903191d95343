"""How often Python collects garbage and switches threads, set for a process that runs for years."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

TIDY_S = 2.0
"""The delay from a reload to the collection of what it replaced, in seconds: requests and further
reloads come first. The collection pauses the gate once: 50 ms for 500 routes, 300 ms for 2,000."""

LONGEST_S = 60.0
"""For how long a reload may disable garbage collection, in seconds: a file may be on a server that
does not respond."""

SWITCH_S = 0.000_2
"""How long the thread of a reload may keep the reactor waiting after each of its system calls, in
seconds. The default is 5 ms, and a request makes several such calls."""

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
    """Keeps reloads from delaying requests, and collects what they have replaced.

    While the thread of a reload runs, it soon lets the reactor run, and no garbage is collected: it
    makes so many objects that the collector would stop the process again and again. The objects
    that it has made are frozen.

    Args:
        clock: Calls back.
        tidy: Collects; called once for all reloads within `TIDY_S`.
    """

    def __init__(self, clock: IReactorTime, tidy: Callable[[], None] = tidy) -> None:
        self._clock = clock
        self._tidy = tidy
        self._call: IDelayedCall | None = None
        self._late: IDelayedCall | None = None
        self._switch_s = 0.0

    def began(self) -> None:
        """Prefer the reactor until `ended` is called."""
        if self._late is None:
            self._switch_s = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_S)
            gc.disable()
            self._late = self._clock.callLater(LONGEST_S, self._resume)

    def ended(self) -> None:
        """Restore the defaults, and schedule the collection."""
        if self._late is not None:
            self._late.cancel()
            # Otherwise the next collection would scan all that was made meanwhile.
            gc.freeze()
            self._resume()
        if self._call is None:
            self._call = self._clock.callLater(TIDY_S, self._now)

    def _resume(self) -> None:
        self._late = None
        gc.enable()
        sys.setswitchinterval(self._switch_s)

    def _now(self) -> None:
        self._call = None
        self._tidy()
