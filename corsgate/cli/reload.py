"""``corsgate reload``: make a running daemon reload its configuration, and report the outcome."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from corsgate.cli import usage
from corsgate.cli.control_client import (
    DEFAULT_PIDFILE,
    ControlError,
    Unreachable,
    add_daemon_options,
    ask,
    chosen,
    process_status,
)
from corsgate.cli.usage import FINE, FOUND, complain
from corsgate.daemon.control import RELOAD

_DESCRIPTION = f"""\
Make a running daemon read its configuration file again, with all files that it names, and use it.
If the configuration has a fault, nothing changes.

Without --pid and --pidfile, the daemon in {DEFAULT_PIDFILE} of the current directory is asked, or
else the only one that is running on this machine. Only its own user and root have access.

exit status: 0 the new configuration is in force; its changes are printed
             1 it has faults, which are printed; the old one is still in force
             2 the daemon can't be reached, or the outcome is unknown"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = usage.parser("reload", _DESCRIPTION, "corsgate reload --pidfile /run/corsgate.pid")
    add_daemon_options(options)
    return options


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    given = parser().parse_args(argv)
    try:
        pid = chosen(given.pid, given.pidfile)
    except ControlError as error:
        return complain(str(error))
    try:
        return _report(ask(pid, RELOAD))
    except Unreachable as error:
        return _signal(pid, str(error))
    except ControlError as error:
        return complain(str(error))
    except (OSError, ValueError) as error:
        return complain(f"the daemon did not report the outcome: {error}; see its log")


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
    if not reloads_on_hangup(pid):
        # SIGHUP would end it.
        return complain(f"{why}, and it is not a corsgate daemon")
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError as error:
        return complain(f"process {pid} can't be signalled: {error.strerror}")
    return complain(f"{why}; it got SIGHUP. The outcome is unknown: see its log")


def _runs_gate(arguments: Sequence[bytes]) -> bool:
    """Return whether these arguments have Python run a gate; an editor may have a file so called.

    Python runs twistd or twist, and that runs corsgate; or it runs ``corsgate run`` itself, by the
    path of the command or by ``-m``.
    """
    names = [each.rpartition(b"/")[2] for each in arguments]
    if b"corsgate" not in names:
        return False
    place = names.index(b"corsgate")
    if names[place + 1 : place + 2] == [b"run"]:
        return all(each.startswith(b"-") for each in arguments[:place])
    return any(b"twist" in each for each in arguments[:place])


def reloads_on_hangup(pid: int) -> bool:
    """Return whether a process is a corsgate daemon that handles SIGHUP.

    SIGHUP would end any other process.

    Args:
        pid: The process id.
    """
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    interpreter, arguments = command[0].rpartition(b"/")[2], command[1:]
    if not interpreter.startswith((b"python", b"pypy")) or not _runs_gate(arguments):
        return False
    return bool(int(process_status(pid).get("SigCgt", "0"), 16) >> (signal.SIGHUP - 1) & 1)
