"""Files that are read whole or appended to: never waited for, and read no further than a bound."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISREG, S_ISSOCK, S_ISVTX, S_IWGRP, S_IWOTH

MAX_FILE_BYTES = 16 * 1024**2
"""How much of a file is read: a configuration or a bundle of certificates is far smaller."""

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

    Opening a FIFO waits for whoever writes to it, and some devices have no end: in the place of a
    file they would stop the reactor. They are not even opened.

    Args:
        path: The file, or a link to it.

    Raises:
        OSError: It can't be read, is no regular file, or has more than `MAX_FILE_BYTES`; its
            ``strerror`` says so.
    """
    check_regular(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        # Again, since another one may have taken its place in the meantime.
        _refuse_irregular(os.fstat(descriptor).st_mode, path)
        return _read(descriptor, path)
    finally:
        os.close(descriptor)


def read_given(path: str) -> bytes:
    """Return the bytes of a file that is named on a command line.

    What the shell hands over as ``<(...)``, or standard input, may be a pipe, whose end is awaited.

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
    """Refuse what is no regular file, without opening it.

    Raises:
        OSError: It is none, or not there.
    """
    _refuse_irregular(os.stat(path).st_mode, path)


def check_finite(path: str) -> None:
    """Refuse what has no end or is no file: a record may come by a FIFO, but from no device.

    Raises:
        OSError: It is a device, a socket or a directory, or not there.
    """
    mode = os.stat(path).st_mode
    if not (S_ISFIFO(mode) or path == _STANDARD_INPUT):
        _refuse_irregular(mode, path)


def open_to_append(path: str, mode: int) -> int:
    """Return a descriptor of a file to append to, which is made if need be.

    A terminal, ``/dev/null`` and the like will do, and a FIFO that somebody reads. To wait for a
    reader would stop the reactor, and to write over a disk is never meant.

    Args:
        path: The file.
        mode: Who may do what with it if it is made.

    Raises:
        OSError: It can't be appended to; its ``strerror`` says why.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, mode)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(
                error.errno, "it is a FIFO that nobody reads, or a socket", path
            ) from None
        raise
    found = os.fstat(descriptor).st_mode
    if not (S_ISREG(found) or S_ISCHR(found) or S_ISFIFO(found)):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"it is {_kind(found)}, where a file must be", path)
    os.set_blocking(descriptor, True)
    return descriptor


def who_reads(path: str) -> str:
    """Return who beside its owner can read a file, in words; empty for nobody, or where unknown.

    A directory on the way that others can't enter protects the file. A file that belongs to
    another user, and to this process's own group, is meant for that group: so root hands a
    configuration to a daemon.
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
    """Return by which right others can change what a path leads to; empty for none, or unknown.

    Whoever may write to a directory can put another file into the place of one in it, unless the
    directory is sticky. Links are followed, and their own directories count as well.

    Returns:
        Words that go on after "others can write to".
    """
    real = os.path.realpath(path)
    places = [(real, "it")]
    for each in dict.fromkeys((os.path.abspath(path), real)):
        directory = os.path.dirname(each)
        places.append((directory, f"its directory {directory}"))
    return next((words for place, words in places if _is_open_to_others(place)), "")


def _modes_above(path: str) -> list[int]:
    """Return the modes of the directories on the way to a path."""
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


def _refuse_irregular(mode: int, path: str) -> None:
    if S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not S_ISREG(mode):
        raise OSError(errno.EINVAL, f"it is {_kind(mode)}, where a file must be", path)


def _kind(mode: int) -> str:
    return next((words for test, words in _KINDS if test(mode)), "something else")
