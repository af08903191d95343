"""Lines on their way into a log: a thread writes them, so that the gate never waits for its log."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from threading import Condition, RLock, Thread

from corsgate.transport.files import open_to_append

MAX_WRITE_BYTES = 4096
"""How much is written at once. A pipe takes so much whole (``PIPE_BUF``), so that nobody else who
writes to it comes between."""

PAUSE_S = 0.02
"""How long lines gather between two turns of the thread, which cost more than the lines do."""

RETRY_S = 1.0
"""How long a log that can't be written to is left alone."""

STOP_S = 1.0
"""How long the writing of what waits at the end may take, as perhaps the other end is not read."""


class LineWriter:
    """Writes whole lines to a descriptor, in the order in which they were put.

    A line for which there is no room is lost, and counted. The rest of one that was written in
    part, to a disk that was full just then, comes before anything else once there is room.

    Args:
        descriptor: Where it writes. It stays a blocking one, since other processes may share it.
        max_bytes: How many bytes may wait.
        tell: Called with words when lines begin to wait or to be lost, and when that is over, in
            whatever thread finds out; no more than three times per `retry_s`.
        write: As `os.write`.
        retry_s: How long a log that can't be written to is left alone.

    Attributes:
        lost_lines: How many lines were lost since the start.
    """

    def __init__(
        self,
        descriptor: int,
        max_bytes: int,
        tell: Callable[[str], None],
        *,
        write: Callable[[int, bytes], int] = os.write,
        retry_s: float = RETRY_S,
    ) -> None:
        self._descriptor = descriptor
        self._max_bytes = max_bytes
        self._tell = tell
        self._write = write
        self._retry_s = retry_s
        self._thread: Thread | None = None
        # It guards all below. Reentrant, as `tell` may come back with a line.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        # What is queued is a line, or the descriptor to go on with.
        self._queue: deque[bytes | int] = deque()
        self._waiting_bytes = 0
        self._writing = b""
        self._lost = 0
        self.lost_lines = 0
        # Whether the thread has to be woken; it is not while it writes, nor while lines gather.
        self._idle = False
        self._stopping = False
        # Since when lines wait longer than they should or are lost, and what was said of it.
        self._troubled_s: float | None = None
        self._told: set[str] = set()

    def put(self, line: str) -> None:
        """Queue a line, which is given without its end; it is lost where there is no room."""
        # Its end is added when it is written, together with those of others.
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
        """Use another bound on the bytes that may wait."""
        self._max_bytes = max_bytes

    def switch(self, descriptor: int) -> None:
        """Go on with another descriptor once the lines before are written, and close the old one.

        Where the old one can't be written to, the lines that wait go to the new one.
        """
        with self._lock:
            self._queue.append(descriptor)
            self._changed.notify_all()

    def start(self) -> None:
        """Begin to write what was put, and what will be; a process that forks does so before."""
        thread = Thread(target=self._run, name="corsgate-log", daemon=True)
        thread.start()
        self._thread = thread

    def stop(self, timeout_s: float = STOP_S) -> int:
        """Write what waits, and end; what is put after that is lost.

        Args:
            timeout_s: How long it may take.

        Returns:
            How many lines were lost since that was last logged, those that still wait included.
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
        """Do as `stop` does, and close the descriptor, unless it can't be written to."""
        lost = self.stop()
        if self._thread is None or not self._thread.is_alive():
            os.close(self._descriptor)
        return lost

    def _run(self) -> None:
        while self._wait():
            while (piece := self._take()) is not None:
                if isinstance(piece, int):
                    self._go_on_with(piece)
                elif not self._write_whole(piece):
                    return
            with self._lock:
                self._end_trouble()
                if not self._stopping:
                    self._changed.wait(PAUSE_S)

    def _wait(self) -> bool:
        """Wait until there is something to write; return False where nothing more will come."""
        with self._lock:
            while not self._queue and not self._stopping:
                self._end_trouble()
                self._idle = True
                self._changed.wait(None if self._troubled_s is None else self._retry_s)
            self._idle = False
            return bool(self._queue)

    def _take(self) -> bytes | int | None:
        """Return the lines that are written next, all at once, or the descriptor to go on with."""
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
        """Write lines, however often it takes; return False where the end comes first."""
        written, before = 0, _NOWHERE
        while written < len(lines):
            try:
                written += self._write(self._descriptor, lines[written:])
                if written < len(lines):
                    before = _place(self._descriptor)
            except BlockingIOError:
                # Whoever shares it has made it non-blocking.
                time.sleep(PAUSE_S)
            except OSError as error:
                if not self._wait_for_room(error):
                    return False
                lines, written = _rest(lines, written, before, _place(self._descriptor))
        return True

    def _wait_for_room(self, error: OSError) -> bool:
        """Wait a while, or for another descriptor; return False where the end comes first."""
        with self._lock:
            self._in_trouble(f"can't be written to ({error.strerror}): lines wait or are lost")
            if not any(isinstance(each, int) for each in self._queue) and not self._stopping:
                self._changed.wait(self._retry_s)
            for each in self._queue:
                if isinstance(each, int):
                    self._queue.remove(each)
                    self._go_on_with(each)
                    return True
            return not self._stopping

    def _go_on_with(self, descriptor: int) -> None:
        old, self._descriptor = self._descriptor, descriptor
        os.close(old)

    def _in_trouble(self, what: str) -> None:
        if self._troubled_s is None:
            self._troubled_s = time.monotonic()
        if what not in self._told:
            self._told.add(what)
            self._tell(what)

    def _end_trouble(self) -> None:
        """Tell that all is well again, once all that waited is written."""
        since_s = self._troubled_s
        if since_s is not None and time.monotonic() - since_s >= self._retry_s:
            lost, self._lost = self._lost, 0
            self._troubled_s = None
            self._told.clear()
            self._tell(f"is being written to again; {lost} line(s) were lost")


