"""Where a descriptor's lines go."""

from __future__ import annotations

import os
import socket

from twisted.trial.unittest import SynchronousTestCase

from corsgate.daemon.log_place import is_journal, marked, place_of
from corsgate.gate.log_style import Place


class PlaceTests(SynchronousTestCase):
    """`place_of` and `is_journal`."""

    def terminal(self) -> int:
        """Return the descriptor of a terminal."""
        controller, terminal = os.openpty()
        self.addCleanup(os.close, controller)
        self.addCleanup(os.close, terminal)
        return terminal

    def test_terminal(self) -> None:
        """A terminal has colours unless the user or the terminal says that it has none."""
        terminal = self.terminal()
        for environ, place in (
            ({"TERM": "xterm"}, Place.COLOR_TERMINAL),
            ({"TERM": "xterm", "NO_COLOR": ""}, Place.COLOR_TERMINAL),
            ({"TERM": "xterm", "NO_COLOR": "1"}, Place.TERMINAL),
            ({"TERM": "dumb"}, Place.TERMINAL),
            ({}, Place.TERMINAL),
        ):
            self.assertIs(place_of(terminal, environ), place, environ)

    def test_journal(self) -> None:
        """The journal is found by device and inode, so not where the output goes elsewhere."""
        ours, journal = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(journal.close)
        found = os.fstat(journal.fileno())
        stream = f"{found.st_dev}:{found.st_ino}"
        self.assertIs(place_of(journal.fileno(), {"JOURNAL_STREAM": stream}), Place.JOURNAL)
        self.assertIs(place_of(ours.fileno(), {"JOURNAL_STREAM": stream}), Place.FILE)
        inherited = {"JOURNAL_STREAM": stream, "TERM": "xterm"}
        self.assertIs(place_of(self.terminal(), inherited), Place.COLOR_TERMINAL)
        environ = {"JOURNAL_STREAM": stream}
        self.assertEqual(marked("a\nb", journal.fileno(), environ), "<3>a\n<3>b")
        self.assertEqual(marked("a\nb", ours.fileno(), environ), "a\nb")
        for odd in ("", ":", "1", f"{stream}:", f" {stream}", "x:y"):
            self.assertFalse(is_journal(journal.fileno(), {"JOURNAL_STREAM": odd}), odd)

    def test_closed(self) -> None:
        """A closed descriptor is no journal."""
        reading, writing = os.pipe()
        os.close(reading)
        os.close(writing)
        self.assertFalse(is_journal(writing, {"JOURNAL_STREAM": "1:1"}))
