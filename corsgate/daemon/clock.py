"""A reactor whose time never goes back."""

from __future__ import annotations

import time
from typing import Any


def use_monotonic_time(reactor: Any) -> None:
    """Make a reactor use the monotonic clock.

    By default, its `seconds` is the wall clock. If that is set forward by an hour, every running
    request times out at once; if it is set back, nothing times out for an hour.

    Args:
        reactor: A reactor with no scheduled calls yet: these would be years late.
    """
    assert not reactor.getDelayedCalls(), "the clock is chosen before anything is scheduled"
    reactor.seconds = time.monotonic
