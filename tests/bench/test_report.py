"""The report: what stands in its tables."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench.bars import Results
from bench.measure import GATE, GATE_DEBIAN
from bench.report import END, START, markdown, put
from tests.bench.samples import results

FOUND = results(
    (("1k", GATE), [40.0, 44.0, 42.0]),
    (("1k", GATE_DEBIAN), [30.0, 33.0, 31.5]),
    (("1k", "caddy"), [80.0, 88.0, 84.0]),
    (("1k", "nginx"), [10.0, 11.0, 10.5]),
    (("http2", GATE), [120.0]),
    (("http2", "caddy"), [100.0]),
    left_out={("http2", "http-proxy"): "it does not support HTTP/2"},
)


def rows(text: str) -> list[list[str]]:
    """Return the cells of a report's tables."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def report(found: Results = FOUND, plot: str | None = None) -> str:
    """Return the report of results."""
    return markdown(found, seconds=3, rounds=3, plot=plot)


class Reports(SynchronousTestCase):
    """The Markdown."""

    def test_has_proxies_as_columns(self) -> None:
        """The first table has each load's CPU times, and no figure where there is none."""
        found = rows(report())
        self.assertEqual(found[0], ["load", GATE, GATE_DEBIAN, "caddy", "nginx"])
        self.assertIn(["1 KB, same fields", "42", "32", "84", "10"], found)
        self.assertIn(["1 KB over HTTP/2", "120", "-", "100", "-"], found)

    def test_has_what_is_lost_beside_what_is_won(self) -> None:
        """Each proxy's row says how the gates are to it, above 1 as below."""
        found = [row[:5] for row in rows(report())]
        self.assertIn(["caddy", "84", "0.50", "0.38", "80 to 88"], found)
        self.assertIn(["nginx", "10", "4.00", "3.00", "10 to 11"], found)
        self.assertIn([GATE, "42", "-", "0.75", "40 to 44"], found)

    def test_has_each_bar(self) -> None:
        """Both gates' bars are there, held or missed."""
        found = rows(report())
        title = "1 KB, same fields"
        self.assertIn([title, GATE, "caddy", "0.55", "0.50", "holds by 9%"], found)
        self.assertIn([title, GATE, "nginx", "3.60", "4.00", "missed by 11%"], found)
        self.assertIn([title, GATE_DEBIAN, "nginx", "3.00", "3.00", "holds by 0%"], found)

    def test_has_no_table_of_no_bars(self) -> None:
        """A run without peers says nothing of bars."""
        self.assertNotIn("The bars", report(results((("1k", GATE), [40.0]))))

    def test_compares_the_gate_with_itself(self) -> None:
        """What the default log costs is held against a file."""
        found = rows(report(results((("1k", GATE), [40.0]), (("unlogged", GATE), [50.0]))))
        itself = "itself, 1 KB, same fields"
        self.assertIn(["1 KB, no access_log", GATE, itself, "1.05", "1.25", "missed by 19%"], found)

    def test_says_who_is_left_out(self) -> None:
        """The reason stands below the load's table."""
        self.assertIn("\nLeft out: http-proxy, as it does not support HTTP/2.\n", report())

    def test_shows_the_plot(self) -> None:
        """It is shown where one was made."""
        self.assertIn("](performance.svg)\n", report(plot="performance.svg"))
        self.assertNotIn(".svg", report())


class Put(SynchronousTestCase):
    """Where the report is written."""

    def test_replaces_the_old_one(self) -> None:
        """What stands around it in a document stays."""
        path = Path(self.mktemp())
        path.write_text(f"before\n{START}\nold\n{END}\nafter\n", encoding="utf-8")
        put("new\n", path)
        self.assertEqual(path.read_text(), f"before\n{START}\nnew\n{END}\nafter\n")

    def test_makes_a_file(self) -> None:
        """A file that has no place for it holds nothing else."""
        path = Path(self.mktemp())
        put("new\n", path)
        self.assertEqual(path.read_text(), "new\n")
