"""The daemon's own lines."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import fail
from twisted.logger import LogEvent, Logger, LogLevel
from twisted.python import log as legacy
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.daemon.log_lines import (
    MAX_MESSAGE,
    MAX_TRACEBACK,
    is_noise,
    json_line,
    text_lines,
)
from corsgate.gate.log_style import Place
from tests.gate.fakes import collected

_COLOR = re.compile(r"\x1b\[[0-9;]*m")


def event(level: LogLevel = LogLevel.info, text: str = "words", **fields: Any) -> LogEvent:
    """Return an event as a Logger makes it."""
    events: list[LogEvent] = []
    observer: Any = events.append
    logger = Logger(namespace="corsgate.x", observer=observer)
    logger.emit(level, "{text}", text=text, **fields)
    return {**events[0], "log_time": 1.0625}


def failure(message: str) -> Failure:
    """Return a failure whose frame has a secret."""
    secret = "hunter2"
    try:
        raise ValueError(message, len(secret))
    except ValueError:
        return Failure()


class JsonTests(SynchronousTestCase):
    """`json_line`."""

    def test_members(self) -> None:
        """It says when, how grave, who and what; warnings are not called warn."""
        found = json.loads(json_line(event(LogLevel.warn), Place.FILE))
        self.assertEqual(
            found,
            {
                "time": "1970-01-01T00:00:01.062Z",
                "level": "warning",
                "logger": "corsgate.x",
                "message": "words",
            },
        )

    def test_fields(self) -> None:
        """The request and route that it is about can be looked for; anything else can't."""
        found = json.loads(json_line(event(id="ab-1", route="/v1", other="x"), Place.FILE))
        self.assertEqual((found["id"], found["route"]), ("ab-1", "/v1"))
        self.assertNotIn("other", found)

    def test_traceback(self) -> None:
        """A failure has its traceback, in the same line."""
        made = event(log_failure=failure("broken"))
        line = json_line(made, Place.FILE)
        self.assertNotIn("\n", line)
        self.assertIn("ValueError: ('broken', 7)", json.loads(line)["traceback"])
        self.assertNotIn("hunter2", line.replace('secret = "hunter2"', ""))

    def test_journal(self) -> None:
        """In the journal it has the priority."""
        self.assertTrue(json_line(event(LogLevel.error), Place.JOURNAL).startswith('<3>{"time"'))

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Any text is one line of ASCII, and comes back."""
        line = json_line(event(text=text), Place.FILE)
        self.assertTrue(line.isascii() and line.isprintable())
        self.assertEqual(json.loads(line)["message"], text.strip())


class TextTests(SynchronousTestCase):
    """`text_lines`."""

    def test_levels(self) -> None:
        """What is not information says so in a word, or by its priority in the journal."""
        for level, word, priority in (
            (LogLevel.debug, "debug: ", 7),
            (LogLevel.info, "", 6),
            (LogLevel.warn, "warning: ", 4),
            (LogLevel.error, "error: ", 3),
            (LogLevel.critical, "critical: ", 2),
        ):
            made = event(level)
            self.assertEqual(text_lines(made, Place.FILE), f"1970-01-01T00:00:01.062Z {word}words")
            self.assertRegex(text_lines(made, Place.TERMINAL), rf"^\d\d:\d\d:01 {word}words$")
            self.assertEqual(text_lines(made, Place.JOURNAL), f"<{priority}>words")

    def test_colors(self) -> None:
        """On a terminal a warning is yellow; without its colours, it is as on any other."""
        shown = text_lines(event(LogLevel.warn), Place.COLOR_TERMINAL)
        self.assertIn("\x1b[33mwarning: words\x1b[0m", shown)
        plain = text_lines(event(LogLevel.warn), Place.TERMINAL)
        self.assertEqual(_COLOR.sub("", shown), plain)

    def test_traceback(self) -> None:
        """Each line of a traceback has the priority, and none but the first begins a new entry."""
        made = event(LogLevel.critical, log_failure=failure("broken"))
        first, *rest = text_lines(made, Place.JOURNAL).split("\n")
        self.assertEqual(first, "<2>words")
        self.assertEqual(rest[0], "<2>  Traceback (most recent call last):")
        self.assertTrue(all(line.startswith("<2>  ") for line in rest), rest)
        self.assertEqual(rest[-1].strip(), "<2>  builtins.ValueError: ('broken', 7)")

    def test_unhandled(self) -> None:
        """The second of Twisted's events for a lost Deferred, which has no words, gets some."""
        with collected() as events:
            fail(ValueError("lost"))
        self.flushLoggedErrors(ValueError)
        shown = [text_lines(each, Place.JOURNAL) for each in events]
        self.assertEqual(shown[0], "<2>Unhandled error in Deferred:")
        self.assertTrue(shown[1].startswith("<2>builtins.ValueError: lost\n<2>  Trace"), shown[1])

    def test_legacy(self) -> None:
        """So does an error by the old way of logging: its traceback is there once."""
        with collected() as events:
            legacy.err(failure("broken"), "it failed")
        self.flushLoggedErrors(ValueError)
        shown = text_lines(events[0], Place.JOURNAL)
        self.assertTrue(shown.startswith("<2>it failed\n<2>  Traceback"), shown)
        self.assertEqual(shown.count("broken"), text_lines(events[0], Place.FILE).count("broken"))
        self.assertEqual(shown.count("Traceback"), 1)

    @given(st.text(), st.text(), st.sampled_from(Place))
    def test_nothing_raw(self, text: str, said: str, place: Place) -> None:
        """Nothing that moves a cursor gets through, and no line passes for an entry of its own."""
        lines = text_lines(event(text=text, log_failure=failure(said)), place).split("\n")
        for line in lines:
            self.assertTrue(_COLOR.sub("", line).isprintable(), line)
        begins = ("<6>  ",) if place is Place.JOURNAL else ("  ",)
        self.assertTrue(all(line.startswith(begins) for line in lines[1:]), lines)


class Bounds(SynchronousTestCase):
    """No line is without end."""

    def test_message(self) -> None:
        """A message is cut."""
        for place in Place:
            self.assertLess(len(text_lines(event(text="x" * 10**6), place)), MAX_MESSAGE + 100)
        self.assertLess(len(json_line(event(text="x" * 10**6), Place.FILE)), MAX_MESSAGE + 200)

    def test_traceback(self) -> None:
        """Of a traceback the end is kept, where the exception is."""
        made = event(log_failure=failure("x" * 10**6 + "END"))
        line = json_line(made, Place.FILE)
        self.assertLess(len(line), MAX_TRACEBACK + 200)
        self.assertIn("END", line)


class NoiseTests(SynchronousTestCase):
    """`is_noise`."""

    def test_twisted_chatter(self) -> None:
        """What Twisted says of itself is noise; its warnings and errors are not."""
        for namespace in ("log_legacy", "twisted.application.app.AppLogger", "twisted.internet"):
            self.assertTrue(is_noise({"log_level": LogLevel.info, "log_namespace": namespace}))
            for level in (LogLevel.warn, LogLevel.error, LogLevel.critical):
                self.assertFalse(is_noise({"log_level": level, "log_namespace": namespace}))

    def test_ours(self) -> None:
        """Our own information and a plugin's are not, nor what is printed; debugging is."""
        for namespace in ("corsgate.gate.service", "stdout", "twistedly", "other.plugin"):
            self.assertFalse(is_noise({"log_level": LogLevel.info, "log_namespace": namespace}))
            self.assertTrue(is_noise({"log_level": LogLevel.debug, "log_namespace": namespace}))
