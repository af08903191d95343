"""Counts what the gate does per request, over sockets in memory: `make bench-calls`.

Times depend on the machine and on what else it does. These counts don't, so that a test can see
when the way of a request gets longer.
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
"""The Python that the pins hold for: another one compiles the same source to other bytecodes."""

COUNTED: Final = 40
"""How many exchanges are counted."""

PROFILED: Final = 2000
"""How many exchanges are profiled."""

WARM_UP: Final = 300
"""How many exchanges come before. By then, all that is remembered has been remembered, and what is
bounded has come to its bound: HTTP/2 forgets a stream for each new one."""

TOP: Final = 60
"""How many functions are shown."""


@attrs.frozen
class Pin:
    """How many of something a request takes.

    Attributes:
        count: What it takes. A test fails where it takes more than 5 % more, or 15 % less.
        bar: What it is to take at most in the end; None where that is open.
    """

    count: int
    bar: int | None = None

    def fault(self, found: float) -> str | None:
        """Return what is wrong with what was found, in words; None if nothing is.

        Args:
            found: What a request takes by now.
        """
        if found > self.count * 1.05:
            advice = "shorten the way, or raise the pin and say for what"
            return f"{found:,.0f} are more than {self.count:,} and 5 %: {advice}"
        if found < self.count * 0.85:
            return f"{found:,.0f} are less than {self.count:,} by more than 15 %: lower the pin"
        return None


@attrs.frozen
class Pins:
    """What a request of one load takes.

    Attributes:
        calls: Calls of Python functions.
        bytecodes: Bytecodes that are run.
    """

    calls: Pin
    bytecodes: Pin

    def faults(self, counts: Counts) -> list[str]:
        """Return what is wrong with what was counted, in words."""
        found = (
            ("Python calls", self.calls.fault(counts.calls_each)),
            ("bytecodes", self.bytecodes.fault(counts.bytecodes_each)),
        )
        return [f"{what}: {fault}" for what, fault in found if fault is not None]


PINS: Final[Mapping[str, Pins]] = {
    "1k": Pins(Pin(74, bar=105), Pin(2_921, bar=2_900)),
    "varying": Pins(Pin(131, bar=160), Pin(4_793, bar=4_600)),
    "preflight": Pins(Pin(24, bar=65), Pin(1_017, bar=1_600)),
    "put": Pins(Pin(166, bar=190), Pin(5_400)),
    "put-drip": Pins(Pin(329), Pin(9_277)),
    "chunked": Pins(Pin(83, bar=190), Pin(3_096)),
    "get-http2": Pins(Pin(133), Pin(4_465)),
    # As 1k, where the gate counts what it serves: 8 calls more at most.
    "admin": Pins(Pin(77, bar=81), Pin(3_129)),
}
"""What a request of each load takes. Work that must add to the way raises the pin, and its commit
says for what; work that shortens the way lowers the pin."""


def count(load: Load) -> Counts:
    """Return what the exchanges of a load take; it is always the same.

    Raises:
        AssertionError: A request or a response was not passed on as it should be.
    """
    total = Counts(FAKES)
    with _warm(load) as exchanges:
        while total.exchanges < COUNTED:
            total.add(_count_one(exchanges))
    return total


def _count_one(exchanges: Exchanges) -> Counts:
    """Return what one exchange takes that is not the first one of a second.

    What a second has in common, such as a date's text, is made by the first one.
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
    """Return the exchanges of a load after some have been; no garbage is collected meanwhile."""
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
    """Return what was counted, by load, beside the pins and the bars."""
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
    """Return which functions the bytecodes of a request are in, and how often each is called."""
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
    """Count, and print what was found.

    Args:
        arguments: Of the command line.

    Returns:
        The exit status: 1 where a count and its pin differ by too much.
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
