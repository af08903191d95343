"""Report the samples as Markdown: medians, ratios, and the results for the bars."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from bench.bars import Results, Verdict, verdicts
from bench.loads import LOADS, Load
from bench.measure import GATES, Sample

START, END = "<!-- figures: start -->", "<!-- figures: end -->"
"""The lines of a document between which the figures are put."""

NONE: Final = "-"
"""The text for a missing figure."""


def markdown(results: Results, *, seconds: int, rounds: int, plot: str | None = None) -> str:
    """Return the report.

    Args:
        results: The results.
        seconds: How long each measurement took.
        rounds: The number of rounds.
        plot: The path of the plot, relative to the report; None without a plot.
    """
    parts = [f"Medians of {rounds} round(s) of {seconds} s each; {machine()}."]
    parts += [_pythons(results)] if results.pythons else []
    parts += ["### CPU time per request, in µs", _matrix(results)]
    parts += [f"![The CPU time of each proxy, load by load, as in the table]({plot})"] * bool(plot)
    judged = list(verdicts(results))
    parts += ["### The bars", _bars(judged)] if judged else []
    for load in tried_loads(results):
        parts += [f"### {load.described}", _table(results, load), *_reasons(results, load)]
    return "\n\n".join(parts) + "\n"


def put(text: str, path: Path, start_line: str = START, end_line: str = END) -> None:
    """Write the report to a file: between the two lines, or as the whole file without them."""
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    before, start, rest = old.partition(start_line)
    _, end, after = rest.partition(end_line)
    if end:
        text = f"{before}{start}\n{text}{end}{after}"
    path.write_text(text, encoding="utf-8")


def tried_loads(results: Results) -> list[Load]:
    """Return the loads of a run."""
    names = {name for name, _ in (*results.samples, *results.left_out)}
    return [load for load in LOADS if load.name in names]


def tried_proxies(results: Results) -> list[str]:
    """Return the proxies that a run has measured under any load, in order."""
    return list(dict.fromkeys(proxy for _, proxy in results.samples))


def _pythons(results: Results) -> str:
    gates = (f"{gate} runs on Python {version}" for gate, version in results.pythons.items())
    return f"{', '.join(gates)}."


def _matrix(results: Results) -> str:
    names = tried_proxies(results)
    rows = [
        [load.title, *(_figure(results.cpu_us((load.name, name)), ",.0f") for name in names)]
        for load in tried_loads(results)
    ]
    return table(["load", *names], rows)


def _bars(judged: Sequence[Verdict]) -> str:
    titles = {load.name: load.title for load in LOADS}
    rows = []
    for verdict in judged:
        (load, gate), (other_load, other) = verdict.bar.key, verdict.bar.other
        against = other if other_load == load else f"itself, {titles[other_load]}"
        most, ratio = f"{verdict.bar.most:.2f}", _figure(verdict.ratio, ".2f")
        rows.append([titles[load], gate, against, most, ratio, verdict.words])
    return table(["load", "gate", "against", "at most", "CPU ratio", "bar"], rows)


def _table(results: Results, load: Load) -> str:
    gates = [gate for gate in GATES if results.measured(gate)]
    ratios = [f"{gate} over it" for gate in gates]
    header = ["proxy", "CPU µs/request", *ratios, "lowest to highest", "requests/s"]
    return table([*header, "p50 ms", "p99 ms", "RSS MiB"], list(_rows(results, load, gates)))


def _rows(results: Results, load: Load, gates: Sequence[str]) -> Iterator[list[str]]:
    for proxy in tried_proxies(results):
        key = load.name, proxy
        if key not in results.samples:
            continue
        ratios = (
            NONE if gate == proxy else _figure(results.ratio((load.name, gate), key), ".2f")
            for gate in gates
        )
        yield [
            proxy,
            _figure(results.cpu_us(key), ",.0f"),
            *ratios,
            *_other_figures(results.samples[key]),
        ]


def _other_figures(samples: Sequence[Sample]) -> list[str]:
    cpu = [sample.cpu_us for sample in samples]
    return [
        f"{min(cpu):,.0f} to {max(cpu):,.0f}",
        f"{median(sample.requests_per_s for sample in samples):,.0f}",
        f"{median(sample.p50_ms for sample in samples):.2f}",
        f"{median(sample.p99_ms for sample in samples):.2f}",
        f"{median(sample.rss_mib for sample in samples):.0f}",
    ]


def _reasons(results: Results, load: Load) -> list[str]:
    return [
        f"Left out: {proxy}, as {reason}."
        for (name, proxy), reason in results.left_out.items()
        if name == load.name
    ]


def _figure(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form)


def machine() -> str:
    """Describe the machine and the Python of the measurement."""
    return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, with the first column aligned left and the others right."""
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
