"""What Twisted's log goes through."""

from __future__ import annotations

import json
from typing import Any

from twisted.logger import ILogObserver, Logger
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from corsgate.daemon.log_observer import LogObserver
from corsgate.gate.log_style import Place


class ObserverTests(SynchronousTestCase):
    """`LogObserver`."""

    def observe(self, log_format: str = "text", **options: Any) -> tuple[list[str], Any]:
        """Return the list that lines come into, and an observer."""
        written: list[str] = []
        return written, LogObserver(written.append, log_format, Place.JOURNAL, **options)

    def test_interface(self) -> None:
        """It is one that Twisted takes."""
        _, observer = self.observe()
        verifyObject(ILogObserver, observer)

    def test_written(self) -> None:
        """An event is a line with its end, in the format."""
        written, observer = self.observe()
        Logger(namespace="corsgate.x", observer=observer).warn("words")
        self.assertEqual(written, ["<4>words\n"])
        written, observer = self.observe("json")
        Logger(namespace="corsgate.x", observer=observer).warn("words")
        self.assertEqual(json.loads(written[0].removeprefix("<4>"))["message"], "words")

    def test_left_out(self) -> None:
        """Noise is not written, unless everything is; nor is what is hidden."""
        written, observer = self.observe(hidden=("corsgate.quiet",))
        Logger(namespace="corsgate.quiet", observer=observer).error("hidden")
        Logger(namespace="twisted.x", observer=observer).info("noise")
        Logger(namespace="corsgate.x", observer=observer).debug("noise")
        self.assertEqual(written, [])
        written, observer = self.observe(verbose=True)
        Logger(namespace="twisted.x", observer=observer).info("noise")
        Logger(namespace="corsgate.x", observer=observer).debug("noise")
        self.assertEqual(written, ["<6>noise\n", "<7>noise\n"])
