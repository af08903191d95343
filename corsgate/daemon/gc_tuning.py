"""Tunes Python's garbage collector and thread switching for a process that runs for years."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

TIDY_S = 2.0
"""The delay in seconds from a reload to the collection of what it replaced: requests and further
reloads come first. The collection pauses the gate once: 50 ms for 500 routes, 300 ms for 2,000."""

LONGEST_S = 60.0
"""The maximum time in seconds for which a reload may disable garbage collection. It may read a file
from a server that does not respond."""

SWITCH_S = 0.000_2
"""The maximum time in seconds that a reload's thread may keep the reactor waiting after each of its
system calls. The default is 5 ms, and a request makes several such calls."""

# A request leaves no cycles. But a few hundred requests in flight have very many objects. With its
# default thresholds, Python would scan them several times per turn of the reactor, in vain: that
# takes an eighth of the CPU time of a request. Only the first number is for that. There is some
# garbage: if a client closes TLS without close_notify, Twisted leaves its connection in a cycle,
# with tens of kB of OpenSSL's memory. Objects that survive a scan and then become garbage wait for
# scans of older generations, so these must not be rare.
_THRESHOLDS = (10_000, 5, 5)


def settle() -> None:
    """Scan for cycles less often, and never again scan the objects that exist now.

    Call this after the set-up, since the objects of a configuration stay until a reload.
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

    While a reload's thread runs, it yields to the reactor often, and no garbage is collected:
    otherwise its many new objects would make the collector stop the process again and again. The
    new objects are frozen at the end.

    Args:
        clock: Schedules the collection.
        tidy: Collects the garbage; called once for all reloads within `TIDY_S`.
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
            # Otherwise the next collection would scan everything that was made in the meantime.
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
