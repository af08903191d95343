"""``make bench-calls``: what a request takes, and that it takes no more than it did."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from types import FrameType

import attrs
from twisted.trial.unittest import SynchronousTestCase

from bench.call_loads import LOADS
from bench.calls import PINS, PYTHON, Pin, count, main, table, where
from bench.counting import Counts


class PinTests(SynchronousTestCase):
    """What a request takes is what is pinned."""

    if sys.version_info[:2] != PYTHON:
        skip = "the pins are for Python 3.11: others compile the same source to other bytecodes"

    def check(self, name: str) -> None:
        """Count what one load takes."""
        (load,) = (load for load in LOADS if load.name == name)
        self.assertEqual(PINS[name].faults(count(load)), [])

    def test_same_fields(self) -> None:
        """A GET with the fields of the one before."""
        self.check("1k")

    def test_one_field_differs(self) -> None:
        """A GET with one field that none before had."""
        self.check("varying")

    def test_preflight(self) -> None:
        """A preflight, which is not forwarded."""
        self.check("preflight")

    def test_put(self) -> None:
        """An upload that comes in one piece with its head."""
        self.check("put")

    def test_put_that_drips(self) -> None:
        """An upload that comes in five pieces."""
        self.check("put-drip")

    def test_chunked_response(self) -> None:
        """A GET whose response is chunked."""
        self.check("chunked")

    def test_http2(self) -> None:
        """A GET over HTTP/2 with the fields of the one before."""
        self.check("get-http2")

    def test_admin(self) -> None:
        """The same GET where the gate counts what it serves: at most 8 calls more."""
        self.check("admin")
        self.assertLessEqual(PINS["admin"].calls.count - PINS["1k"].calls.count, 8)

    def test_all_are_checked(self) -> None:
        """Each load has a pin and a test."""
        self.assertEqual([load.name for load in LOADS], list(PINS))
        tests = [name for name in dir(self) if name.startswith("test_")]
        self.assertEqual(len(tests), len(PINS) + 1)


class CountTests(SynchronousTestCase):
    """The counts are the gate's, and always the same."""

    def test_always_the_same(self) -> None:
        """Another gate takes as much."""
        (preflight,) = (load for load in LOADS if load.name == "preflight")
        counts = [count(preflight) for _ in range(2)]
        found = [(each.calls_each, each.c_calls_each, each.bytecodes_each) for each in counts]
        self.assertEqual(found[0], found[1])

    def test_wrong_responses_are_seen(self) -> None:
        """Where the client gets something else than it should, nothing is counted."""
        with self.assertRaises(AssertionError):
            count(attrs.evolve(LOADS[0], status=b"HTTP/1.1 404 Not Found\r\n"))

    def test_what_is_left_out(self) -> None:
        """What stands in for the network doesn't count, but what it calls does."""

        def called() -> None:
            len("")

        def fake() -> None:
            len("")
            exec(compile("called()", "elsewhere.py", "exec"), {"called": called})

        counts = Counts(frozenset((__file__,)))
        counts.call(fake)
        counts.exchanges = 1
        self.assertEqual([each.name for each in counts.functions], ["elsewhere.py:<module>"])
        self.assertEqual((counts.calls_each, counts.c_calls_each), (1, 0))

    def test_tools_stay(self) -> None:
        """A debugger's or a coverage tool's function is back when the call has ended."""

        def tool(frame: FrameType, event: str, _: object) -> None:
            pass

        before = sys.gettrace()
        sys.settrace(tool)
        try:
            Counts(frozenset()).call(len, "")
            self.assertIs(sys.gettrace(), tool)
        finally:
            sys.settrace(before)


class ReportTests(SynchronousTestCase):
    """What is said of the counts."""

    def test_faults(self) -> None:
        """A pin has 5 % of room above; past 15 % below it is too high to be of use."""
        pin = Pin(100)
        self.assertIsNone(pin.fault(105))
        self.assertIsNone(pin.fault(85))
        self.assertEqual(
            pin.fault(105.1),
            "105 are more than 100 and 5 %: shorten the path, or raise the pin and give the reason",
        )
        self.assertEqual(pin.fault(84.9), "85 are less than 100 by more than 15 %: lower the pin")

    def test_table(self) -> None:
        """Each load has a row, where its pins and bars stand beside what was counted."""
        counts = Counts(frozenset())
        counts.exchanges = 1
        head, row = table({"chunked": counts}).splitlines()
        pins = PINS["chunked"]
        self.assertEqual(head.split().count("pin"), 2)
        self.assertEqual(
            row.split(),
            [
                "chunked",
                *("0", f"{pins.calls.count:,}", "190", "0"),
                *("0", f"{pins.bytecodes.count:,}", "-"),
            ],
        )

    def test_command(self) -> None:
        """Loads can be chosen; one that is not there is a fault of the command line."""
        said = StringIO()
        with redirect_stdout(said):
            status = main(["preflight"])
        self.assertEqual(status, 0, said.getvalue())
        self.assertEqual(said.getvalue().splitlines()[1].split()[0], "preflight")
        with redirect_stderr(said), self.assertRaises(SystemExit):
            main(["postflight"])
        self.assertIn("there is no load postflight", said.getvalue())

    def test_where(self) -> None:
        """Functions are listed by their bytecodes, with their files, and with what all took."""

        def little() -> None:
            pass

        def much() -> None:
            for _ in range(3):
                little()

        counts = Counts(frozenset())
        counts.call(much)
        counts.exchanges = 2
        _, first, second, last = where(counts).splitlines()
        own = "tests/bench/test_calls.py:ReportTests.test_where.<locals>"
        self.assertEqual(first.split()[1:], ["0.50", f"{own}.much"])
        self.assertEqual(second.split()[1:], ["1.50", f"{own}.little"])
        self.assertEqual(last.split()[1:], ["2.00", "2", "functions"])
