"""Run a command that prints a secret, in a thread that may wait for it."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from corsgate.config.model.command import MAX_OUTPUT_BYTES, Command
from corsgate.config.model.rules import show
from corsgate.errors import BadValue

_BY_HAND = "run it by hand as the gate's user to see why"
# These variables are how systemd talks with the gate itself (sd_notify(3), sd_listen_fds(3)).
_OF_THE_GATE = frozenset(
    (
        *("LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID", "MAINPID"),
        *("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"),
    )
)
# Python ignores these, and a child would inherit that.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_PIECE_BYTES = 4096
_POLL_S: Final = 0.05
"""How often the end of a process is checked where the kernel has no process descriptors."""


def run_command(command: Command, environ: Mapping[str, str] | None = None) -> bytes:
    """Run a command and return what it printed to standard output.

    There is no shell. The program gets the environment of the gate without the variables of
    systemd's protocols, its working directory, and an empty standard input. It has a session of
    its own, so that it has no terminal to ask on, and so that it is killed with its children when
    its time is up. What it prints to standard error is thrown away, since that may contain secrets.

    The function does not use SIGCHLD, and waits for no other process than its own.

    Args:
        command: The command.
        environ: The environment of the gate; by default that of this process.

    Raises:
        BadValue: It could not be started, failed, ran too long or printed too much. The message
            shows neither its arguments nor its output.
    """
    environ = os.environ if environ is None else environ
    deadline_s = time.monotonic() + command.timeout_s
    program = _find(command, environ.get("PATH", os.defpath))
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        try:
            pid = _spawn(command, program, environ, writing)
        finally:
            os.close(writing)
        return _output(command, pid, reading, deadline_s)
    finally:
        os.close(reading)


def _find(command: Command, path: str) -> str:
    """Return the absolute path of the program.

    Relative directories in $PATH are left out: what they mean depends on where the gate started.
    """
    name = command.arguments[0]
    directories = os.pathsep.join(each for each in path.split(os.pathsep) if os.path.isabs(each))
    found = shutil.which(name, path=directories)
    if found is not None:
        return found
    if "/" not in name:
        raise BadValue(
            f"the program {show(name)} is not in $PATH", "install it, or write its absolute path"
        )
    problem = "can't be executed by this user" if os.path.exists(name) else "does not exist"
    raise BadValue(f"the program {show(name)} {problem}", "write the path of another one")


def _spawn(command: Command, program: str, environ: Mapping[str, str], output: int) -> int:
    """Start the program with its standard output in a pipe; return its process id."""
    null = os.devnull
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, null, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_OPEN, 2, null, os.O_WRONLY, 0),
        *((os.POSIX_SPAWN_CLOSE, each) for each in _inheritable()),
    ]
    # Name by name, since pyspnego takes a variable from the environment in another thread.
    found = {name: environ.get(name) for name in list(environ) if name not in _OF_THE_GATE}
    given = {name: value for name, value in found.items() if value is not None}
    try:
        # Unlike os.fork, this is safe while other threads run. It also clears the signal mask,
        # which the gate's threads have: SIGTERM would not end the program otherwise.
        return os.posix_spawn(
            program,
            command.arguments,
            given,
            file_actions=actions,
            setsid=True,
            setsigmask=(),
            setsigdef=_IGNORED_BY_PYTHON,
        )
    except OSError as error:
        raise BadValue(
            f"the program {command.program} can't be started: {error.strerror}", _BY_HAND
        ) from None


def _inheritable() -> list[int]:
    """Return the descriptors that a new program would inherit besides the standard ones.

    Python's own are not inherited, but the sockets from systemd are.
    """
    found = []
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        # That of the directory itself is already closed.
        with suppress(OSError):
            if int(name) > 2 and os.get_inheritable(int(name)):
                found.append(int(name))
    return found


def _output(command: Command, pid: int, reading: int, deadline_s: float) -> bytes:
    """Return the whole output once the process has ended with status 0.

    Its children may keep the pipe open, such as an agent that it has started. So the end of the
    process counts, not that of the pipe.
    """
    pieces: list[bytes] = []
    status: int | None = None
    with selectors.DefaultSelector() as selector:
        watched = _watch_end(selector, pid)
        selector.register(reading, selectors.EVENT_READ)
        try:
            while status is None:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise BadValue(
                        f"{command.program} was still running after {command.timeout_s:g} s",
                        f'give it more time with timeout = "20s", or {_BY_HAND}',
                    )
                selector.select(left_s if watched is not None else min(left_s, _POLL_S))
                status = _status(command, pid)
                if not _read(reading, pieces) and reading in selector.get_map():
                    selector.unregister(reading)
                if sum(map(len, pieces)) > MAX_OUTPUT_BYTES:
                    raise BadValue(
                        f"{command.program} printed more than {MAX_OUTPUT_BYTES // 1024} KiB",
                        "have it print the secret only",
                    )
        finally:
            if watched is not None:
                os.close(watched)
            if status is None:
                _kill(pid)
    if status:
        ending = f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"
        raise BadValue(f"{command.program} {ending}", _BY_HAND)
    return b"".join(pieces)


def _status(command: Command, pid: int) -> int | None:
    """Return the status of a process that has ended; None while it runs.

    Raises:
        BadValue: Nobody can know how it ended.
    """
    try:
        ended, bits = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        # The gate inherits that from a parent, such as a shell with `trap "" CHLD`. Then the
        # kernel throws the status away: see "NOTES" of wait(2).
        raise BadValue(
            f"nobody knows whether {command.program} failed: the gate ignores SIGCHLD",
            "start the gate without that, as systemd does",
        ) from None
    return os.waitstatus_to_exitcode(bits) if ended else None


def _watch_end(selector: selectors.BaseSelector, pid: int) -> int | None:
    """Have a selector wait for the end of a process; return the descriptor, None if it can't."""
    try:
        watched = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
    selector.register(watched, selectors.EVENT_READ)
    return watched


def _read(reading: int, pieces: list[bytes]) -> bool:
    """Read what is in a pipe, up to the bound; return whether more may come."""
    while sum(map(len, pieces)) <= MAX_OUTPUT_BYTES:
        try:
            piece = os.read(reading, _PIECE_BYTES)
        except BlockingIOError:
            return True
        if not piece:
            return False
        pieces.append(piece)
    return True


def _kill(pid: int) -> None:
    """Kill a process and its children, and wait for its end."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
