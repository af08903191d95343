"""``corsgate reload``: have a running daemon reload its configuration, and report the outcome."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from pathlib import Path

from corsgate.cli import usage
from corsgate.cli.usage import FINE, FOUND, complain
from corsgate.daemon.control import RELOAD, control_address, peer_of

DEFAULT_PIDFILE = "twistd.pid"
"""What twistd writes in its current directory."""

TIMEOUT_S = 300.0
"""How long a reload may take."""

_PID_DIGITS = 11
_MAX_BYTES = 16 * 1024**2

_DESCRIPTION = f"""\
Have a running daemon read its configuration file again, with all that it names, and put it in
force. If it has a fault, nothing changes. Without --pid and --pidfile, the daemon is the one of
{DEFAULT_PIDFILE} in the current directory. Only root and the daemon's own user may ask.

exit status: 0 the new configuration is in force; its changes are printed
             1 it has faults, which are printed; the old one is still in force
             2 the daemon can't be asked, or the outcome is unknown"""


class _Unreachable(Exception):
    """The daemon's socket is out of reach."""


class _Refused(Exception):
    """This user may not ask the daemon."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = usage.parser("reload", _DESCRIPTION, "corsgate reload --pidfile /run/corsgate.pid")
    which = options.add_mutually_exclusive_group()
    which.add_argument("--pid", type=_pid, metavar="N", help="the daemon's process id")
    which.add_argument("--pidfile", metavar="FILE", help="the file with the daemon's process id")
    return options


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    given = parser().parse_args(argv)
    pid = given.pid
    if pid is None:
        name = given.pidfile or DEFAULT_PIDFILE
        try:
            pid = _pid(Path(name).read_text("ascii").strip())
        except OSError as error:
            return complain(f"{name} can't be read: {error.strerror}; give --pid or --pidfile")
        except (UnicodeDecodeError, ArgumentTypeError):
            return complain(f"there is no process id in {name}; give --pid or --pidfile")
    try:
        return _report(_ask(pid))
    except _Unreachable as error:
        return _signal(pid, str(error))
    except _Refused:
        return complain(f"process {pid} may only be asked by root and its own user")
    except (OSError, ValueError) as error:
        return complain(f"the daemon gave no outcome: {error}; see its log")


def _pid(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < _PID_DIGITS and int(text)):
        # `systemctl show --property MainPID` prints 0 if there is none.
        hint = ": the service does not run" if text == "0" else ""
        raise ArgumentTypeError(f"{text[:_PID_DIGITS]!r} is not a process id{hint}")
    return int(text)


def _ask(pid: int) -> bytes:
    """Return the daemon's report of the outcome.

    Raises:
        _Unreachable: Its socket can't be reached.
        _Refused: It would refuse to answer.
        OSError: The connection broke off.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(control_address(pid))
        except OSError:
            raise _Unreachable("it has no control socket in this network namespace") from None
        peer, uid = peer_of(connection)
        # Process ids are used again: somebody may have listened under this one before.
        if peer != pid or uid != _user_of(pid):
            raise _Unreachable(f"its control socket belongs to process {peer} of user {uid}")
        if os.geteuid() not in (0, uid):
            raise _Refused
        pieces: list[bytes] = []
        try:
            connection.sendall(RELOAD)
            while (piece := connection.recv(65536)) and len(pieces) * 65536 < _MAX_BYTES:
                pieces.append(piece)
        except ConnectionError:
            pieces.clear()
    said = b"".join(pieces)
    if not said.endswith(b"\n"):
        raise OSError("it closed the connection")
    return said


def _user_of(pid: int) -> int | None:
    """Return the effective user of a process; None if it has ended."""
    found = _status(pid).get("Uid", "").split()
    return int(found[1]) if found else None


def _status(pid: int) -> Mapping[str, str]:
    """Return what /proc/PID/status has; see proc(5). It is empty if the process has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text("utf-8", "replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs}


def _report(said: bytes) -> int:
    outcome = json.loads(said)
    faults, changes = outcome["faults"], outcome["changes"]
    if faults:
        print("\n".join(faults), file=sys.stderr)
        print(f"{len(faults)} fault(s): the old configuration stays in force", file=sys.stderr)
        return FOUND
    print("\n".join(changes) if changes else "nothing changed")
    return FINE


def _signal(pid: int, why: str) -> int:
    """Send SIGHUP to a process without a control socket; the outcome is unknown."""
    if not os.path.exists(f"/proc/{pid}"):
        return complain(f"there is no process {pid}")
    if not reloads_on_hangup(pid):
        # It would end.
        return complain(f"process {pid} can't be asked: {why}, and it is no daemon of corsgate's")
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError as error:
        return complain(f"process {pid} can't be asked: {error.strerror}")
    return complain(f"sent SIGHUP to process {pid}; the outcome is unknown: {why}. See its log")


def reloads_on_hangup(pid: int) -> bool:
    """Return whether a process is a corsgate that handles SIGHUP, which would end any other.

    Args:
        pid: The process id.
    """
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    interpreter, arguments = command[0].rpartition(b"/")[2], command[1:]
    if not interpreter.startswith((b"python", b"pypy")) or b"corsgate" not in arguments:
        return False
    # Python runs twistd or twist, and that runs corsgate. An editor may have a file of this name.
    if not any(b"twist" in each for each in arguments[: arguments.index(b"corsgate")]):
        return False
    return bool(int(_status(pid).get("SigCgt", "0"), 16) >> (signal.SIGHUP - 1) & 1)
