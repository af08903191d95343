"""The gate's state in one line."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.daemon.status_text import Figures, LastReload, draining, serving

FIGURES = Figures(requests=0, connections=0, servers=1, down=(), config_age_s=0.0)


class StatusTextTests(SynchronousTestCase):
    def test_idle(self) -> None:
        """A gate that has just started."""
        self.assertEqual(
            serving(FIGURES, None),
            "serving 0 requests on 0 connections; 1 server up; configuration in force for 0 s",
        )

    def test_busy(self) -> None:
        """Servers that are down are named, but not all of many."""
        figures = attrs.evolve(
            FIGURES,
            requests=1,
            connections=12,
            servers=7,
            down=[f"http://10.0.0.{number}" for number in range(1, 6)],
            config_age_s=7300,
        )
        self.assertEqual(
            serving(figures, None),
            "serving 1 request on 12 connections; 2 of 7 servers up, down: http://10.0.0.1,"
            " http://10.0.0.2, http://10.0.0.3 and 2 more; configuration in force for 2 h",
        )

    def test_last_reload(self) -> None:
        """The last reload's first fault is there, and how many others there were."""
        text = serving(FIGURES, LastReload(trigger="SIGHUP", age_s=61, faults=()))
        self.assertTrue(text.endswith("; last reload (SIGHUP) 1 min ago succeeded"), text)
        failed = LastReload(trigger="SIGHUP", age_s=200_000, faults=("a.toml:3: bad", "b", "c"))
        self.assertTrue(
            serving(FIGURES, failed).endswith(
                "; last reload (SIGHUP) 2 d ago failed, the old configuration is kept:"
                " a.toml:3: bad (and 2 more faults)"
            )
        )

    def test_draining(self) -> None:
        """What is left, and for how long."""
        figures = attrs.evolve(FIGURES, requests=2, connections=3)
        self.assertEqual(
            draining(figures, 24.6),
            "draining 2 requests on 3 connections; cut in 25 s at the latest",
        )
        self.assertIn("cut in 0 s", draining(figures, -3))
