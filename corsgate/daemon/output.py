"""Standard output as a service: a thread writes the log to it while the gate runs."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger, LogLevel

from corsgate.config.model.values import Config
from corsgate.daemon.log_observer import LogObserver
from corsgate.daemon.log_place import place_of
from corsgate.daemon.standard_output import StandardOutput
from corsgate.gate.log_style import OutputLines, daemon_format, line_format
from corsgate.gate.log_writer import LineWriter


class Output(Service):
    """Standard output, which a thread writes to while the gate runs.

    Args:
        reactor: The reactor of the gate.
        config: The gate's configuration.

    Attributes:
        lines: Writes lines to it.
        has_summary: Whether a person reads it, so that a start is summarized.
    """

    _log = Logger()

    def __init__(self, reactor: Any, config: Config) -> None:
        self._reactor = reactor
        self._config = config
        self._writer = LineWriter(1, config.limits.max_buffered_log_bytes, self._warn)
        assert sys.__stdout__ is not None, "the caller checks has_output"
        self._stream = StandardOutput(sys.__stdout__, self._writer)
        self._place = place_of(1, os.environ)
        self.has_summary = False
        self.lines = OutputLines(self._writer.put, self._place, lambda: self._writer.lost_lines)

    def take_over(self, parent: Any) -> LogObserver | None:
        """Replace `sys.stdout`, and write the daemon's log to it as the gate's own lines.

        Options that choose another log take precedence.

        Args:
            parent: The options of twistd or twist.

        Returns:
            The observer for twistd to use; None if it is not needed.
        """
        replaced, sys.stdout = sys.stdout, self._stream
        if "logFile" not in parent:
            chosen = parent.get("logger") or parent.get("syslog")
            if chosen or parent.get("logfile") not in (None, "", "-"):
                return None
            return self._observer(None)
        # twist has already stored the old stream, and makes its observer itself.
        if parent["logFile"] is replaced:
            usual = "text" if replaced.isatty() else "json"
            chosen = parent["logFormat"]
            observer = self._observer(
                chosen if chosen != usual else None, verbose=parent["logLevel"] is LogLevel.debug
            )
            parent["logFile"] = self._stream
            parent["fileLogObserverFactory"] = lambda _: observer
        return None

    def startService(self) -> None:
        """Start the thread."""
        super().startService()
        self._stream.start()
        # Not in stopService, since twistd still logs after that.
        atexit.register(self._writer.stop)

    def _observer(self, chosen: str | None, *, verbose: bool = False) -> LogObserver:
        """Return an observer.

        Args:
            chosen: The format in twist's options; None for that of the configuration.
            verbose: Whether to also write lines for debugging.
        """
        config, place = self._config, self._place
        # On a terminal, the line of a refused request has the reason, so a warning adds nothing.
        is_read_there = place.is_terminal and config.access_log in (None, "-")
        has_reasons = is_read_there and line_format(config.log_format, place) == "text"
        log_format = chosen or daemon_format(config.log_format, place)
        self.has_summary = place.is_terminal and log_format == "text"
        return LogObserver(
            self._write,
            log_format,
            place,
            verbose=verbose,
            hidden=("corsgate.gate.refusals",) if has_reasons else (),
            summarizes=self.has_summary,
        )

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def _warn(self, what: str) -> None:
        self._reactor.callFromThread(self._log.warn, "standard output {what}", what=what)
