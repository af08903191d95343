"""The trace that a request belongs to."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.trace_context import trace_id

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = b"00f067aa0ba902b7"


class TraceTests(SynchronousTestCase):
    """`trace_id`."""

    def test_valid(self) -> None:
        """The id is read, also from a version to come."""
        for value in (
            b"00-%b-%b-01" % (TRACE, PARENT),
            b"00-%b-%b-00" % (TRACE, PARENT),
            b"cc-%b-%b-01" % (TRACE, PARENT),
            b"cc-%b-%b-01-what-comes" % (TRACE, PARENT),
        ):
            self.assertEqual(trace_id([value]), TRACE.decode())

    def test_invalid(self) -> None:
        """Anything else has no id, so that no client writes what it likes into the log."""
        good = b"00-%b-%b-01" % (TRACE, PARENT)
        for values in (
            [],
            [good, good],
            [b""],
            [good.upper()],
            [good + b"-more"],
            [b"cc" + good[2:] + b"more"],
            [b"ff" + good[2:]],
            [b"00-%b-%b-01" % (b"0" * 32, PARENT)],
            [b"00-%b-%b-01" % (TRACE, b"0" * 16)],
            [b" " + good],
            [good + b"\n"],
            [good[:-1]],
        ):
            self.assertEqual(trace_id(values), "", values)
