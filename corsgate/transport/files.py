"""Read or append to files, without ever blocking and with a maximum size."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISREG, S_ISSOCK, S_ISVTX, S_IWGRP, S_IWOTH

MAX_FILE_BYTES = 16 * 1024**2
"""The maximum size of a file. Configurations and certificate bundles are far smaller."""

_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (S_ISFIFO, "a FIFO"),
    (S_ISSOCK, "a socket"),
    (S_ISCHR, "a device"),
    (S_ISBLK, "a block device"),
)
_GIVEN_BY_SHELL = ("/dev/fd/", "/proc/self/fd/")
_STANDARD_INPUT = "/dev/stdin"


def read_file(path: str) -> bytes:
    """Return the bytes of a regular file.

    Opening a FIFO blocks until there is a writer, and some devices never end, so they would block
    the reactor. They are not even opened.

    Args:
        path: The file, or a link to it.

    Raises:
        OSError: It can't be read, is not a regular file, or is larger than `MAX_FILE_BYTES`; the
            ``strerror`` has the reason.
    """
    check_regular(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        # Check again, since it may have been replaced in the meantime.
        _check_regular_mode(os.fstat(descriptor).st_mode, path)
        return _read(descriptor, path)
    finally:
        os.close(descriptor)


def read_given(path: str) -> bytes:
    """Return the bytes of a file named on a command line.

    A ``<(...)`` of the shell, and standard input, may be a pipe, which is read to its end.

    Args:
        path: The file.

    Raises:
        OSError: As `read_file` does.
    """
    if not (path.startswith(_GIVEN_BY_SHELL) or path == _STANDARD_INPUT):
        return read_file(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        return _read(descriptor, path)
    finally:
        os.close(descriptor)


def check_regular(path: str) -> None:
    """Check that a path is a regular file, without opening it.

    Raises:
        OSError: It is not a regular file, or does not exist.
    """
    _check_regular_mode(os.stat(path).st_mode, path)


def check_finite(path: str) -> None:
    """Check that a path is a regular file, a FIFO or standard input.

    Raises:
        OSError: It is a device, a socket or a directory, or does not exist.
    """
    mode = os.stat(path).st_mode
    if not (S_ISFIFO(mode) or path == _STANDARD_INPUT):
        _check_regular_mode(mode, path)


def open_to_append(path: str, mode: int) -> int:
    """Return a descriptor for appending to a file, which is created if necessary.

    Terminals, ``/dev/null`` and similar devices are accepted, and FIFOs that have a reader. Waiting
    for a reader would block the reactor, and writing to a disk device is never intended.

    Args:
        path: The file.
        mode: The permissions of a newly created file.

    Raises:
        OSError: It can't be appended to; the ``strerror`` has the reason.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, mode)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(error.errno, "it is a FIFO without a reader, or a socket", path) from None
        raise
    found = os.fstat(descriptor).st_mode
    if not (S_ISREG(found) or S_ISCHR(found) or S_ISFIFO(found)):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"it is {_kind(found)}, not a file", path)
    os.set_blocking(descriptor, True)
    return descriptor


def who_reads(path: str) -> str:
    """Return who besides its owner can read a file, in words; empty if nobody can, or if unknown.

    A parent directory that others can't enter protects the file. A file of another user in this
    process's own group is intended for that group: that is how root gives a configuration to a
    daemon.
    """
    try:
        status = os.stat(path)
        way = _modes_above(os.path.realpath(path))
    except OSError:
        return ""
    if not all(mode & 0o011 for mode in way):
        return ""
    if status.st_mode & 0o004 and all(mode & 0o001 for mode in way):
        return "others on this machine"
    is_handed_over = status.st_uid != os.geteuid() and status.st_gid == os.getegid()
    return "its group" if status.st_mode & 0o040 and not is_handed_over else ""


def who_writes(path: str) -> str:
    """Return how others can change the file at a path; empty if they can't, or if unknown.

    Anyone who can write to a directory can replace its files, unless the directory is sticky.
    Links are followed, and the directories of the links are checked as well.

    Returns:
        Words to put after "others can write to".
    """
    real = os.path.realpath(path)
    places = [(real, "it")]
    for each in dict.fromkeys((os.path.abspath(path), real)):
        directory = os.path.dirname(each)
        places.append((directory, f"its directory {directory}"))
    return next((words for place, words in places if _is_open_to_others(place)), "")


def _modes_above(path: str) -> list[int]:
    """Return the modes of all parent directories of a path."""
    modes = []
    while (above := os.path.dirname(path)) != path:
        path = above
        modes.append(os.stat(path).st_mode)
    return modes


def _is_open_to_others(place: str) -> bool:
    try:
        mode = os.stat(place).st_mode
        is_read_only = bool(os.statvfs(place).f_flag & os.ST_RDONLY)
    except OSError:
        return False
    if is_read_only or (S_ISDIR(mode) and mode & S_ISVTX):
        return False
    return bool(mode & (S_IWGRP | S_IWOTH))


def _read(descriptor: int, path: str) -> bytes:
    pieces: list[bytes] = []
    left = MAX_FILE_BYTES + 1
    while left:
        piece = os.read(descriptor, left)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        left -= len(piece)
    raise OSError(errno.EFBIG, f"it is larger than {MAX_FILE_BYTES // 1024**2} MiB", path)


def _check_regular_mode(mode: int, path: str) -> None:
    if S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not S_ISREG(mode):
        raise OSError(errno.EINVAL, f"it is {_kind(mode)}, not a file", path)


def _kind(mode: int) -> str:
    return next((words for test, words in _KINDS if test(mode)), "something else")
