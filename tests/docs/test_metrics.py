"""``docs/howto/metrics.md``: the configuration of Prometheus is one that it accepts."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.programs import require
from tests.prose import Prose
from tests.tree import ROOT, run

PAGE = Prose.read("docs/howto/metrics.md")


class PrometheusTests(SynchronousTestCase):
    """What Prometheus reads."""

    def test_configuration(self) -> None:
        """promtool accepts it, with the rules of this checkout."""
        promtool = require("promtool", "prometheus")
        (block,) = PAGE.blocks("yaml")
        self.assertIn("/etc/corsgate/alerts.yml", block)
        file = Path(self.mktemp()).resolve()
        file.write_text(block.replace("/etc/corsgate/", f"{ROOT}/etc/"), "utf-8")
        done = run([promtool, "check", "config", file], ROOT)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("rules found", done.stdout)
