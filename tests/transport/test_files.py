"""What may stand in the place of a file, and what may not."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from twisted.trial.unittest import SynchronousTestCase

from corsgate.transport.files import (
    MAX_FILE_BYTES,
    check_regular,
    open_to_append,
    read_file,
    read_given,
    who_reads,
    who_writes,
)


class FileTestCase(SynchronousTestCase):
    """A test case with a directory of its own, whose path is short enough for a socket."""

    def setUp(self) -> None:
        """Make it."""
        made = TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.directory = Path(made.name)

    def file(self, content: bytes = b"x", mode: int = 0o600) -> str:
        """Return the path of a file."""
        path = self.directory / "file"
        path.write_bytes(content)
        path.chmod(mode)
        return str(path)

    def odd(self) -> dict[str, str]:
        """Return what is no regular file, with why it is none."""
        fifo, link, place = (self.directory / name for name in ("fifo", "link", "socket"))
        os.mkfifo(fifo)
        link.symlink_to(fifo)
        bound = socket.socket(socket.AF_UNIX)
        self.addCleanup(bound.close)
        bound.bind(str(place))
        return {
            str(fifo): "it is a FIFO, not a file",
            str(link): "it is a FIFO, not a file",
            str(place): "it is a socket, not a file",
            "/dev/zero": "it is a device, not a file",
            "/dev/null": "it is a device, not a file",
            "/dev/tty": "it is a device, not a file",
            str(self.directory): "Is a directory",
            str(self.directory / "none"): "No such file or directory",
        }


class ReadTests(FileTestCase):
    """`read_file`, `read_given` and `check_regular`."""

    def test_regular(self) -> None:
        """A file is read to its end, by a link as well, and one of /proc whose size is unknown."""
        for content in (b"", b"x", os.urandom(300_000)):
            path = self.file(content)
            self.assertEqual(read_file(path), content)
            self.assertEqual(read_given(path), content)
        link = self.directory / "link"
        link.symlink_to(path)
        check_regular(str(link))
        self.assertEqual(read_file(str(link)), content)
        self.assertIn(b"Name:", read_file("/proc/self/status"))

    def test_irregular(self) -> None:
        """Nothing else is opened, so that nothing is waited for and nothing has no end."""
        for path, reason in self.odd().items():
            for read in (read_file, read_given, check_regular):
                error = self.assertRaises(OSError, read, path)
                self.assertEqual(error.strerror, reason, path)

    def test_large(self) -> None:
        """More than the bound is no configuration, and no more than that is read."""
        path = self.file()
        os.truncate(path, MAX_FILE_BYTES)
        self.assertEqual(len(read_file(path)), MAX_FILE_BYTES)
        os.truncate(path, 1 << 40)
        error = self.assertRaises(OSError, read_file, path)
        self.assertEqual(error.strerror, "it is larger than 16 MiB")

    def test_given_by_the_shell(self) -> None:
        """The pipe of ``<(...)`` is read to its end on a command line, and nowhere else."""
        receiving, sending = os.pipe()
        self.addCleanup(os.close, receiving)
        writer = Thread(target=_write, args=(sending, b"y" * 200_000))
        writer.start()
        path = f"/dev/fd/{receiving}"
        self.assertRaises(OSError, read_file, path)
        self.assertEqual(read_given(path), b"y" * 200_000)
        writer.join()


def _write(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


class AppendTests(FileTestCase):
    """`open_to_append`."""

    def append(self, path: str) -> None:
        """Append a line."""
        descriptor = open_to_append(path, 0o640)
        os.write(descriptor, b"line\n")
        os.close(descriptor)

    def test_file(self) -> None:
        """A file is made for its owner and group, and appended to."""
        path = self.directory / "log"
        before = os.umask(0o027)
        self.addCleanup(os.umask, before)
        self.append(str(path))
        self.append(str(path))
        self.assertEqual(path.read_bytes(), b"line\nline\n")
        self.assertEqual(path.stat().st_mode & 0o777, 0o640)

    def test_devices(self) -> None:
        """What containers log to is a device or a pipe."""
        self.append("/dev/null")
        receiving, sending = os.pipe()
        self.addCleanup(os.close, receiving)
        self.addCleanup(os.close, sending)
        self.append(f"/dev/fd/{sending}")
        self.assertEqual(os.read(receiving, 100), b"line\n")

    def test_fifo(self) -> None:
        """A FIFO will do if somebody reads it; else it is a fault, and not waited for."""
        path = str(self.directory / "fifo")
        os.mkfifo(path)
        error = self.assertRaises(OSError, open_to_append, path, 0o640)
        self.assertEqual(error.strerror, "it is a FIFO without a reader, or a socket")
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reading)
        descriptor = open_to_append(path, 0o640)
        self.addCleanup(os.close, descriptor)
        self.assertTrue(os.get_blocking(descriptor))
        os.write(descriptor, b"line\n")
        self.assertEqual(os.read(reading, 100), b"line\n")

    def test_others(self) -> None:
        """Neither a directory nor a socket can be appended to."""
        for path, reason in self.odd().items():
            if "socket" in path or path == str(self.directory):
                error = self.assertRaises(OSError, open_to_append, path, 0o640)
                self.assertNotEqual(error.strerror, "", reason)


class RightsTests(FileTestCase):
    """`who_reads` and `who_writes`."""

    def test_readers(self) -> None:
        """Others come before the group; what is not there is read by nobody."""
        self.directory.chmod(0o755)
        for mode, who in (
            (0o600, ""),
            (0o620, ""),
            (0o640, "its group"),
            (0o644, "others on this machine"),
            (0o604, "others on this machine"),
        ):
            self.assertEqual(who_reads(self.file(mode=mode)), who, oct(mode))
        self.assertEqual(who_reads(str(self.directory / "none")), "")

    def test_readers_on_the_way(self) -> None:
        """A directory that others can't enter protects a file, whatever its own mode is."""
        self.directory.chmod(0o755)
        path = self.file(mode=0o644)
        for mode, who in ((0o700, ""), (0o710, "its group"), (0o711, "others on this machine")):
            self.directory.chmod(mode)
            self.assertEqual(who_reads(path), who, oct(mode))

    def test_writers(self) -> None:
        """The file counts, and its directory, unless that is sticky."""
        directory = f"its directory {self.directory}"
        for mode, directory_mode, what in (
            (0o600, 0o700, ""),
            (0o644, 0o755, ""),
            (0o644, 0o1777, ""),
            (0o664, 0o700, "it"),
            (0o646, 0o1777, "it"),
            (0o644, 0o775, directory),
            (0o644, 0o777, directory),
            (0o644, 0o703, directory),
        ):
            self.directory.chmod(directory_mode)
            found = who_writes(self.file(mode=mode))
            self.assertEqual(found, what, (oct(mode), oct(directory_mode)))
        self.assertEqual(who_writes("/none/none"), "")

    def test_writers_of_links(self) -> None:
        """Of a link both its own directory and its target's count."""
        path = self.file()
        for name in ("links", "targets"):
            (self.directory / name).mkdir(mode=0o700)
        target, link = self.directory / "targets" / "file", self.directory / "links" / "file"
        Path(path).rename(target)
        link.symlink_to(target)
        self.assertEqual(who_writes(str(link)), "")
        for name in ("links", "targets"):
            (self.directory / name).chmod(0o777)
            self.assertEqual(who_writes(str(link)), f"its directory {self.directory / name}")
            (self.directory / name).chmod(0o700)
