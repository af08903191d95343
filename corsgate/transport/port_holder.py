"""Find the process that listens on a port, as Linux shows it to this user."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress

import attrs

_LISTENING = "0A"
_TABLES = ("tcp", "tcp6")
_FEWEST_FIELDS = 10


@attrs.frozen(kw_only=True)
class Process:
    """A process.

    Attributes:
        pid: Its number.
        name: Its name, of at most 15 characters (proc_pid_comm(5)).
    """

    pid: int
    name: str


def port_holder(port: int, proc: str = "/proc") -> Process | None:
    """Return a process that listens on a TCP port.

    It only reads /proc. That takes milliseconds, or tens of them with thousands of processes, so it
    is only for the moment when a port is in use.

    Args:
        port: The port.
        proc: Where the proc file system is.

    Returns:
        The process. None if none listens there, if it belongs to another user, or on systems
        without /proc.
    """
    sockets = _sockets(port, proc)
    for pid in _pids(proc) if sockets else ():
        # A process may end at any moment, and those of other users can't be looked into.
        with suppress(OSError):
            folder = f"{proc}/{pid}/fd"
            if any(_target(f"{folder}/{number}") in sockets for number in os.listdir(folder)):
                with open(f"{proc}/{pid}/comm", encoding="utf-8", errors="replace") as file:
                    name = "".join(char for char in file.read().strip() if char.isprintable())
                return Process(pid=pid, name=name)
    return None


def is_taken(port: int, proc: str = "/proc") -> bool:
    """Return whether a process of any user listens on a TCP port; False on systems without /proc.

    Args:
        port: The port.
        proc: Where the proc file system is.
    """
    return bool(_sockets(port, proc))


def listening(lines: Iterable[str], port: int) -> Iterator[str]:
    """Return the inodes of the sockets that listen on a port, from /proc/net/tcp (proc_net(5)).

    Args:
        lines: The lines of the file; those of another form are ignored.
        port: The port.
    """
    for line in lines:
        fields = line.split()
        if len(fields) < _FEWEST_FIELDS or fields[3] != _LISTENING:
            continue
        if fields[1].rpartition(":")[2] == f"{port:04X}":
            yield fields[9]


def _sockets(port: int, proc: str) -> set[str]:
    """Return the sockets that listen on a port, as the links in /proc/PID/fd name them."""
    return {
        f"socket:[{inode}]" for name in _TABLES for inode in listening(_lines(proc, name), port)
    }


def _lines(proc: str, name: str) -> list[str]:
    with suppress(OSError), open(f"{proc}/net/{name}", encoding="ascii", errors="replace") as file:
        return file.readlines()
    return []


def _pids(proc: str) -> list[int]:
    with suppress(OSError):
        return sorted(int(name) for name in os.listdir(proc) if name.isdecimal())
    return []


def _target(path: str) -> str:
    with suppress(OSError):
        return os.readlink(path)
    return ""
