"""The results of a run, and the bars that the gate must meet."""

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
    """All results of a run.

    Attributes:
        samples: One for each round, by load and proxy.
        left_out: The reason for missing samples, by load and proxy.
        pythons: The Python versions of the gates, by name.
    """

    samples: dict[Key, list[Sample]] = attrs.Factory(dict)
    left_out: dict[Key, str] = attrs.Factory(dict)
    pythons: dict[str, str] = attrs.Factory(dict)

    def tried(self, key: Key) -> bool:
        """Return whether the run included a proxy under a load."""
        return key in self.samples or key in self.left_out

    def measured(self, proxy: str) -> bool:
        """Return whether a proxy was measured under any load."""
        return any(name == proxy for _, name in self.samples)

    def cpu_us(self, key: Key) -> float | None:
        """Return the median CPU time per request; None if it wasn't measured."""
        samples = self.samples.get(key)
        return median(sample.cpu_us for sample in samples) if samples else None

    def ratio(self, key: Key, other: Key) -> float | None:
        """Return the ratio of two CPU times: the median of the rounds' ratios.

        Both are measured shortly after each other in each round, so that other work on the machine
        affects them equally.
        """
        ours, theirs = self.samples.get(key), self.samples.get(other)
        if not ours or not theirs:
            return None
        pairs = zip(ours, theirs, strict=True)
        ratios = [mine.cpu_us / other.cpu_us for mine, other in pairs if other.cpu_us]
        return median(ratios) if ratios else None


@attrs.frozen
class Bar:
    """How much CPU time the gate may take per request, relative to another proxy or load.

    Attributes:
        key: The load, and the gate's name.
        other: The load and the proxy to compare it with.
        most: The maximum ratio.
    """

    key: Key
    other: Key
    most: float


@attrs.frozen
class Verdict:
    """The result for a bar.

    Attributes:
        bar: The bar.
        ratio: The measured ratio; None if one of the two wasn't measured.
    """

    bar: Bar
    ratio: float | None

    @property
    def holds(self) -> bool:
        """Whether it was measured and meets the bar."""
        return self.ratio is not None and self.ratio <= self.bar.most

    @property
    def words(self) -> str:
        """Whether it meets the bar, and by how much."""
        return "not measured" if self.ratio is None else words(self.ratio, self.bar.most)


def words(value: float, most: float) -> str:
    """Return whether a value is at most `most`, and by how much, in words."""
    share = value / most - 1
    return f"{'missed' if share > 0 else 'holds'} by {abs(share):.0%}"


def _both(load: str, peer: str, this: float, debian: float) -> tuple[Bar, Bar]:
    """Return a bar for the gate on this Python, and one for the gate on Debian's Python."""
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
    """Yield the result for each bar whose two sides were part of the run.

    A gate without a Python on this machine has no verdicts at all.
    """
    for bar in BARS:
        if results.tried(bar.key) and results.tried(bar.other) and results.measured(bar.key[1]):
            yield Verdict(bar, results.ratio(bar.key, bar.other))
