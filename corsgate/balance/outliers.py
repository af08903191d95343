"""Which servers fail more of their requests than the others do: Envoy's success-rate outliers.

Five failures in a row never come together on a server that fails every third request. It shows
only beside others that get the same requests and don't.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import fsum, sqrt
from typing import TypeVar

K = TypeVar("K", bound=Hashable)

INTERVAL_S = 10.0
"""Over how long requests are counted."""

MIN_SERVERS = 5
"""With fewer there is nothing to compare with."""

MIN_REQUESTS = 100
"""With fewer in an interval, chance alone makes a rate."""

DEVIATIONS = 1.9
"""A server is an outlier that is so many standard deviations below the mean."""


def outliers(counts: Mapping[K, tuple[int, int]]) -> list[K]:
    """Return the servers whose success rate is far below what is usual among them.

    Args:
        counts: For each server, how many requests ended in the interval and how many of them
            failed.

    Returns:
        The outliers, the worst first; none where there is too little to tell by.
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
    # Rates that are all but equal differ by rounding alone.
    return sorted((key for key in rates if rates[key] < low - 1e-9), key=lambda key: rates[key])
