"""Measure the cost of many routes, origins and idle connections: `make bench-scale`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

import attrs

from bench.bars import words
from bench.idle import Idle
from bench.idle import measure as measure_idle
from bench.loads import LOADS, NUMBER, ORIGIN, Load
from bench.measure import GATE, Bench, Proxy, bench, proxies
from bench.processes import LeftOut, usage
from bench.report import machine, put, table
from bench.run import count_of, leave

ROUTES, ORIGINS, IDLE = 1_000, 10_000, 10_000
MOST: Final = 1.05
"""The maximum ratio of a request's CPU time with many of them to that with one."""
START_MOST_S: Final = {100: 0.6, ROUTES: 1.0}
"""The maximum time from the start to the first connection, by the number of routes."""
START, END = "<!-- scale: start -->", "<!-- scale: end -->"

_PAGE: Final = f"https://page-{NUMBER}.example"
_ROUTE: Final = f"/route-{NUMBER}"
_TO_ROUTES: Final = attrs.evolve(LOADS[0], path=f"{_ROUTE}/1k.json", numbers=ROUTES)
_FROM_ONE: Final = attrs.evolve(
    LOADS[0], fields={**LOADS[0].fields, "X-Page": _PAGE}, numbers=ORIGINS
)
_FROM_MANY: Final = attrs.evolve(
    LOADS[0], fields={**LOADS[0].fields, "Origin": _PAGE, "X-Page": ORIGIN}, numbers=ORIGINS
)


@attrs.frozen(kw_only=True)
class Pair:
    """A gate with many of something and one with one, under loads that differ only in that.

    Attributes:
        title: The thing that there are many of.
        one: The CPU times per request with one, for each round, in µs.
        many: The same with many.
    """

    title: str
    one: list[float] = attrs.Factory(list)
    many: list[float] = attrs.Factory(list)

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return median(many / one for many, one in zip(self.many, self.one, strict=True))


@attrs.frozen(kw_only=True)
class Starts:
    """How long a gate's starts took.

    Attributes:
        routes: The number of routes.
        wall: The seconds until the first connection was accepted.
        cpu: The seconds of CPU time.
    """

    routes: int
    wall: list[float] = attrs.Factory(list)
    cpu: list[float] = attrs.Factory(list)


@attrs.frozen(kw_only=True)
class Scale:
    """All results of a run."""

    pairs: Sequence[Pair]
    starts: Sequence[Starts]
    idle: Idle

    @property
    def holds(self) -> bool:
        """Whether all bars hold."""
        return (
            all(pair.ratio <= MOST for pair in self.pairs)
            and all(median(each.wall) <= START_MOST_S[each.routes] for each in self.starts)
            and self.idle.kept == self.idle.opened
        )


def gate_with(name: str, routes: Sequence[str], origins: Sequence[str]) -> Proxy:
    """Return a gate with these routes and origins.

    Args:
        name: Its name.
        routes: Their prefixes.
        origins: The origins that each route allows.
    """
    gate = next(proxy for proxy in proxies() if proxy.name == GATE)
    tables = (f'[routes."{route}"]\nupstream = "box"\ncors = "pages"\n' for route in routes)
    values = {
        "routes": "\n".join(tables),
        "origins": ", ".join(f'"{origin}"' for origin in origins),
    }
    return attrs.evolve(gate, name=name, config="scale.toml", values=values)


def _routes(count: int) -> list[str]:
    return [_ROUTE.replace(NUMBER, str(number)) for number in range(count)]


def measure(made: Bench, seconds: int, rounds: int) -> Scale:
    """Measure everything.

    Args:
        made: The bench in which the gates run.
        seconds: How long each measurement under load takes.
        rounds: The number of rounds.

    Raises:
        LeftOut: The gate failed a request, or this machine has too few descriptors.
    """
    origins = [_PAGE.replace(NUMBER, str(number)) for number in range(ORIGINS)]
    one = gate_with("one", ["/"], [ORIGIN])
    many_routes = gate_with("routes", _routes(ROUTES), [ORIGIN])
    many_origins = gate_with("origins", ["/"], origins)
    pairs = [Pair(title=f"{ROUTES:,} routes"), Pair(title=f"{ORIGINS:,} origins")]
    _measure_pair(made, pairs[0], (one, _TO_ROUTES), (many_routes, _TO_ROUTES), seconds, rounds)
    _measure_pair(made, pairs[1], (one, _FROM_ONE), (many_origins, _FROM_MANY), seconds, rounds)
    starts = [Starts(routes=count) for count in START_MOST_S]
    _measure_starts(made, starts, rounds)
    _report(f"{IDLE:,} idle connections")
    return Scale(pairs=pairs, starts=starts, idle=measure_idle(made, one, IDLE, seconds))


