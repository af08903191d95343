"""The log of what was put right."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from corsgate.upstream.repair_log import RepairLog
from corsgate.upstream.repairs import Repair
from tests.gate.fakes import logged


class LogTests(TestCase):
    def test_once(self) -> None:
        """Each kind is logged once for each server, with what it is and how to reject it."""
        lines = logged(self)
        logs = [RepairLog("http://10.0.0.11:8000"), RepairLog("http://10.0.0.12:8000")]
        for log in (*logs, *logs):
            log.note(Repair.BARE_LF, 1)
            log.note(Repair.BAD_LINE, 3)
            log.note(Repair.BARE_LF, 1)
        first, second, third, _ = lines()
        self.assertIn("http://10.0.0.11:8000 sent a head with bare LF line ends: ", first)
        self.assertIn("strict_responses = true rejects it", first)
        self.assertIn("an invalid name (3 times): ", second)
        self.assertIn("http://10.0.0.12:8000", third)
