"""Writes lines to a log in a thread, so that the gate never waits for its log."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from threading import Condition, RLock, Thread

from corsgate.transport.files import open_to_append

MAX_WRITE_BYTES = 4096
"""The maximum size of one write. A pipe accepts that much whole (``PIPE_BUF``), so that no other
writer can come in between."""

PAUSE_S = 0.02
"""How long lines gather between two turns of the thread. A turn costs more than the lines."""

RETRY_S = 1.0
"""The pause in seconds after the log could not be written to."""

STOP_S = 1.0
"""The maximum time for writing the remaining lines at the end, since a pipe may not be read."""


class LineWriter:
    """Writes whole lines to a descriptor, in the order of `put`.

    A line for which there is no room is lost, and counted. If a full disk accepted only part of a
    line, its rest is written first when there is room again.

    Args:
        descriptor: The destination. It stays in blocking mode, since other processes may share it.
        max_bytes: How many bytes may wait.
        report: Called with a message when lines start to wait or to be lost, and when that is over.
            It may be called in any thread, at most three times per `retry_s`.
        write: As `os.write`.
        retry_s: The pause in seconds after the log could not be written to.

    Attributes:
        lost_lines: How many lines were lost since the start.
    """

    def __init__(
        self,
        descriptor: int,
        max_bytes: int,
        report: Callable[[str], None],
        *,
        write: Callable[[int, bytes], int] = os.write,
        retry_s: float = RETRY_S,
    ) -> None:
        self._descriptor = descriptor
        self._max_bytes = max_bytes
        self._report = report
        self._write = write
        self._retry_s = retry_s
        self._thread: Thread | None = None
        # It guards everything below. It is reentrant, because `report` may put another line.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        # An item is a line, or a descriptor to which the next lines are written.
        self._queue: deque[bytes | int] = deque()
        self._waiting_bytes = 0
        self._writing = b""
        self._lost = 0
        self.lost_lines = 0
        # Whether the thread waits to be woken, instead of writing or letting lines gather.
        self._idle = False
        self._stopping = False
        # Since when lines are late or lost, and which messages about it were sent.
        self._troubled_s: float | None = None
        self._reported: set[str] = set()

    def put(self, line: str) -> None:
        """Queue a line, given without its line end; it is lost if there is no room."""
        # The line end is added when the line is written, together with others.
        data = line.encode("utf-8", "backslashreplace")
        with self._lock:
            waiting = self._waiting_bytes + len(data) + 1
            if waiting > self._max_bytes or self._stopping:
                self._lost += 1
                self.lost_lines += 1
                self._in_trouble("can't keep up: some lines are lost")
                return
            self._waiting_bytes = waiting
            self._queue.append(data)
            if self._idle:
                self._idle = False
                self._changed.notify_all()

    def bound(self, max_bytes: int) -> None:
        """Change the maximum number of waiting bytes."""
        self._max_bytes = max_bytes

    def switch(self, descriptor: int) -> None:
        """Write to another descriptor after the lines already queued, and close the old one.

        If the old one can't be written to, the queued lines also go to the new one.
        """
        with self._lock:
            self._queue.append(descriptor)
            self._changed.notify_all()

    def start(self) -> None:
        """Start writing. A process that forks must fork first."""
        thread = Thread(target=self._run, name="corsgate-log", daemon=True)
        thread.start()
        self._thread = thread

    def stop(self, timeout_s: float = STOP_S) -> int:
        """Write the queued lines, and end; later lines are lost.

        Args:
            timeout_s: How long it may take.

        Returns:
            How many lines were lost since the last report, including those still queued.
        """
        with self._lock:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)
        with self._lock:
            waiting = sum(isinstance(each, bytes) for each in self._queue)
            waiting += self._writing.count(b"\n")
            self.lost_lines += waiting
            return self._lost + waiting

    def close(self) -> int:
        """Stop as `stop` does, and close the descriptor unless a write to it still blocks."""
        lost = self.stop()
        if self._thread is None or not self._thread.is_alive():
            os.close(self._descriptor)
        return lost

    def _run(self) -> None:
        while self._wait():
            while (piece := self._take()) is not None:
                if isinstance(piece, int):
                    self._continue_with(piece)
                elif not self._write_whole(piece):
                    return
            with self._lock:
                self._end_trouble()
                if not self._stopping:
                    self._changed.wait(PAUSE_S)

    def _wait(self) -> bool:
        """Wait until there is something to write; return False if nothing more will be queued."""
        with self._lock:
            while not self._queue and not self._stopping:
                self._end_trouble()
                self._idle = True
                self._changed.wait(None if self._troubled_s is None else self._retry_s)
            self._idle = False
            return bool(self._queue)

    def _take(self) -> bytes | int | None:
        """Return as many lines as one write can have, or the next descriptor, or None."""
        with self._lock:
            self._waiting_bytes -= len(self._writing)
            self._writing = b""
            if not self._queue:
                return None
            first = self._queue.popleft()
            if isinstance(first, int):
                return first
            lines, size = [first], len(first) + 1
            while self._queue:
                line = self._queue[0]
                if isinstance(line, int) or size + len(line) >= MAX_WRITE_BYTES:
                    break
                lines.append(line)
                size += len(line) + 1
                self._queue.popleft()
            self._writing = b"\n".join(lines) + b"\n"
            return self._writing

    def _write_whole(self, lines: bytes) -> bool:
        """Write lines, in as many writes as necessary; return False if stopped before the end."""
        written, before = 0, _NOWHERE
        while written < len(lines):
            try:
                written += self._write(self._descriptor, lines[written:])
                if written < len(lines):
                    before = _place(self._descriptor)
            except BlockingIOError:
                # Another process that shares the descriptor has made it non-blocking.
                time.sleep(PAUSE_S)
            except OSError as error:
                if not self._wait_for_room(error):
                    return False
                lines, written = _rest(lines, written, before, _place(self._descriptor))
        return True

    def _wait_for_room(self, error: OSError) -> bool:
        """Wait a while, or for another descriptor; return False if stopped before."""
        with self._lock:
            self._in_trouble(f"can't be written to ({error.strerror}): lines wait or are lost")
            if not any(isinstance(each, int) for each in self._queue) and not self._stopping:
                self._changed.wait(self._retry_s)
            for each in self._queue:
                if isinstance(each, int):
                    self._queue.remove(each)
                    self._continue_with(each)
                    return True
            return not self._stopping

    def _continue_with(self, descriptor: int) -> None:
        old, self._descriptor = self._descriptor, descriptor
        os.close(old)

    def _in_trouble(self, what: str) -> None:
        if self._troubled_s is None:
            self._troubled_s = time.monotonic()
        if what not in self._reported:
            self._reported.add(what)
            self._report(what)

    def _end_trouble(self) -> None:
        """Report that all is well again, if nothing has been late or lost for a while."""
        since_s = self._troubled_s
        if since_s is not None and time.monotonic() - since_s >= self._retry_s:
            lost, self._lost = self._lost, 0
            self._troubled_s = None
            self._reported.clear()
            self._report(f"is being written to again; {lost} line(s) were lost")


_Place = tuple[int, int, int]
_NOWHERE = (0, 0, 0)


def _place(descriptor: int) -> _Place:
    """Return the identity of a descriptor's file, and its size, which is 0 for a pipe."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return _NOWHERE
    return (status.st_dev, status.st_ino, status.st_size)


