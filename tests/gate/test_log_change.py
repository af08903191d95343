"""An access log that a reload moves: opened before anything changes, closed if nothing does."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Config
from corsgate.gate.access_log import AccessLog
from corsgate.gate.log_change import LogChange, log_fault
from corsgate.gate.log_writer import LogFile
from tests.peers import reactor
from tests.support import LISTEN, parse

CONFIG = parse(LISTEN + '[upstreams.a]\nservers = ["http://h"]\n[routes."/"]\nupstream = "a"\n')


def descriptors() -> set[str]:
    """Return the files that this process has open."""
    found = set()
    for each in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{each}"))
        except OSError:
            continue
    return found


def writers() -> int:
    """Return how many threads write logs."""
    return sum(each.name == "corsgate-log" for each in threading.enumerate())


class LogChangeTests(SynchronousTestCase):
    """`LogChange`, from no log to a file, and from file to file."""

    def setUp(self) -> None:
        """Name the files."""
        self.old, self.new = (Path(self.mktemp()).absolute() for _ in range(2))

    def log(self, sink: LogFile | None = None) -> AccessLog:
        """Return the log of a gate."""
        return AccessLog("json", sink, lambda: 0.0, lambda: 0.0)

    def change(self, log: AccessLog, path: Path) -> LogChange:
        """Return its change to a file."""
        return LogChange(log, self.config(path), None, reactor)

    def config(self, path: Path) -> Config:
        """Return a configuration with a log."""
        return attrs.evolve(CONFIG, access_log=str(path))

    def opened(self, path: Path) -> LogFile:
        """Return a log that writes."""
        sink = LogFile(str(path), 1000, lambda text: None)
        sink.start()
        self.addCleanup(sink.close)
        return sink

    def test_discarded(self) -> None:
        """What was opened is closed, its thread ends, and the log stays where it is."""
        for log in (self.log(), self.log(self.opened(self.old))):
            before, threads = log.sink, writers()
            change = self.change(log, self.new)
            self.assertIn(str(self.new), descriptors())
            change.discard()
            self.assertNotIn(str(self.new), descriptors())
            self.assertIs(log.sink, before)
            self.assertEqual(writers(), threads)

    def test_applied(self) -> None:
        """A file that is new writes at once: its thread runs before anything has changed."""
        log = self.log()
        threads = writers()
        change = self.change(log, self.new)
        self.assertEqual(writers(), threads + 1)
        change.apply()
        sink = log.sink
        assert isinstance(sink, LogFile)
        sink.put("line")
        sink.close()
        self.assertEqual(self.new.read_text(), "line\n")

    def test_same_writer(self) -> None:
        """From file to file the same thread goes on; what it had is in the old file."""
        sink = self.opened(self.old)
        log = self.log(sink)
        sink.put("first")
        self.change(log, self.new).apply()
        sink.put("second")
        sink.stop()
        self.assertIs(log.sink, sink)
        self.assertEqual((self.old.read_text(), self.new.read_text()), ("first\n", "second\n"))

    def test_no_thread(self) -> None:
        """Where no thread can be started, nothing is left open, and that is a fault."""

        def fail(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        self.patch(threading.Thread, "start", fail)
        log = self.log()
        with self.assertRaises(OSError) as caught:
            self.change(log, self.new)
        self.assertEqual(caught.exception.errno, errno.EAGAIN)
        self.assertNotIn(str(self.new), descriptors())
        self.assertIsNone(log.sink)
        said = str(log_fault(self.config(self.new), "gate.toml", caught.exception))
        self.assertIn(f"access_log: '{self.new}' can't be opened: no thread", said)
