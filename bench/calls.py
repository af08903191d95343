"""Count the gate's work per request, over sockets in memory: `make bench-calls`.

Times depend on the machine and its other work. These counts don't, so a test can detect when the
path of a request gets longer.
"""

from __future__ import annotations

import argparse
import gc
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from cProfile import Profile
from pathlib import Path
from pstats import Stats
from time import time
from typing import Final

import attrs

from bench.call_loads import LOADS, Exchanges, Load
from bench.counting import Counts
from bench.in_memory import FAKES

PYTHON: Final = (3, 11)
"""The Python version of the pins, since another one compiles the same source to other bytecodes."""

COUNTED: Final = 40
"""How many exchanges are counted."""

PROFILED: Final = 2000
"""How many exchanges are profiled."""

WARM_UP: Final = 300
"""How many exchanges run first. After that all caches are filled, up to their limits: from then on,
HTTP/2 forgets one stream for each new one."""

TOP: Final = 60
"""How many functions are shown."""


@attrs.frozen
class Pin:
    """How many calls or bytecodes a request takes.

    Attributes:
        count: The number. A test fails if it grows by more than 5 % or shrinks by more than 15 %.
        bar: The number to reach in the end; None if there is no goal.
    """

    count: int
    bar: int | None = None

    def fault(self, found: float) -> str | None:
        """Return what is wrong with a measured number, in words; None if nothing is.

        Args:
            found: What a request takes now.
        """
        if found > self.count * 1.05:
            advice = "shorten the path, or raise the pin and give the reason"
            return f"{found:,.0f} are more than {self.count:,} and 5 %: {advice}"
        if found < self.count * 0.85:
            return f"{found:,.0f} are less than {self.count:,} by more than 15 %: lower the pin"
        return None


@attrs.frozen
class Pins:
    """The pins of one load.

    Attributes:
        calls: Calls of Python functions.
        bytecodes: Executed bytecodes.
    """

    calls: Pin
    bytecodes: Pin

    def faults(self, counts: Counts) -> list[str]:
        """Return what is wrong with the counts, in words."""
        found = (
            ("Python calls", self.calls.fault(counts.calls_each)),
            ("bytecodes", self.bytecodes.fault(counts.bytecodes_each)),
        )
        return [f"{what}: {fault}" for what, fault in found if fault is not None]


PINS: Final[Mapping[str, Pins]] = {
    "1k": Pins(Pin(73, bar=105), Pin(2_897, bar=2_900)),
    "varying": Pins(Pin(118, bar=160), Pin(4_392, bar=4_600)),
    "preflight": Pins(Pin(24, bar=65), Pin(1_007, bar=1_600)),
    "put": Pins(Pin(165, bar=190), Pin(5_380)),
    "put-drip": Pins(Pin(328), Pin(9_249)),
    "chunked": Pins(Pin(82, bar=190), Pin(3_078)),
    "get-http2": Pins(Pin(132), Pin(4_444)),
    # Like 1k, but with the gate's counters for the admin pages: at most 8 calls more.
    "admin": Pins(Pin(76, bar=81), Pin(3_105)),
}
"""What a request of each load takes. A change that must lengthen the path raises the pin, and its
commit states the reason. A change that shortens the path lowers the pin."""


def count(load: Load) -> Counts:
    """Return the counts for the exchanges of a load, which are always the same.

    Raises:
        AssertionError: A request or a response was not passed on as it should be.
    """
    total = Counts(FAKES)
    with _warm(load) as exchanges:
        while total.exchanges < COUNTED:
            total.add(_count_one(exchanges))
    return total


def _count_one(exchanges: Exchanges) -> Counts:
    """Return the counts for one exchange, which is not the first one in a second.

    The first one does the work that is needed once a second, such as formatting the date.
    """
    while True:
        second, counts = int(time()), Counts(FAKES)
        exchanges.run(_call)
        exchanges.run(counts.call)
        if int(time()) == second:
            counts.exchanges = 1
            return counts


def _call(function: Callable[..., object], *arguments: object) -> None:
    function(*arguments)


@contextmanager
def _warm(load: Load) -> Iterator[Exchanges]:
    """Return the exchanges of a load after the warm-up, with garbage collection disabled."""
    with tempfile.TemporaryDirectory() as directory:
        exchanges = Exchanges(load, Path(directory))
        for _ in range(WARM_UP):
            exchanges.run(_call)
        collects = gc.isenabled()
        gc.collect()
        gc.disable()
        try:
            yield exchanges
        finally:
            if collects:
                gc.enable()


def table(found: Mapping[str, Counts]) -> str:
    """Return a table of the counts by load, with the pins and the bars."""
    columns = ("Python calls", "pin", "bar", "C calls", "bytecodes", "pin", "bar")
    rows = [f"{'load':10}" + "".join(f"{name:>13}" for name in columns)]
    for name, counts in found.items():
        pins = PINS[name]
        cells = (
            counts.calls_each,
            pins.calls.count,
            pins.calls.bar,
            counts.c_calls_each,
            counts.bytecodes_each,
            pins.bytecodes.count,
            pins.bytecodes.bar,
        )
        shown = ("-" if cell is None else f"{cell:,.0f}" for cell in cells)
        rows.append(f"{name:10}" + "".join(f"{cell:>13}" for cell in shown))
    return "\n".join(rows)


def where(counts: Counts) -> str:
    """Return which functions run a request's bytecodes, and how often each is called."""
    most = sorted(counts.functions, key=lambda each: (-each.bytecodes, each.name))
    rows = [f"{'bytecodes':>9} {'calls':>7}  function"]
    for each in most[:TOP]:
        bytecodes, calls = each.bytecodes / counts.exchanges, each.calls / counts.exchanges
        rows.append(f"{bytecodes:9,.1f} {calls:7.2f}  {each.name}")
    rows.append(f"{counts.bytecodes_each:9,.1f} {counts.calls_each:7.2f}  {len(most)} functions")
    return "\n".join(rows)


def profile(load: Load) -> None:
    """Print the functions that the exchanges of a load spend the most time in, by cProfile."""
    profiler = Profile()
    with _warm(load) as exchanges:
        for _ in range(PROFILED):
            exchanges.run(profiler.runcall)
    Stats(profiler).sort_stats("tottime").print_stats(TOP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Count, and print the results.

    Args:
        arguments: The command line's arguments.

    Returns:
        The exit status: 1 if a count differs from its pin by too much.
    """
    loads = {load.name: load for load in LOADS}
    parser = argparse.ArgumentParser(prog="python -m bench.calls", description=__doc__)
    parser.add_argument("load", nargs="*", help=f"one of {', '.join(loads)} (all)")
    parser.add_argument("--where", action="store_true", help="show which functions take the most")
    parser.add_argument("--profile", action="store_true", help="show which take the most time")
    options = parser.parse_args(arguments)
    if unknown := set(options.load) - set(loads):
        parser.error(f"there is no load {', '.join(sorted(unknown))}")
    chosen = [loads[name] for name in options.load or loads]
    if options.profile:
        for load in chosen:
            profile(load)
        return 0
    found = {load.name: count(load) for load in chosen}
    if options.where:
        print("\n\n".join(f"{name}\n{where(counts)}" for name, counts in found.items()))
        return 0
    print(table(found))
    if sys.version_info[:2] != PYTHON:
        print(f"The pins hold for Python 3.11; this is {platform.python_version()}.")
        return 0
    faults = [f"{name}: {each}" for name in found for each in PINS[name].faults(found[name])]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
