"""Measure the gate and its peers: `make bench`, or `python -m bench.run`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from bench.bars import Results, verdicts
from bench.loads import LOADS, Load
from bench.measure import GATE, GATES, Bench, Proxy, bench, proxies, python_version
from bench.plot import plot
from bench.processes import LeftOut
from bench.profiling import profile
from bench.report import markdown, put


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark.

    Args:
        arguments: The command line's arguments.

    Returns:
        The exit status: 1 if something failed, or if `--check` was given and a bar was missed.
    """
    options = parser().parse_args(arguments)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    try:
        if options.profile:
            profile(options.seconds)
            return 0
        with bench() as made:
            results = _measure(made, options)
    except LeftOut as error:
        print(f"The benchmark can't be run: {error}.", file=sys.stderr)
        return 1
    drawing = None if options.output is None else options.output.with_suffix(".svg")
    report = markdown(
        results,
        seconds=options.seconds,
        rounds=options.rounds,
        plot=drawing and drawing.name,
    )
    print(report)
    if drawing is not None:
        put(report, options.output)
        drawing.write_text(plot(results), encoding="utf-8")
    missed = options.check and not all(verdict.holds for verdict in verdicts(results))
    return int(missed or _broken(results))


def _measure(made: Bench, options: argparse.Namespace) -> Results:
    results = Results()
    loads, chosen = _chosen(options.only)
    for proxy in chosen:
        if proxy.name in GATES:
            with suppress(LeftOut):  # Each load reports the reason.
                results.pythons[proxy.name] = python_version(proxy)
    for round_number in range(1, options.rounds + 1):
        for load, proxy in turns(loads, chosen):
            key = load.name, proxy.name
            if key in results.left_out:
                continue
            words = f"round {round_number} of {options.rounds}, {load.title}, {proxy.name}"
            print(words, end=": ", file=sys.stderr, flush=True)
            try:
                sample = made.measure(proxy, load, options.seconds)
            except LeftOut as error:
                results.left_out[key] = str(error)
                results.samples.pop(key, None)
                print(f"left out, as {error}", file=sys.stderr)
            else:
                results.samples.setdefault(key, []).append(sample)
                print(f"{sample.cpu_us:,.0f} µs of CPU time", file=sys.stderr)
    return results


def turns(loads: Sequence[Load], chosen: Sequence[Proxy]) -> list[tuple[Load, Proxy]]:
    """Return the measurements of one round, in order.

    Measurements to be compared are close together, so that other work on the machine affects them
    equally: all proxies of one load, then the load that is compared with it.
    """
    places = [load.name for load in LOADS]
    found = [(load, proxy) for load in loads for proxy in chosen if proxy.takes_part(load)]
    return sorted(
        found,
        key=lambda turn: (places.index(turn[0].beside or turn[0].name), chosen.index(turn[1])),
    )


def _chosen(only: Sequence[str]) -> tuple[list[Load], list[Proxy]]:
    """Return the named loads and proxies, or all of a kind if none is named."""
    loads = [load for load in LOADS if load.name in only]
    chosen = [proxy for proxy in proxies() if proxy.name in only]
    return loads or list(LOADS), chosen or proxies()


def _broken(results: Results) -> bool:
    """Return whether the gate on this Python failed."""
    return any(name == GATE for _, name in results.left_out)


def leave(number: int, _frame: FrameType | None) -> None:
    """Raise SystemExit, so that all processes are ended."""
    raise SystemExit(128 + number)


def count_of(text: str) -> int:
    """Parse a number of the command line, from 1 to 600."""
    number = int(text)
    if not 1 <= number <= 600:
        raise argparse.ArgumentTypeError("give 1 to 600")
    return number


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    names = [load.name for load in LOADS] + [proxy.name for proxy in proxies()]
    made.add_argument(
        "--seconds", type=count_of, default=3, help="how long each measurement takes (3)"
    )
    made.add_argument("--rounds", type=count_of, default=5, help="how many of each (5)")
    made.add_argument(
        "--only",
        action="append",
        default=[],
        choices=names,
        metavar="NAME",
        help=f"a load or a proxy; may be given more than once: {', '.join(names)}",
    )
    made.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="also write the report to a file (Markdown), and a plot next to it (SVG)",
    )
    made.add_argument("--check", action="store_true", help="exit with 1 if a bar is missed")
    made.add_argument(
        "--profile", action="store_true", help="only show where the gate spends its time"
    )
    return made


if __name__ == "__main__":
    sys.exit(main())
