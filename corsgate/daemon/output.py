"""Standard output as a service: a thread writes to it while the gate runs."""

from __future__ import annotations

import atexit
import sys
from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger

from corsgate.daemon.standard_output import StandardOutput
from corsgate.gate.log_writer import LineWriter


class Output(Service):
    """Standard output, written to by a thread while the gate runs.

    Args:
        reactor: The reactor of the gate.
        max_bytes: The maximum number of bytes that may wait to be written.

    Attributes:
        writer: The writer of the lines.
    """

    _log = Logger()

    def __init__(self, reactor: Any, max_bytes: int) -> None:
        self._reactor = reactor
        self.writer = LineWriter(1, max_bytes, self._warn)
        assert sys.__stdout__ is not None, "the caller checks has_output"
        self._stream = StandardOutput(sys.__stdout__, self.writer)

    def take_over(self, parent: Any) -> None:
        """Replace `sys.stdout` before twistd or twist starts to log to it.

        Args:
            parent: The options of twistd or twist.
        """
        if parent.get("logFile") is sys.stdout:
            # twist has already stored the old one.
            parent["logFile"] = self._stream
        sys.stdout = self._stream

    def startService(self) -> None:
        """Start the thread."""
        super().startService()
        self._stream.start()
        # This can't happen in stopService, since twistd still logs after that.
        atexit.register(self.writer.stop)

    def _warn(self, what: str) -> None:
        self._reactor.callFromThread(self._log.warn, "standard output {what}", what=what)
