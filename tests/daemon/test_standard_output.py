"""Standard output that nobody waits for."""

from __future__ import annotations

from io import StringIO
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from corsgate.daemon.standard_output import StandardOutput


class Writer:
    """Stands where a `LineWriter` does."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.started = False

    def put(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)

    def start(self) -> None:
        """Note it."""
        self.started = True


class StandardOutputTests(SynchronousTestCase):
    """`StandardOutput`."""

    def test_before_and_after(self) -> None:
        """Text is written at once until the writer starts, and line by line from then on."""
        plain, writer = StringIO(), Writer()
        lines: Any = writer
        output = StandardOutput(plain, lines)
        self.assertEqual(output.write("why it did not start\n"), 21)
        self.assertEqual((plain.getvalue(), writer.lines), ("why it did not start\n", []))
        output.start()
        self.assertTrue(writer.started)
        output.write("one\n")
        output.write("two")
        output.flush()
        self.assertEqual(writer.lines, ["one", "two"])
        self.assertEqual(plain.getvalue(), "why it did not start\n")

    def test_passes_for_it(self) -> None:
        """Whoever asks hears what the process's own would say."""
        plain, writer = StringIO(), Writer()
        lines: Any = writer
        output = StandardOutput(plain, lines)
        self.assertEqual((output.isatty(), output.encoding), (False, plain.encoding))
        self.assertRaises(OSError, output.fileno)