_Place = tuple[int, int, int]
_NOWHERE = (0, 0, 0)


def _place(descriptor: int) -> _Place:
    """Return which file a descriptor is of, and its size; a pipe's is 0."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return _NOWHERE
    return (status.st_dev, status.st_ino, status.st_size)


def _rest(lines: bytes, written: int, before: _Place, now: _Place) -> tuple[bytes, int]:
    """Return what is to be written after a failure, and how much of it is written already.

    Args:
        lines: What was to be written.
        written: How much of it was written.
        before: The file and its size behind what was written.
        now: The file and its size by now.
    """
    start = lines.rfind(b"\n", 0, written) + 1
    if now == before or start == written:
        return lines, written
    # The beginning of the line is in another file, was cut off, or has another's line behind it.
    is_amid = now[:2] == before[:2] and now[2] > 0
    return (b"\n" if is_amid else b"") + lines[start:], 0


class LogFile:
    """A file that lines are appended to.

    Args:
        path: The file, which is made if need be, for its owner and group alone.
        max_bytes: How many bytes may wait.
        tell: As for `LineWriter`.

    Attributes:
        path: As above.

    Raises:
        OSError: It can't be opened.
    """

    def __init__(self, path: str, max_bytes: int, tell: Callable[[str], None]) -> None:
        self.path = path
        self._writer = LineWriter(open_log_file(path), max_bytes, tell)
        self.put = self._writer.put
        self.bound = self._writer.bound
        self.start = self._writer.start
        self.stop = self._writer.stop
        self.close = self._writer.close
        if _ends_amid_a_line(path):
            # A process that was killed, or whose disk was full to its end, wrote it.
            self.put("")

    def reopen(self) -> None:
        """Go on in the file that has the path now, after the old one was renamed.

        Raises:
            OSError: It can't be opened; the lines go on into the old one.
        """
        self.go_on(self.path, open_log_file(self.path))

    def go_on(self, path: str, descriptor: int) -> None:
        """Go on in another file, once the lines before are written.

        Args:
            path: The file.
            descriptor: The file, opened by `open_log_file`. It is closed here in time.
        """
        self.path = path
        self._writer.switch(descriptor)

    @property
    def lost_lines(self) -> int:
        """How many lines were lost since the start."""
        return self._writer.lost_lines


def open_log_file(path: str) -> int:
    """Return a descriptor of a log that is appended to; it is made for its owner and group.

    Raises:
        OSError: It can't be opened.
    """
    return open_to_append(path, 0o640)


def _ends_amid_a_line(path: str) -> bool:
    """Return whether a file's last line lacks its end; False where that can't be read."""
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
