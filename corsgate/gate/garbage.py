"""How often Python looks for garbage in cycles, set for a process that runs for years."""

from __future__ import annotations

import gc

# A request leaves no cycles behind, but a few hundred of them in flight are so many objects that
# by its own thresholds Python would look through all of them several times per turn of the
# reactor: an eighth of the CPU time of a request, to find nothing.
_THRESHOLDS = (10_000, 20, 50)


def settle() -> None:
    """Look less often for cycles, and never again through what is there by now.

    To be called once, when all is set up: what a configuration was made into stays.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
