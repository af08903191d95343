"""Lines are whole in the log, or counted as lost; nobody waits for it."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.log_writer import MAX_WRITE_BYTES, LineWriter, LogFile, open_log_file

NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
PATIENCE_S = 120.0


class Disk:
    """Stands for `os.write`: it takes so many bytes, and then says that it is full.

    Attributes:
        room: How many bytes there is room for; None for any number.
        writes: How many bytes each call was given.
        refused: Set as soon as it has said that it is full.
    """

    def __init__(self, room: int | None = None) -> None:
        self.room = room
        self.writes: list[int] = []
        self.refused = Event()

    def write(self, descriptor: int, data: bytes) -> int:
        """Write what there is room for."""
        self.writes.append(len(data))
        size = len(data) if self.room is None else min(len(data), self.room)
        if not size:
            self.refused.set()
            raise NO_SPACE
        if self.room is not None:
            self.room -= size
        return os.write(descriptor, data[:size])


class WriterTestCase(SynchronousTestCase):
    """Writers into files of their own."""

    def setUp(self) -> None:
        """Listen to what is told."""
        self.told: list[str] = []

    def open(self, path: Path) -> int:
        """Return a descriptor to append to a file with."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def writer(
        self,
        descriptor: int,
        write: Callable[[int, bytes], int] = os.write,
        *,
        max_bytes: int = 1 << 20,
        retry_s: float = 0.001,
    ) -> LineWriter:
        """Return a writer that has not started, and ends with the test."""
        writer = LineWriter(descriptor, max_bytes, self.told.append, write=write, retry_s=retry_s)
        self.addCleanup(writer.stop)
        return writer

    def path(self) -> Path:
        """Return a path of no file."""
        return Path(self.mktemp()).absolute()


