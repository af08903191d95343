"""What a drain did fits in one line."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.drain_report import DrainReport
from corsgate.transport.endless import Fate


class ReportTests(SynchronousTestCase):
    def test_nothing(self) -> None:
        """A drain in which nothing ended says only that nothing was cut."""
        self.assertEqual(str(DrainReport(seconds=0.04)), "0.0 s: nothing was cut")

    def test_words(self) -> None:
        """Each kind is counted by how it ended."""
        report = DrainReport(seconds=5.23)
        for kind, fate, lost, count in (
            ("request", Fate.NONE, False, 12),
            ("request", Fate.NONE, True, 1),
            ("WebSocket", Fate.ENDED, False, 2),
            ("WebSocket", Fate.CUT, True, 1),
            ("event stream", Fate.ENDED, False, 1),
            ("upload", Fate.CUT, False, 2),
        ):
            for _ in range(count):
                report.count(kind, fate, lost=lost)
        self.assertEqual(
            str(report),
            "5.2 s: 12 requests finished, 2 WebSockets closed, 1 event stream closed,"
            " 1 request left by the client; cut: 1 WebSocket, 2 uploads",
        )

    def test_nothing_cut(self) -> None:
        """Where all finished, it says that nothing was cut."""
        report = DrainReport(seconds=1)
        report.count("request", Fate.NONE)
        self.assertEqual(str(report), "1.0 s: 1 request finished; nothing was cut")

    def test_plural(self) -> None:
        """Of a kind that is described, the noun gets the plural."""
        report = DrainReport()
        for _ in range(2):
            report.count("request without a response", Fate.CUT)
        self.assertEqual(str(report), "0.0 s: cut: 2 requests without a response")
