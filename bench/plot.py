"""Plot the CPU times as SVG, with a panel for each load and a bar for each proxy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape

from bench.bars import Results
from bench.loads import Load
from bench.measure import GATES
from bench.report import tried_loads, tried_proxies

COLUMNS: Final = 2
_BAR, _STEP, _HEAD, _GAP = 12, 17, 26, 18
_NAMES, _BARS, _VALUES = 125, 230, 65
_PANEL: Final = _NAMES + _BARS + _VALUES
_STYLE: Final = """\
text { font: 12px sans-serif; fill: #24292f; }
.title { font-weight: bold; }
.name { text-anchor: end; }
.gate { fill: #c2410c; }
.peer { fill: #64748b; }
.range { stroke: #24292f; }
.page { fill: #ffffff; }"""


def plot(results: Results) -> str:
    """Return the plot of a run's results.

    Each panel has its own scale, starting at 0. Thin lines show the range of the rounds.
    """
    names = tried_proxies(results)
    loads = tried_loads(results)
    height = _HEAD + len(names) * _STEP + _GAP
    panels = [
        f'<g transform="translate({index % COLUMNS * _PANEL} {index // COLUMNS * height})">\n'
        + "\n".join(_panel(results, load, names))
        + "\n</g>"
        for index, load in enumerate(loads)
    ]
    size = COLUMNS * _PANEL, -(-len(loads) // COLUMNS) * height
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" role="img">',
        "<title>CPU µs per request; less is better</title>",
        f"<style>\n{_STYLE}\n</style>",
        '<rect class="page" width="100%" height="100%"/>',
        *panels,
    ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(results: Results, load: Load, names: list[str]) -> Iterator[str]:
    yield f'<text class="title" x="{_NAMES}" y="18">{escape(load.title)}, µs</text>'
    samples = {name: results.samples.get((load.name, name), []) for name in names}
    most = max((each.cpu_us for own in samples.values() for each in own), default=0.0)
    scale = _BARS / most if most else 0.0
    tried = [name for name in names if results.tried((load.name, name))]
    for index, name in enumerate(tried):
        top = _HEAD + index * _STEP
        base = top + _BAR - 2
        yield f'<text class="name" x="{_NAMES - 6}" y="{base}">{escape(name)}</text>'
        cpu_us = results.cpu_us((load.name, name))
        if cpu_us is None:
            yield f'<text x="{_NAMES}" y="{base}">not measured</text>'
            continue
        kind = "gate" if name in GATES else "peer"
        width = cpu_us * scale
        yield (f'<rect class="{kind}" x="{_NAMES}" y="{top}" width="{width:.1f}" height="{_BAR}"/>')
        own = [each.cpu_us * scale for each in samples[name]]
        low, high = _NAMES + min(own), _NAMES + max(own)
        middle = top + _BAR / 2
        yield f'<path class="range" d="M{low:.1f} {middle}H{high:.1f}"/>'
        yield f'<text x="{high + 5:.1f}" y="{base}">{cpu_us:,.0f}</text>'
