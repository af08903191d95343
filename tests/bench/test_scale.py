"""What many routes, origins and idle connections cost: configurations, bars and report."""

from __future__ import annotations

import re
import tomllib

import attrs
from twisted.trial.unittest import SynchronousTestCase

from bench.idle import Idle
from bench.scale import Pair, Scale, Starts, gate_with, markdown
from tests.bench.test_report import rows
from tests.tree import ROOT

FOUND = Scale(
    pairs=[
        Pair(title="1,000 routes", one=[40.0, 400.0, 50.0], many=[41.0, 410.0, 51.0]),
        Pair(title="10,000 origins", one=[50.0], many=[52.5]),
    ],
    starts=[
        Starts(routes=100, wall=[0.5, 0.7, 0.6], cpu=[0.5, 0.5, 0.5]),
        Starts(routes=1000, wall=[0.9], cpu=[0.8]),
    ],
    idle=Idle(
        opened=10_000,
        kept=10_000,
        kib_each=5.25,
        rss_mib=117.0,
        at_rest=0.01,
        alone_us=40.0,
        beside_us=44.0,
    ),
)


class Gates(SynchronousTestCase):
    """The gates that are measured."""

    def test_have_all_routes_and_origins(self) -> None:
        """The file has each of them."""
        gate = gate_with("many", ["/a", "/b"], ["https://a.example", "https://b.example"])
        text = (ROOT / "bench" / "configs" / gate.config).read_text(encoding="utf-8")
        values = {**gate.values, "listen": "", "log": ""}
        file = tomllib.loads(re.sub("@([a-z]+)@", lambda found: values.get(found[1], ""), text))
        self.assertEqual(set(file["routes"]), {"/a", "/b"})
        pages = file["cors"]["pages"]
        self.assertEqual(pages["allow_origins"], ["https://a.example", "https://b.example"])
        self.assertEqual({route["cors"] for route in file["routes"].values()}, {"pages"})


class Bars(SynchronousTestCase):
    """What the gate is held to."""

    def test_hold(self) -> None:
        """All is within the bars, those at the bar too."""
        self.assertTrue(FOUND.holds)

    def test_ratio_is_the_median_of_rounds(self) -> None:
        """Rounds in which all was slow count like any other."""
        self.assertEqual(FOUND.pairs[0].ratio, 1.025)

    def test_are_missed_one_by_one(self) -> None:
        """What is beyond any one of them isn't held."""
        slow = [*FOUND.pairs, Pair(title="x", one=[50.0], many=[53.0])]
        self.assertFalse(attrs.evolve(FOUND, pairs=slow).holds)
        late = [Starts(routes=1000, wall=[1.1], cpu=[1.0])]
        self.assertFalse(attrs.evolve(FOUND, starts=late).holds)
        lost = attrs.evolve(FOUND.idle, kept=9_999)
        self.assertFalse(attrs.evolve(FOUND, idle=lost).holds)


class Reports(SynchronousTestCase):
    """The Markdown."""

    def test_has_all_figures(self) -> None:
        """Each is in a table, with its bar where it has one."""
        found = rows(markdown(FOUND, seconds=2, rounds=3))
        self.assertIn(["1,000 routes", "50", "51", "1.02", "1.05", "holds by 2%"], found)
        self.assertIn(["100 routes", "0.60", "0.50", "0.50", "0.60", "holds by 0%"], found)
        self.assertIn(["held, and served again at the end", "10,000 of 10,000"], found)
        self.assertIn(["resident memory for each", "5.2 KiB"], found)