def _rest(lines: bytes, written: int, before: _Place, now: _Place) -> tuple[bytes, int]:
    """Return what to write after a failure, and how much of that is already written.

    Args:
        lines: The lines of the failed write.
        written: How many of their bytes were written.
        before: The file, and its size after these bytes.
        now: The file and its size now.
    """
    start = lines.rfind(b"\n", 0, written) + 1
    if now == before or start == written:
        return lines, written
    # The start of the line is in another file, was truncated, or is followed by others' output.
    is_amid = now[:2] == before[:2] and now[2] > 0
    return (b"\n" if is_amid else b"") + lines[start:], 0


class LogFile:
    """A file to which lines are appended.

    Args:
        path: The file. If it doesn't exist, it is created, accessible only to its owner and group.
        max_bytes: How many bytes may wait.
        report: As for `LineWriter`.

    Attributes:
        path: As above.

    Raises:
        OSError: It can't be opened.
    """

    def __init__(self, path: str, max_bytes: int, report: Callable[[str], None]) -> None:
        self.path = path
        self._writer = LineWriter(open_log_file(path), max_bytes, report)
        self.put = self._writer.put
        self.bound = self._writer.bound
        self.start = self._writer.start
        self.stop = self._writer.stop
        self.close = self._writer.close
        if _ends_mid_line(path):
            # The last process that wrote to it was killed, or its disk was full until it ended.
            self.put("")

    def reopen(self) -> None:
        """Continue in the file that has the path now, after the old one was renamed.

        Raises:
            OSError: It can't be opened; lines still go to the old file.
        """
        self.switch(self.path, open_log_file(self.path))

    def switch(self, path: str, descriptor: int) -> None:
        """Continue in another file after the lines already queued.

        Args:
            path: The file.
            descriptor: The file, opened by `open_log_file`. The writer closes it when it is done.
        """
        self.path = path
        self._writer.switch(descriptor)

    @property
    def lost_lines(self) -> int:
        """How many lines were lost since the start."""
        return self._writer.lost_lines


def open_log_file(path: str) -> int:
    """Open a log for appending; if it is created, only its owner and group can access it.

    Returns:
        The descriptor.

    Raises:
        OSError: It can't be opened.
    """
    return open_to_append(path, 0o640)


def _ends_mid_line(path: str) -> bool:
    """Return whether a file's last line has no line end; False if the file can't be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        size = os.fstat(descriptor).st_size
        return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
    except OSError:
        return False
    finally:
        os.close(descriptor)
