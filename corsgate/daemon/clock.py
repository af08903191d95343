"""A monotonic clock for the reactor."""

from __future__ import annotations

import time
from typing import Any


def use_monotonic_time(reactor: Any) -> None:
    """Make a reactor use the monotonic clock.

    By default, its `seconds` is the wall clock. If someone sets that forward by an hour, every
    running request times out at once. If someone sets it back, nothing times out for an hour.

    Args:
        reactor: A reactor without scheduled calls, which would become due years late.
    """
    assert not reactor.getDelayedCalls(), "the clock is chosen before anything is scheduled"
    reactor.seconds = time.monotonic
