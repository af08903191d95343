"""Find the daemons on this machine, and send a request to one through its control socket."""

from __future__ import annotations

import os
import re
import socket
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping, Sequence
from pathlib import Path

from corsgate.daemon.control import control_address, peer_of

DEFAULT_PIDFILE = "twistd.pid"
"""The file that twistd writes to its current directory."""

TIMEOUT_S = 300.0
"""The maximum time until a daemon responds, in seconds. A reload may take long."""

CONNECT_S = 5.0
"""The maximum time to connect to a daemon, in seconds."""

_PID_DIGITS = 11
_MAX_BYTES = 16 * 1024**2
_SOCKETS = "/proc/net/unix"
_NAME = re.compile(rb"@corsgate-control-([1-9][0-9]{0,9})$")


class ControlError(Exception):
    """A daemon could not be asked. The message has the reason, and the fix if there is one."""


class Unreachable(ControlError):
    """The daemon's socket can't be reached."""


class Denied(ControlError):
    """This user has no permission to use the daemon's socket."""


class NoDaemon(ControlError):
    """The daemon can't be determined, or there is none."""


def add_daemon_options(options: ArgumentParser) -> None:
    """Add the options that choose the daemon to ask: ``--pid`` and ``--pidfile``."""
    which = options.add_mutually_exclusive_group()
    which.add_argument("--pid", type=pid_of, metavar="N", help="the daemon's process id")
    which.add_argument("--pidfile", metavar="FILE", help="the file with the daemon's process id")


def pid_of(text: str) -> int:
    """Parse a process id.

    Raises:
        ArgumentTypeError: The text is not a process id.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < _PID_DIGITS and int(text)):
        # `systemctl show --property MainPID` prints 0 for a stopped service.
        hint = ": the service is not running" if text == "0" else ""
        raise ArgumentTypeError(f"{text[:_PID_DIGITS]!r} is not a process id{hint}")
    return int(text)


def chosen(pid: int | None, pidfile: str | None) -> int:
    """Return the process id of the daemon to ask.

    Args:
        pid: The process id that the user gave, or None.
        pidfile: The file that the user gave, or None. Without both, it is the daemon of
            `DEFAULT_PIDFILE` in the current directory, or else the only running one.

    Raises:
        NoDaemon: There is no daemon, or there are several.
    """
    if pid is not None:
        return pid
    name = pidfile or DEFAULT_PIDFILE
    if pidfile is None and not os.path.exists(name):
        return _only(running(), os.geteuid())
    try:
        return pid_of(Path(name).read_text("ascii").strip())
    except OSError as error:
        raise NoDaemon(f"{name} can't be read: {error.strerror}; give --pid or --pidfile") from None
    except (UnicodeDecodeError, ArgumentTypeError):
        raise NoDaemon(f"{name} does not contain a process id; give --pid or --pidfile") from None


def running() -> list[int]:
    """Return the process ids of all running daemons, from the names of their control sockets.

    Source: proc(5), ``/proc/net/unix``, which lists the sockets of this network namespace.
    """
    try:
        lines = Path(_SOCKETS).read_bytes().splitlines()
    except OSError:
        return []
    found = {int(match[1]) for line in lines if (match := _NAME.search(line))}
    return [pid for pid in sorted(found) if _is_listened_on_by(pid)]


def _is_listened_on_by(pid: int) -> bool:
    """Return whether a control socket belongs to the process in its name."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CONNECT_S)
        try:
            connection.connect(control_address(pid))
            peer, uid = peer_of(connection)
        except OSError:
            return False
    return peer == pid and uid == user_of(pid)


def _only(pids: Sequence[int], user: int) -> int:
    """Return the only daemon that a user may control."""
    mine = [pid for pid in pids if user in (0, user_of(pid))]
    if len(mine) == 1:
        return mine[0]
    if mine:
        listed = "".join(f"\n  --pid {pid}   {what_runs(pid)}" for pid in mine)
        raise NoDaemon(f"several corsgate daemons are running; choose one:{listed}")
    if pids:
        raise NoDaemon(
            f"the running daemon (process {pids[0]}) belongs to another user; run this command as"
            " that user or as root"
        )
    raise NoDaemon(
        "no corsgate daemon is running in this network namespace of this machine; start one with"
        " corsgate run"
    )


def what_runs(pid: int) -> str:
    """Describe a daemon by its configuration file.

    Other arguments are not shown, since they may contain a password.
    """
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        directory = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return "(ended)"
    return f"{configured_file(words) or 'without a file'}, started in {ascii(directory)[1:-1]}"


def configured_file(words: Sequence[bytes]) -> str:
    """Return the configuration file in a command line, escaped for printing; empty without one.

    Args:
        words: The words of a daemon's command line, starting with the interpreter.
    """
    names = [word.rpartition(b"/")[2] for word in words]
    # Python and twistd have a -c of their own, so the words before "corsgate" don't count.
    start = names.index(b"corsgate") + 1 if b"corsgate" in names else len(words)
    for before, word in zip(words[start - 1 :], words[start:], strict=False):
        found = word.removeprefix(b"--config=")
        if before in (b"--config", b"-c") or found != word:
            return ascii(found.decode("utf-8", "replace"))[1:-1]
        if found.endswith(b".toml") and not before.startswith(b"-") and found[:1] != b"-":
            return ascii(found.decode("utf-8", "replace"))[1:-1]
    return ""


def ask(pid: int, request: bytes) -> bytes:
    """Return a daemon's response, a line of JSON.

    Args:
        pid: Its process id.
        request: A request of `corsgate.daemon.control`.

    Raises:
        NoDaemon: There is no such process.
        Unreachable: Its socket can't be reached.
        Denied: It would refuse the request of this user.
        OSError: The connection was lost.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(control_address(pid))
        except OSError:
            if not os.path.exists(f"/proc/{pid}"):
                raise NoDaemon(f"there is no process {pid}") from None
            raise Unreachable(
                f"process {pid} has no control socket in this network namespace"
            ) from None
        peer, uid = peer_of(connection)
        # Process ids are reused: another process may own a socket with this name.
        if peer != pid or uid != user_of(pid):
            raise Unreachable(
                f"the control socket of process {pid} belongs to process {peer} of user {uid}"
            )
        if os.geteuid() not in (0, uid):
            raise Denied(
                f"access to process {pid} is denied: run this command as its user or as root"
            )
        pieces: list[bytes] = []
        try:
            connection.sendall(request)
            while (piece := connection.recv(65536)) and len(pieces) * 65536 < _MAX_BYTES:
                pieces.append(piece)
        except ConnectionError:
            pieces.clear()
    said = b"".join(pieces)
    if not said.endswith(b"\n"):
        raise OSError("it closed the connection")
    return said


def user_of(pid: int) -> int | None:
    """Return the effective user of a process; None if it has ended."""
    found = process_status(pid).get("Uid", "").split()
    return int(found[1]) if found else None


def process_status(pid: int) -> Mapping[str, str]:
    """Return the fields of /proc/PID/status; see proc(5). None exist if the process has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text("utf-8", "replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs}