class Writing(WriterTestCase):
    """What is put is written, in order and in few writes."""

    def test_all(self) -> None:
        """All lines are there once it has stopped, those put before it started first."""
        path = self.path()
        writer = self.writer(self.open(path))
        for number in range(100):
            writer.put(f"line {number}")
        writer.start()
        for number in range(100, 5000):
            writer.put(f"line {number}")
        self.assertEqual(writer.stop(PATIENCE_S), 0)
        self.assertEqual(path.read_text().splitlines(), [f"line {n}" for n in range(5000)])
        self.assertEqual(self.told, [])

    def test_few_writes(self) -> None:
        """Lines are written together, as many as a pipe takes whole, and only whole ones."""
        disk = Disk()
        path = self.path()
        writer = self.writer(self.open(path), disk.write)
        line = "x" * 299
        for _ in range(1000):
            writer.put(line)
        writer.start()
        writer.stop(PATIENCE_S)
        self.assertEqual(path.read_bytes(), b"%s\n" % line.encode() * 1000)
        self.assertEqual(set(disk.writes[:-1]), {300 * (MAX_WRITE_BYTES // 300)})

    def test_characters_of_any_kind(self) -> None:
        """Half a character, which UTF-8 has not, costs no line."""
        path = self.path()
        writer = self.writer(self.open(path))
        writer.start()
        writer.put("\ud800 \x80")
        writer.stop(PATIENCE_S)
        self.assertEqual(path.read_bytes(), b"\\ud800 \xc2\x80\n")


class FullDisk(WriterTestCase):
    """A disk that is full leaves no half lines behind."""

    def test_short_write(self) -> None:
        """What was written in part is completed, whatever the part."""
        for room in range(30):
            path, disk = self.path(), Disk(room)
            writer = self.writer(self.open(path), disk.write)
            for line in ("first....", "second...", "third...."):
                writer.put(line)
            writer.start()
            self.assertTrue(disk.refused.wait(PATIENCE_S))
            disk.room = None
            # It has to come back to it by itself: a stop gives up.
            self.wait_for(path, 30)
            self.assertEqual(writer.stop(PATIENCE_S), 0)
            self.assertEqual(path.read_text(), "first....\nsecond...\nthird....\n")

    def wait_for(self, path: Path, size: int) -> None:
        """Wait until a file has so many bytes."""
        until_s = time.monotonic() + PATIENCE_S
        while path.stat().st_size < size:
            self.assertLess(time.monotonic(), until_s)
            os.sched_yield()

    def test_told_once(self) -> None:
        """That lines wait is told when it begins, and at its end with the number of the lost."""
        path, disk = self.path(), Disk(0)
        told = Event()

        def tell(what: str) -> None:
            self.told.append(what)
            if "again" in what:
                told.set()

        writer = LineWriter(self.open(path), 100, tell, write=disk.write, retry_s=0.001)
        self.addCleanup(writer.stop)
        writer.start()
        for _ in range(50):
            writer.put("x" * 19)
        self.assertTrue(disk.refused.wait(PATIENCE_S))
        disk.room = None
        self.assertTrue(told.wait(PATIENCE_S))
        text = path.read_text()
        self.assertEqual(set(text.splitlines()), {"x" * 19})
        lost = 50 - len(text) // 20
        self.assertEqual(lost, 45)
        self.assertEqual(len(self.told), 3, self.told)
        self.assertTrue(any(what.startswith("can't be written to (No space") for what in self.told))
        self.assertEqual(self.told[-1], f"is being written to again; {lost} line(s) were lost")

    def test_end(self) -> None:
        """At the end it gives up, and says how many lines that cost."""
        writer = self.writer(os.open("/dev/full", os.O_WRONLY), retry_s=PATIENCE_S)
        writer.start()
        for _ in range(3):
            writer.put("x")
        self.assertEqual(writer.stop(PATIENCE_S), 3)

    def test_another_file(self) -> None:
        """Lines that wait for a full disk go whole to the file that it is switched to."""
        old, new, disk = self.path(), self.path(), Disk(14)
        writer = self.writer(self.open(old), disk.write, retry_s=PATIENCE_S)
        writer.start()
        writer.put("first....")
        writer.put("second...")
        writer.put("third....")
        self.assertTrue(disk.refused.wait(PATIENCE_S))
        disk.room = None
        writer.switch(self.open(new))
        self.assertEqual(writer.stop(PATIENCE_S), 0)
        self.assertTrue(old.read_text().startswith("first....\n"))
        self.assertEqual(new.read_text(), "second...\nthird....\n")

    def test_cut_by_another(self) -> None:
        """A line whose beginning was cut off meanwhile, to make room, is written whole."""
        path, disk = self.path(), Disk(4)
        writer = self.writer(self.open(path), disk.write)
        writer.put("first....")
        writer.start()
        self.assertTrue(disk.refused.wait(PATIENCE_S))
        os.truncate(path, 0)
        disk.room = None
        self.wait_for(path, 10)
        writer.stop(PATIENCE_S)
        self.assertEqual(path.read_text(), "first....\n")


class Blocked(WriterTestCase):
    """A pipe that nobody reads."""

    def setUp(self) -> None:
        """Make one."""
        super().setUp()
        self.reading, self.writing = os.pipe()
        self.addCleanup(os.close, self.reading)

    def test_nobody_waits(self) -> None:
        """What does not fit is lost and counted; neither a line nor the end waits for a reader."""
        writer = self.writer(self.writing, max_bytes=100_000)
        writer.start()
        for _ in range(20_000):
            writer.put("x" * 99)
        lost = writer.stop(0.0)
        self.assertEqual(len(self.told), 1, self.told)
        # The pipe has 64 KiB, or less where its user has many; the rest waits or is lost.
        self.assertTrue(18_000 < lost <= 20_000, lost)
        self.assertTrue(18_000 < writer.lost_lines <= lost, writer.lost_lines)

    def test_goes_on(self) -> None:
        """Once it is read again, lines go on, each whole, and the log says what is missing."""
        over = Event()
        writer = LineWriter(
            self.writing,
            10_000,
            lambda what: over.set() if "again" in what else None,
            retry_s=0.001,
        )
        writer.start()
        for _ in range(2000):
            writer.put("x" * 99)
        os.set_blocking(self.reading, False)
        data, until_s = b"", time.monotonic() + PATIENCE_S
        while not over.is_set():
            self.assertLess(time.monotonic(), until_s)
            try:
                data += os.read(self.reading, 1 << 16)
            except BlockingIOError:
                os.sched_yield()
        writer.put("last")
        self.assertEqual(writer.stop(PATIENCE_S), 0)
        data += os.read(self.reading, 1 << 16)
        *lines, last = data.decode().splitlines()
        self.assertEqual((set(lines), last), ({"x" * 99}, "last"))

    def test_shared_with_one_who_does_not_block(self) -> None:
        """A pipe that somebody else has made non-blocking loses nothing to a slow reader."""
        os.set_blocking(self.writing, False)
        writer = self.writer(self.writing)
        writer.start()
        for _ in range(2000):
            writer.put("x" * 99)
        data = b""
        while len(data) < 200_000:
            data += os.read(self.reading, 1 << 16)
        self.assertEqual(data, (b"x" * 99 + b"\n") * 2000)
        self.assertEqual((writer.stop(PATIENCE_S), self.told), (0, []))


class Files(WriterTestCase):
    """Files that are renamed under it, or were left in the midst of a line."""

    def test_reopened(self) -> None:
        """Lines put before it is opened again are in the old file, however late."""
        path = self.path()
        file = LogFile(str(path), 1 << 20, self.told.append)
        file.put("before")
        old = path.with_name(f"{path.name}.1")
        path.rename(old)
        file.put("between")
        file.switch(str(path), open_log_file(str(path)))
        file.put("after")
        file.start()
        self.assertEqual(file.stop(PATIENCE_S), 0)
        self.assertEqual(old.read_text(), "before\nbetween\n")
        self.assertEqual(path.read_text(), "after\n")
        self.assertEqual(path.stat().st_mode & 0o037, 0)

    def test_half_a_line(self) -> None:
        """What a process left that was killed in the midst of a line is ended first."""
        for left, text in (("ha", "ha\nnext\n"), ("whole\n", "whole\nnext\n"), ("", "next\n")):
            path = self.path()
            path.write_text(left)
            file = LogFile(str(path), 1 << 20, self.told.append)
            file.put("next")
            file.start()
            file.stop(PATIENCE_S)
            self.assertEqual(path.read_text(), text)
