"""A reactor whose time only moves forward."""

from __future__ import annotations

import time
from typing import Any


def use_monotonic_time(reactor: Any) -> None:
    """Have a reactor measure by the monotonic clock.

    Its own `seconds` is the wall clock. Were that set forward by an hour, every running request
    would time out at once; set back by one, nothing would time out for an hour.

    Args:
        reactor: One for which nothing is scheduled yet: what is would be years late.
    """
    assert not reactor.getDelayedCalls(), "the clock is chosen before anything is scheduled"
    reactor.seconds = time.monotonic
