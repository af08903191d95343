"""Find the servers that fail more requests than the others: Envoy's success-rate outliers.

A server that fails every third request never has five failures in a row. It stands out only by
comparison with others that get the same requests and don't fail.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import fsum, sqrt
from typing import TypeVar

K = TypeVar("K", bound=Hashable)

INTERVAL_S = 10.0
"""The length of the interval in which requests are counted."""

MIN_SERVERS = 5
"""With fewer servers there is no sound comparison."""

MIN_REQUESTS = 100
"""With fewer requests in an interval, the rate depends too much on chance."""

DEVIATIONS = 1.9
"""An outlier is more than this many standard deviations below the mean."""


def outliers(counts: Mapping[K, tuple[int, int]]) -> list[K]:
    """Return the servers whose success rate is far below the others'.

    Args:
        counts: For each server, how many requests ended in the interval and how many of them
            failed.

    Returns:
        The outliers, the worst first; none if there is too little data.
    """
    rates = {
        key: (ended - failed) / ended
        for key, (ended, failed) in counts.items()
        if ended >= MIN_REQUESTS
    }
    if len(rates) < MIN_SERVERS:
        return []
    mean = fsum(rates.values()) / len(rates)
    deviation = sqrt(fsum((rate - mean) ** 2 for rate in rates.values()) / len(rates))
    low = mean - DEVIATIONS * deviation
    # The margin absorbs rounding: nearly equal rates are equal.
    return sorted((key for key in rates if rates[key] < low - 1e-9), key=lambda key: rates[key])
