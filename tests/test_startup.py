"""What a start has to import, which is most of the time that it takes."""

from __future__ import annotations

import json
import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.tree import ROOT, run

_MOST = 1000
"""A bound on all modules, Twisted's and Python's own too. An import of one costs some 0.6 ms."""

_SCRIPT = """
import json, sys
import twisted.scripts.twistd, corsgate.tap
print(json.dumps(sorted(sys.modules)))
"""


class Imports(SynchronousTestCase):
    def test_only_what_a_gate_needs(self) -> None:
        """None of what only other commands, tests or HTTP/2 need, and not ever more."""
        done = run([sys.executable, "-c", _SCRIPT], ROOT, {"PYTHONPATH": str(ROOT)})
        self.assertEqual(done.stderr, "")
        modules = json.loads(done.stdout)
        for name in ("corsgate.cli", "corsgate.demo", "corsgate.server.http2", "prometheus_client"):
            found = [each for each in modules if f"{each}.".startswith(f"{name}.")]
            # The package may be there, but none of what it holds.
            self.assertEqual([each for each in found if each != name], [], name)
        self.assertIn("corsgate.gate.service", modules)
        self.assertLess(len(modules), _MOST)
