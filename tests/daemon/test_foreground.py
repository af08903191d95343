"""The daemon in the foreground, without twistd."""

from __future__ import annotations

from pathlib import Path

from tests.processes.test_run import RunTestCase


class EndingTests(RunTestCase):
    """How it ends."""

    async def test_fault(self) -> None:
        """A configuration with a fault ends it with status 78, and without a traceback."""
        path = Path(self.mktemp()).absolute()
        path.write_text("nonsense = 1\n", "utf-8")
        gate = self.run_gate("--config", str(path))
        self.assertEqual(await gate.ended(), 78)
        self.assertIn("nonsense", gate.errors)
        self.assertNotIn("Traceback", gate.said)
