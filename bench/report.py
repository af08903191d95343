"""What the samples come to: medians in tables, and the bars that the gate is held to."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

import attrs

from bench.loads import LOADS, Load
from bench.measure import GATE, Sample

START, END = "<!-- figures: start -->", "<!-- figures: end -->"
"""Between these lines of a document stand the figures."""

Key: TypeAlias = tuple[str, str]
"""The names of a load and a proxy."""


@attrs.frozen(kw_only=True)
class Bar:
    """How much CPU time the gate may take for one request, as a share of a peer's."""

    load: str
    peer: str
    most: float


BARS: Final = (
    Bar(load="1k", peer="http-proxy", most=0.5),
    Bar(load="1k", peer="caddy", most=0.7),
    Bar(load="1m", peer="http-proxy", most=0.9),
)


@attrs.define
class Results:
    """All that a run has found.

    Attributes:
        samples: By load and proxy, one of each round.
        left_out: Why there are none, by load and proxy.
    """

    samples: dict[Key, list[Sample]] = attrs.Factory(dict)
    left_out: dict[Key, str] = attrs.Factory(dict)

    def cpu_us(self, load: str, proxy: str) -> float | None:
        """Return the median of the CPU time for one request; None where it wasn't measured."""
        samples = self.samples.get((load, proxy))
        return median(sample.cpu_us for sample in samples) if samples else None

    def ratio(self, load: str, peer: str) -> float | None:
        """Return the gate's CPU time for one request over a peer's, or None."""
        ours, theirs = self.cpu_us(load, GATE), self.cpu_us(load, peer)
        return ours / theirs if ours is not None and theirs else None


def bars(results: Results) -> Iterator[tuple[Bar, float | None, bool]]:
    """Return each bar, the gate's ratio (None where it wasn't measured), and whether it holds."""
    for bar in BARS:
        ratio = results.ratio(bar.load, bar.peer)
        yield bar, ratio, ratio is not None and ratio <= bar.most


def markdown(results: Results, *, seconds: int, rounds: int) -> str:
    """Return the report.

    Args:
        results: What was found.
        seconds: How long each measurement took.
        rounds: How many there were of each.
    """
    parts = [f"Medians of {rounds} round(s) of {seconds} s each; {machine()}."]
    for load in LOADS:
        if any(name == load.name for name, _ in (*results.samples, *results.left_out)):
            parts += [f"### {load.title}, {load.connections} connections", _table(results, load)]
            parts += _reasons(results.left_out, load)
    parts += ["### The bars", _bars(results)]
    return "\n\n".join(parts) + "\n"


def put(text: str, path: Path, start_line: str = START, end_line: str = END) -> None:
    """Write the report to a file: between these lines of it, or as the whole."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    before, start, rest = old.partition(start_line)
    _, end, after = rest.partition(end_line)
    if end:
        text = f"{before}{start}\n{text}{end}{after}"
    path.write_text(text, encoding="utf-8")


def _table(results: Results, load: Load) -> str:
    rows = [
        [proxy, *_figures(samples)]
        for (name, proxy), samples in results.samples.items()
        if name == load.name
    ]
    header = ["proxy", "CPU µs/request", "lowest to highest", "requests/s"]
    return table([*header, "p50 ms", "p99 ms", "RSS MiB"], rows)


def _figures(samples: Sequence[Sample]) -> list[str]:
    cpu = [sample.cpu_us for sample in samples]
    return [
        f"{median(cpu):,.0f}",
        f"{min(cpu):,.0f} to {max(cpu):,.0f}",
        f"{median(sample.requests_per_s for sample in samples):,.0f}",
        f"{median(sample.p50_ms for sample in samples):.2f}",
        f"{median(sample.p99_ms for sample in samples):.2f}",
        f"{median(sample.rss_mib for sample in samples):.0f}",
    ]


def _reasons(left_out: Mapping[Key, str], load: Load) -> list[str]:
    return [
        f"Left out: {proxy}, as {reason}."
        for (name, proxy), reason in left_out.items()
        if name == load.name
    ]


def _bars(results: Results) -> str:
    titles = {load.name: load.title for load in LOADS}
    rows = [
        [
            titles[bar.load],
            bar.peer,
            f"{bar.most:.2f}",
            "not measured" if ratio is None else f"{ratio:.2f}",
            "" if ratio is None else "holds" if held else "missed",
        ]
        for bar, ratio, held in bars(results)
    ]
    return table(["load", "against", "at most", "CPU ratio", "bar"], rows)


def machine() -> str:
    """Return what the figures were measured on."""
    return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table of Markdown: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(padded)} |"

    ruler = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(header), line(ruler), *map(line, rows)])


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
