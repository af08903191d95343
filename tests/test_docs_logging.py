"""``docs/reference/logging.md``: what it shows is what is logged."""

from __future__ import annotations

import json
import re

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.limits import Limits
from corsgate.config.model.values import LOG_FORMATS
from corsgate.daemon import log_lines
from corsgate.gate import access_log
from corsgate.gate.log_style import Place, daemon_format, line_format
from corsgate.gate.refusals import MAX_LINES_PER_SECOND
from corsgate.gate.start_lines import MAX_SHOWN
from tests.gate.test_access_log_bounds import line, request
from tests.prose import Prose

PAGE = Prose.read("docs/reference/logging.md")


def table(beginning: str) -> list[list[str]]:
    """Return the cells of the rows of a table, without its head."""
    rows = PAGE.text.split(f"| {beginning} ")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


class LoggingTests(SynchronousTestCase):
    """The page."""

    def test_formats(self) -> None:
        """The table says what each format means in each place."""
        rows = table("`log_format`")
        self.assertEqual([re.findall(r'"(\w+)"', row[0])[0] for row in rows], sorted_formats())
        for row in rows:
            chosen = re.findall(r'"(\w+)"', row[0])[0]
            places = (Place.TERMINAL, Place.JOURNAL, Place.FILE)
            for place, cell in zip(places, row[1:], strict=True):
                if chosen == "combined":
                    self.assertEqual(line_format(chosen, place), "combined")
                    self.assertEqual(daemon_format(chosen, place), "text")
                else:
                    self.assertEqual(line_format(chosen, place), cell.lower().split()[0])

    def test_members(self) -> None:
        """Each member of a line is described, and nothing else."""
        daemon = named(table("member of a daemon's line"))
        found = ["time", "level", "logger", "message", *log_lines._MEMBERS, "traceback"]
        self.assertEqual(daemon, found)
        asked = (
            *("origin", "user-agent"),
            *("access-control-request-method", "access-control-request-headers"),
        )
        traced = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        whole = request(
            {**dict.fromkeys(asked, b"x"), "traceparent": traced},
            method=b"OPTIONS",
            client="c",
            route="/",
            server="s",
            tried=["t"],
            outcome="o",
            ungranted="u",
        )
        members = set(json.loads(line(whole)))
        self.assertEqual(set(named(table("member of a request's line"))), members)

    def test_examples(self) -> None:
        """The examples are lines as the gate writes them."""
        (block,) = PAGE.blocks("json")
        daemon, asked = (json.loads(each) for each in block.splitlines())
        self.assertLessEqual(set(daemon), set(named(table("member of a daemon's line"))))
        self.assertLessEqual(set(asked), set(named(table("member of a request's line"))))
        (shown,) = PAGE.blocks("text")
        start, _, lines = shown.partition("Ctrl-C stops the gate.\n\n")
        labels = re.findall(r"(?m)^  ([A-Z][a-z]+)  ", start)
        self.assertEqual(labels, ["Gate", "Status", "Routes", "Upstreams"])
        for each in lines.splitlines():
            self.assertRegex(each, r"^\d\d:\d\d:\d\d (\d{3} [A-Z]+ /.*  [0-9.]+ ms  /v1|[a-z])")

    def test_bounds(self) -> None:
        """The figures are those of the code."""
        self.assertEqual(Limits().max_buffered_log_bytes, 4 * 1024 * 1024)
        self.assertEqual((access_log.MAX_VALUE_BYTES, access_log.MAX_LINE_BYTES), (512, 4096))
        self.assertIn(f"the first {MAX_SHOWN} are shown", PAGE.text)
        self.assertIn(f"and {MAX_LINES_PER_SECOND} per second in all", PAGE.text)


def sorted_formats() -> list[str]:
    """Return the formats in the order of the table."""
    return sorted(LOG_FORMATS, key=["auto", "text", "json", "combined"].index)


def named(rows: list[list[str]]) -> list[str]:
    """Return the names in the first cells."""
    return [name for row in rows for name in re.findall(r"`(\w+)`", row[0])]
