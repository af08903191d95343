"""Results of the benchmark, made up."""

from __future__ import annotations

from bench.bars import Key, Results
from bench.measure import Sample


def sample(cpu_us: float) -> Sample:
    """Return a sample with a CPU time for one request."""
    return Sample(cpu_us=cpu_us, requests_per_s=8000.0, p50_ms=7.5, p99_ms=10.25, rss_mib=62.0)


def results(*times: tuple[Key, list[float]], left_out: dict[Key, str] | None = None) -> Results:
    """Return results with these CPU times, one of each round."""
    samples = {key: [sample(each) for each in own] for key, own in times}
    return Results(samples=samples, left_out=left_out or {})
