"""wrk and h2load: how they are called, and what their words come to."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench.drivers import Outcome, h2load_command, h2load_outcome, wrk_command
from bench.loads import LOADS
from bench.processes import LeftOut

H2LOAD = """\
progress: 100% of clients started
Application protocol: h2

finished in {seconds}s, 1382.67 req/s, 1.39MB/s
requests: 14 total, 16 started, {done} done, {succeeded} succeeded, 1 failed, {errored} errored, 0 timeout
status codes: 13 2xx, 0 3xx, 1 4xx, 0 5xx
traffic: 4.17KB (4270) total, 438B (438) headers (space savings 96.28%), 4.05KB (4147) data
                     min         max         mean         sd        +/- sd
time for request:    21.05ms     78.40ms     45.37ms     10.90ms    72.71%
"""  # noqa: E501 - h2load writes it so
LOG = [f"1795952966570403\t200\t{took}" for took in (900, 100, 300, 200)]
BY_NAME = {load.name: load for load in LOADS}


def written(*, done: int = 14, succeeded: int = 14, errored: int = 0) -> str:
    """Return what h2load writes."""
    return H2LOAD.format(seconds="3.50", done=done, succeeded=succeeded, errored=errored)


class H2load(SynchronousTestCase):
    """What h2load writes."""

    def test_tells_figures(self) -> None:
        """Counts and times are taken from its summary, latencies from its log."""
        self.assertEqual(
            h2load_outcome(written(), LOG),
            Outcome(
                requests=14,
                bytes=4147,
                duration_us=3_500_000,
                failed=0,
                p50_us=300,
                p99_us=900,
            ),
        )

    def test_counts_failures(self) -> None:
        """An error status and a broken connection are failures."""
        self.assertEqual(h2load_outcome(written(succeeded=13, errored=2), LOG).failed, 3)

    def test_must_be_its_own(self) -> None:
        """What isn't h2load's summary is told, not taken for no requests."""
        self.assertRaises(LeftOut, h2load_outcome, "h2load: not found", LOG)
        self.assertRaises(LeftOut, h2load_outcome, written(), [])


class Commands(SynchronousTestCase):
    """What is run."""

    def test_wrk_repeats_one_request(self) -> None:
        """Without numbers in it, wrk makes the request once."""
        command = wrk_command("wrk", BY_NAME["put"], "http://127.0.0.1:1/put", 3)
        self.assertEqual(command[command.index("--") + 1 :][:3], ["PUT", "200", "-1"])

    def test_wrk_numbers_requests(self) -> None:
        """With a number in a field, each request has another."""
        command = wrk_command("wrk", BY_NAME["varying"], "http://127.0.0.1:1/1k.json", 3)
        self.assertEqual(command[command.index("--") + 1 :][:3], ["GET", "0", "0"])
        self.assertIn('"{n}"', command)

    def test_h2load_has_all_fields(self) -> None:
        """The header is that of the other loads."""
        load = BY_NAME["http2"]
        command = h2load_command("h2load", load, "https://127.0.0.1:1/", 3, Path("log"))
        fields = [word for word in command if word.startswith("--header=")]
        self.assertEqual(len(fields), len(load.fields))
        self.assertIn("--header=Origin: http://localhost:4200", fields)
