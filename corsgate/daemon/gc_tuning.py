"""How often Python collects garbage and switches threads, set for a process that runs for years."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

TIDY_S = 2.0
"""How long after a reload what it has replaced is collected, so that requests and further reloads
come first. That takes one pause: 50 ms of CPU time for 500 routes, 300 ms for 2,000."""

LONGEST_S = 60.0
"""For how long a reload may keep the collector from its work: a file may be on a dead server."""

SWITCH_S = 0.000_2
"""For how long the thread of a reload may keep the reactor waiting, each time that the reactor has
made a system call. By default it is 5 ms, which a request takes several times."""

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
    """Keeps reloads from delaying requests, and collects what they have replaced.

    While the thread of a reload runs, it gives way to the reactor soon, and nothing is collected:
    it makes so many objects that the collector would stop everything again and again. What it has
    made is frozen.

    Args:
        clock: Calls back.
        tidy: Collects; called once for all reloads of a short time.
    """

    def __init__(self, clock: IReactorTime, tidy: Callable[[], None] = tidy) -> None:
        self._clock = clock
        self._tidy = tidy
        self._call: IDelayedCall | None = None
        self._late: IDelayedCall | None = None
        self._switch_s = 0.0

    def began(self) -> None:
        """Give way to the reactor until `ended` is called."""
        if self._late is None:
            self._switch_s = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_S)
            gc.disable()
            self._late = self._clock.callLater(LONGEST_S, self._resume)

    def ended(self) -> None:
        """Go on as before, and have all that is garbage by now collected soon."""
        if self._late is not None:
            self._late.cancel()
            # Else the next look would go through all that was made meanwhile.
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
