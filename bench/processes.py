"""Run the benchmark's processes: start each on a core, measure it by /proc, end it by its id."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import attrs

START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 15.0
_POLL_S: Final = 0.002
_EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES: Final = 100
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class LeftOut(Exception):
    """A proxy can't take part; the message is the reason."""


@attrs.frozen(kw_only=True)
class Usage:
    """The resources that a process and its descendants have used.

    Attributes:
        cpu_s: User and system time since their start, in seconds.
        rss_bytes: Current resident memory, in bytes.
    """

    cpu_s: float
    rss_bytes: int


def free_port() -> int:
    """Return a free TCP port of 127.0.0.1 that the kernel doesn't give to anyone.

    It is below the range from which the kernel chooses ports for clients and for port 0.

    Raises:
        LeftOut: None is free.
    """
    top = int(_EPHEMERAL.read_text(encoding="ascii").split()[0])
    for _ in range(_TRIES):
        port = top // 2 + secrets.randbelow(top // 2)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise LeftOut("no port is free")


def usage(pid: int) -> Usage:
    """Return the resources that a process and its running descendants have used so far.

    Raises:
        LeftOut: The process has ended.
    """
    stats = _stats()
    if pid not in stats:
        raise LeftOut("it ended under load")
    found = [stats[member] for member in _tree(pid, stats)]
    # proc(5): utime and stime are the 14th and 15th field, rss the 24th; the first two are cut off.
    return Usage(
        cpu_s=sum(int(stat[11]) + int(stat[12]) for stat in found) / _TICKS_PER_S,
        rss_bytes=sum(int(stat[21]) for stat in found) * _PAGE_BYTES,
    )


def _stats() -> dict[int, list[str]]:
    """Return the fields of each process's stat file, from the third one (the state) on."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue  # The process has ended meanwhile.
        # The second field is the name in parentheses, which may itself contain parentheses.
        stats[int(path.parent.name)] = text.rpartition(")")[2].split()
    return stats


def _tree(pid: int, stats: Mapping[int, Sequence[str]]) -> list[int]:
    """Return a process and all its descendants, each parent before its children."""
    members = [pid]
    for member in members:
        members += [child for child, stat in stats.items() if int(stat[1]) == member]
    return members


class Daemon:
    """A server process, which accepts connections when this is entered and ends when it is left.

    Args:
        command: The command that runs it in the foreground.
        core: The only core that it may use.
        port: Its port on 127.0.0.1.
        directory: The directory in which it runs; its output goes to ``output`` there.
        environ: Its environment.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        core: int,
        port: int,
        directory: Path,
        environ: Mapping[str, str],
    ) -> None:
        self._command = ["taskset", "-c", str(core), *command]
        self._directory = directory
        self._environ = environ
        self._output = directory / "output"
        self.port = port
        self.started_s = 0.0
        """The time from its start to its first connection, in seconds."""

    def __enter__(self) -> Self:
        began = time.monotonic()
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the commands are our own
                self._command,
                cwd=self._directory,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Only the benchmark gets Ctrl-C, and ends its processes in order.
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self._stop()
            raise
        self.started_s = time.monotonic() - began
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status, or minus the signal that ended it; None while it runs."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        """Whether it is still running."""
        return self._process.poll() is None

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise LeftOut(f"it doesn't start: {self._last_words()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(_POLL_S)
        raise LeftOut(f"it doesn't listen after {START_TIMEOUT_S:.0f} s: {self._last_words()}")

    def _last_words(self) -> str:
        text = self._output.read_text(errors="replace").replace(f"{self._directory}/", "")
        lines = text.strip().splitlines()
        return lines[-1].strip() if lines else "no output"

    def _stop(self) -> None:
        if self._process.poll() is not None:
            return
        members = _tree(self.pid, _stats())
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # Their ids can't have been reused, because it has not ended until now.
            for member in members:
                _kill(member)
            self._process.wait()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
