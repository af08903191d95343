"""Makes the lines of the daemon's own log from Twisted's log events."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import attrs
from twisted.logger import LogEvent, LogLevel, formatEvent
from twisted.python.failure import Failure

from corsgate.gate.access_text import time_of_day
from corsgate.gate.log_style import Place
from corsgate.gate.log_text import cut, printable

MAX_MESSAGE = 8192
"""The maximum number of characters of a message in a line."""

MAX_TRACEBACK = 16384
"""The maximum number of characters of a traceback; the end is kept, since it has the exception."""

_MEMBERS = ("id", "route", "upstream", "server")
"""The fields of events that are also members of a JSON line, so that lines can be found by them."""


@attrs.frozen
class Level:
    """The format of lines of one level.

    Attributes:
        name: The level's name in JSON.
        priority: The journal's priority, as in syslog(3).
        word: The text before the message in other places.
        color: The colour of the message on a terminal, a key of `log_style.ESCAPES`.
    """

    name: str
    priority: int
    word: str = ""
    color: str = ""


_INFO = Level("info", 6)
_LEVELS = {
    "debug": Level("debug", 7, "debug: ", "dim"),
    "info": _INFO,
    "warn": Level("warning", 4, "warning: ", "yellow"),
    "error": Level("error", 3, "error: ", "red"),
    "critical": Level("critical", 2, "critical: ", "bold red"),
}


def is_noise(event: LogEvent) -> bool:
    """Return whether an event is of no use to an operator.

    These are events for debugging, and Twisted's own messages: its version, the start and stop of
    factories, the end of the main loop.
    """
    level = event.get("log_level", LogLevel.info)
    if level is LogLevel.debug:
        return True
    namespace = str(event.get("log_namespace", ""))
    return level is LogLevel.info and (
        namespace == "log_legacy" or namespace.partition(".")[0] == "twisted"
    )


def json_line(event: LogEvent, place: Place) -> str:
    """Return an event as a JSON object in one line of ASCII.

    It always has ``time``, ``level``, ``logger`` and ``message``. A line of the access log has
    neither ``level`` nor ``message``. In the journal it also has the event's priority.

    Args:
        event: The event.
        place: The destination.
    """
    message, traceback = _said(event)
    members: dict[str, Any] = {
        "time": _stamp(event),
        "level": _level(event).name,
        "logger": str(event.get("log_namespace", "")),
        "message": message,
    }
    for name in _MEMBERS:
        value = event.get(name)
        if isinstance(value, str) and value:
            members[name] = cut(value, MAX_MESSAGE)
    if traceback:
        members["traceback"] = traceback
    return _prefix(event, place) + json.dumps(members)


def text_lines(event: LogEvent, place: Place) -> str:
    """Return an event as text for people: a line, or several for a traceback.

    All lines except the first start with a blank, so that no message looks like two. In the
    journal each line has the event's priority.

    Args:
        event: The event.
        place: The destination.
    """
    level = _level(event)
    message, traceback = _said(event)
    first, *more = message.split("\n")
    first = printable(first)
    indented = [f"  {printable(line)}" for line in (*more, *traceback.splitlines()) if line]
    if place is Place.JOURNAL:
        prefix = _prefix(event, place)
        return "\n".join([prefix + line for line in (first, *indented)])
    first = place.paint(level.color, level.word + first)
    when = place.paint("dim", time_of_day(_time(event))) if place.is_terminal else _stamp(event)
    return "\n".join([f"{when} {first}", *indented])


def _prefix(event: LogEvent, place: Place) -> str:
    """Return the priority in the journal's format (sd-daemon(3)); empty in other places."""
    return f"<{_level(event).priority}>" if place is Place.JOURNAL else ""


def _level(event: LogEvent) -> Level:
    level = event.get("log_level")
    return _LEVELS.get(level.name, _INFO) if level is not None else _INFO


def _said(event: LogEvent) -> tuple[str, str]:
    """Return an event's message, and its traceback or an empty text."""
    message = formatEvent(event).strip()
    failure = event.get("log_failure")
    if not isinstance(failure, Failure):
        return cut(message, MAX_MESSAGE), ""
    # The default form has source lines, but never the values of variables.
    traceback = failure.getTraceback().rstrip()
    if not message:
        # Twisted logs an unhandled error in a Deferred as two events, the second without a message.
        message = traceback.rpartition("\n")[2].removeprefix("Failure: ")
    if len(traceback) > MAX_TRACEBACK:
        traceback = "..." + traceback[3 - MAX_TRACEBACK :]
    return cut(message, MAX_MESSAGE), traceback


def _time(event: LogEvent) -> float:
    return float(event.get("log_time", 0.0))


def _stamp(event: LogEvent) -> str:
    when = datetime.fromtimestamp(_time(event), UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"
