"""Writes Twisted's log to standard output as the gate's own lines."""

from __future__ import annotations

from collections.abc import Callable, Collection

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from corsgate.daemon.log_lines import is_noise, json_line, text_lines
from corsgate.gate.log_style import Place


@implementer(ILogObserver)
class LogObserver:
    """Writes log events as lines.

    Args:
        write: Writes text, given with its line end; it never blocks.
        log_format: ``json`` or ``text``.
        place: Where the lines go.
        verbose: Whether to also write events that are of no use to an operator.
        hidden: The namespaces whose events are not written.
        summarizes: Whether a summary of the start replaces the events that are part of it. These
            have a field `in_summary`.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        log_format: str,
        place: Place,
        *,
        verbose: bool = False,
        hidden: Collection[str] = (),
        summarizes: bool = False,
    ) -> None:
        self._write = write
        self._is_json = log_format == "json"
        self._place = place
        self._verbose = verbose
        self._hidden = hidden
        self._summarizes = summarizes

    def __call__(self, event: LogEvent) -> None:
        """Write an event."""
        if (is_noise(event) and not self._verbose) or event.get("log_namespace") in self._hidden:
            return
        if self._summarizes and event.get("in_summary"):
            return
        make = json_line if self._is_json else text_lines
        self._write(make(event, self._place) + "\n")