def _measure_pair(
    made: Bench,
    pair: Pair,
    one: tuple[Proxy, Load],
    many: tuple[Proxy, Load],
    seconds: int,
    rounds: int,
) -> None:
    """Run both gates at the same time, and put them under load in turn."""
    with made.running(one[0]) as first, made.running(many[0]) as second:
        sides = [(*one, first, pair.one), (*many, second, pair.many)]
        for gate, load, daemon, _ in sides:
            made.drive(gate, load, daemon, seconds)
        for number in range(1, rounds + 1):
            _report(f"round {number} of {rounds}, {pair.title}")
            sides.reverse()
            for gate, load, daemon, times in sides:
                times.append(made.sample(gate, load, daemon, seconds).cpu_us)


def _measure_starts(made: Bench, starts: Sequence[Starts], rounds: int) -> None:
    for number in range(1, rounds + 1):
        for each in starts:
            _report(f"round {number} of {rounds}, start with {each.routes:,} routes")
            with made.running(gate_with("start", _routes(each.routes), [ORIGIN])) as daemon:
                each.wall.append(daemon.started_s)
                each.cpu.append(usage(daemon.pid).cpu_s)


def _report(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def markdown(scale: Scale, *, seconds: int, rounds: int) -> str:
    """Return the report.

    Args:
        scale: The results.
        seconds: How long each measurement took.
        rounds: The number of rounds.
    """
    pairs = [
        [
            pair.title,
            f"{median(pair.one):,.0f}",
            f"{median(pair.many):,.0f}",
            f"{pair.ratio:.2f}",
            f"{MOST:.2f}",
            words(pair.ratio, MOST),
        ]
        for pair in scale.pairs
    ]
    starts = [
        [
            f"{each.routes:,} routes",
            f"{median(each.wall):.2f}",
            f"{min(each.wall):.2f}",
            f"{median(each.cpu):.2f}",
            f"{START_MOST_S[each.routes]:.2f}",
            words(median(each.wall), START_MOST_S[each.routes]),
        ]
        for each in scale.starts
    ]
    idle = scale.idle
    facts = [
        ["held, and served again at the end", f"{idle.kept:,} of {idle.opened:,}"],
        ["resident memory for each", f"{idle.kib_each:.1f} KiB"],
        ["total resident memory", f"{idle.rss_mib:.0f} MiB"],
        ["share of a core while no client sends", f"{idle.at_rest:.1%}"],
        ["1 KB on other connections, CPU time per request", f"{idle.beside_us:,.0f} µs"],
        ["the same without them", f"{idle.alone_us:,.0f} µs"],
    ]
    parts = [
        f"Medians of {rounds} round(s) of {seconds} s each; {machine()}.",
        "### CPU time per request, in µs",
        table(["with", "one", "many", "ratio", "at most", "bar"], pairs),
        "### From the start to the first connection, in seconds",
        table(["with", "median", "lowest", "CPU time", "at most", "bar"], starts),
        f"### {idle.opened:,} idle connections",
        table(["figure", "value"], facts),
    ]
    return "\n\n".join(parts) + "\n"


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
        with bench() as made:
            scale = measure(made, options.seconds, options.rounds)
    except LeftOut as error:
        print(f"The benchmark can't be run: {error}.", file=sys.stderr)
        return 1
    report = markdown(scale, seconds=options.seconds, rounds=options.rounds)
    print(report)
    if options.output is not None:
        put(report, options.output, START, END)
    return int(options.check and not scale.holds)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    made.add_argument("--seconds", type=count_of, default=1, help="length of each measurement (1)")
    made.add_argument("--rounds", type=count_of, default=20, help="how many of each (20)")
    made.add_argument("--output", type=Path, metavar="FILE", help="also write the report there")
    made.add_argument("--check", action="store_true", help="exit with 1 if a bar is missed")
    return made


if __name__ == "__main__":
    sys.exit(main())
