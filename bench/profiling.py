"""Show where the gate spends its time under the first load: `make bench ARGS=--profile`."""

from __future__ import annotations

import pstats
import tempfile
from pathlib import Path
from typing import Final

from bench.loads import LOADS
from bench.measure import GATE, bench, proxies

TOP: Final = 40


def profile(seconds: int) -> None:
    """Print the functions that took the most time, by cProfile, which about doubles all times.

    Args:
        seconds: How long the load lasts.

    Raises:
        LeftOut: The gate or a program to measure it is not available or fails.
    """
    gate = next(proxy for proxy in proxies() if proxy.name == GATE)
    with tempfile.TemporaryDirectory() as directory, bench() as made:
        stats = Path(directory) / "stats"
        options = [f"--profile={stats}", "--profiler=cprofile", "--savestats"]
        with made.running(gate, options=options) as daemon:
            made.drive(gate, LOADS[0], daemon, seconds)
        pstats.Stats(str(stats)).sort_stats("tottime").print_stats(TOP)
