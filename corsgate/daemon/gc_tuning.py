"""How often Python looks for garbage in cycles, set for a process that runs for years."""

from __future__ import annotations

import gc

# A request leaves no cycles behind, but a few hundred of them in flight are so many objects that
# by its own thresholds Python would look through all of them several times per turn of the
# reactor: an eighth of the CPU time of a request, to find nothing. Only the first number is for
# that. Garbage there is, though: Twisted leaves a TLS connection in a cycle, tens of kB of
# OpenSSL's with it, where its client closes without a close_notify. What lived through a look
# before it became garbage waits for the rarer looks, so that these must not be rare.
_THRESHOLDS = (10_000, 5, 5)


def settle() -> None:
    """Look less often for cycles, and never again through what is there by now.

    To be called once, when all is set up: what a configuration was made into stays.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
