"""What a run has found, and the bars that the gate is held to."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Final, TypeAlias

import attrs

from bench.measure import GATE, GATE_DEBIAN, GATES, Sample

Key: TypeAlias = tuple[str, str]
"""The names of a load and a proxy."""


@attrs.define
class Results:
    """All that a run has found.

    Attributes:
        samples: By load and proxy, one of each round.
        left_out: Why there are none, by load and proxy.
        pythons: The versions that the gates run on, by their names.
    """

    samples: dict[Key, list[Sample]] = attrs.Factory(dict)
    left_out: dict[Key, str] = attrs.Factory(dict)
    pythons: dict[str, str] = attrs.Factory(dict)

    def tried(self, key: Key) -> bool:
        """Return whether a proxy was to be put under a load."""
        return key in self.samples or key in self.left_out

    def measured(self, proxy: str) -> bool:
        """Return whether a proxy was measured under any load."""
        return any(name == proxy for _, name in self.samples)

    def cpu_us(self, key: Key) -> float | None:
        """Return the median of the CPU time for one request; None where it wasn't measured."""
        samples = self.samples.get(key)
        return median(sample.cpu_us for sample in samples) if samples else None

    def ratio(self, key: Key, other: Key) -> float | None:
        """Return the CPU time of one over that of another: the median of each round's ratio.

        Both are measured within a short time in each round, so that what else the machine does
        meets them alike.
        """
        ours, theirs = self.samples.get(key), self.samples.get(other)
        if not ours or not theirs:
            return None
        pairs = zip(ours, theirs, strict=True)
        ratios = [mine.cpu_us / other.cpu_us for mine, other in pairs if other.cpu_us]
        return median(ratios) if ratios else None


@attrs.frozen
class Bar:
    """How much CPU time the gate may take for one request, as a share of another's.

    Attributes:
        key: The load, and the gate by its name.
        other: The load and the proxy that it is held against.
        most: The share.
    """

    key: Key
    other: Key
    most: float


@attrs.frozen
class Verdict:
    """What came of a bar.

    Attributes:
        bar: The bar.
        ratio: What it was, or None where one of the two wasn't measured.
    """

    bar: Bar
    ratio: float | None

    @property
    def holds(self) -> bool:
        """Whether it was measured and is within the bar."""
        return self.ratio is not None and self.ratio <= self.bar.most

    @property
    def words(self) -> str:
        """Whether it holds, and by how much."""
        return "not measured" if self.ratio is None else words(self.ratio, self.bar.most)


def words(value: float, most: float) -> str:
    """Return whether a value is at most so much, and by how much it is or isn't."""
    share = value / most - 1
    return f"{'missed' if share > 0 else 'holds'} by {abs(share):.0%}"


def _both(load: str, peer: str, this: float, debian: float) -> tuple[Bar, Bar]:
    """Return a bar for the gate on this Python and for that on Debian's."""
    other = load, peer
    return Bar((load, GATE), other, this), Bar((load, GATE_DEBIAN), other, debian)


BARS: Final = (
    *_both("1k", "caddy", 0.55, 0.47),
    *_both("1k", "http-proxy", 0.65, 0.55),
    *_both("1k", "nginx", 3.6, 3.0),
    *(Bar(("unlogged", gate), ("1k", gate), 1.05) for gate in GATES),
    *_both("varying", "caddy", 0.85, 0.75),
    *_both("varying", "http-proxy", 1.0, 0.9),
    *_both("put", "caddy", 0.9, 0.8),
    *_both("chunked", "caddy", 0.9, 0.8),
    *_both("1m", "caddy", 0.95, 0.9),
    *_both("1m", "http-proxy", 0.6, 0.6),
    *_both("1m", "nginx", 1.4, 1.4),
    *_both("upload", "caddy", 0.95, 0.9),
    *_both("upload", "http-proxy", 0.6, 0.6),
    *_both("upload", "nginx", 1.4, 1.4),
    *_both("tls", "caddy", 0.75, 0.62),
    *_both("tls", "http-proxy", 0.6, 0.6),
    *_both("preflight", "caddy", 0.55, 0.47),
    *_both("preflight", "http-proxy", 1.4, 1.4),
    *_both("preflight", "nginx", 3.0, 3.0),
    *_both("http2", "caddy", 1.1, 1.0),
)


def verdicts(results: Results) -> Iterator[Verdict]:
    """Yield what came of each bar whose two sides the run was to measure.

    A gate that this machine has no Python for has no verdicts at all.
    """
    for bar in BARS:
        if results.tried(bar.key) and results.tried(bar.other) and results.measured(bar.key[1]):
            yield Verdict(bar, results.ratio(bar.key, bar.other))
