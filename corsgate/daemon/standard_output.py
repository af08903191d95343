"""A standard output whose writes never block."""

from __future__ import annotations

from io import TextIOBase
from typing import TextIO

from corsgate.gate.log_writer import LineWriter


class StandardOutput(TextIOBase):
    """Replaces `sys.stdout`, so that its lines go through a `LineWriter`.

    Until `start`, text is written immediately, so that the reason for a failed start is visible.

    Args:
        plain: The process's own standard output.
        writer: Writes to the same descriptor.
    """

    def __init__(self, plain: TextIO, writer: LineWriter) -> None:
        self._plain = plain
        self._writer = writer
        self._started = False

    @property
    def encoding(self) -> str:  # type: ignore[override]  # an attribute there
        """The encoding of its text."""
        return self._plain.encoding

    def write(self, text: str) -> int:
        """Write text. From `start` on, each text is a line."""
        if self._started:
            self._writer.put(text.removesuffix("\n"))
        else:
            self._plain.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the text that was written before `start`."""
        if not self._started:
            self._plain.flush()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._plain.fileno()

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self._plain.isatty()

    def start(self) -> None:
        """Write through the `LineWriter` from now on."""
        self.flush()
        self._started = True
        self._writer.start()
