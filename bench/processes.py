"""Processes of the benchmark: started on a core, watched through /proc, ended by their ids."""

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
    """A proxy can't take part; the message says why."""


@attrs.frozen(kw_only=True)
class Usage:
    """What a process and those that it started have used.

    Attributes:
        cpu_s: User and system time since they started.
        rss_bytes: Resident memory now.
    """

    cpu_s: float
    rss_bytes: int


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free now, and that nobody gets by chance.

    Those that the kernel gives to clients, and to servers that name none, are above it.

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
    """Return what a process and its living descendants have used so far.

    Raises:
        LeftOut: It is no more.
    """
    stats = _stats()
    if pid not in stats:
        raise LeftOut("it ended under load")
    found = [stats[member] for member in _tree(pid, stats)]
    # proc(5): utime and stime are the 14th and 15th field, rss the 24th; two went before.
    return Usage(
        cpu_s=sum(int(stat[11]) + int(stat[12]) for stat in found) / _TICKS_PER_S,
        rss_bytes=sum(int(stat[21]) for stat in found) * _PAGE_BYTES,
    )


def _stats() -> dict[int, list[str]]:
    """Return the fields of each process's stat, from the third one, its state, on."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue  # It has ended meanwhile.
        # The second field is the name in brackets and may hold anything, brackets too.
        stats[int(path.parent.name)] = text.rpartition(")")[2].split()
    return stats


def _tree(pid: int, stats: Mapping[int, Sequence[str]]) -> list[int]:
    """Return a process and all its descendants, those first that were started first."""
    members = [pid]
    for member in members:
        members += [child for child, stat in stats.items() if int(stat[1]) == member]
    return members


class Daemon:
    """A server that accepts connections once this is entered, and has ended once it is left.

    Args:
        command: Runs it in the foreground.
        core: The one core that it may use.
        port: Where it will listen on 127.0.0.1.
        directory: Where it runs; ``output`` in it takes what it writes.
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
        """How long it took from its start to its first connection."""

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
                # Ctrl-C is for the benchmark, which ends its processes in order.
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
        """Whether it has not ended yet."""
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
        said = self._output.read_text(errors="replace").replace(f"{self._directory}/", "")
        lines = said.strip().splitlines()
        return lines[-1].strip() if lines else "it says nothing"

    def _stop(self) -> None:
        if self._process.poll() is not None:
            return
        members = _tree(self.pid, _stats())
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # Its children are still its own: it was there to keep their ids until now.
            for member in members:
                _kill(member)
            self._process.wait()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
