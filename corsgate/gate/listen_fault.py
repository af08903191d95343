"""Faults that say why the gate can't listen on an endpoint, and how to fix that."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from errno import EACCES, EADDRINUSE, ENOENT

from twisted.internet.error import CannotListenError

from corsgate.config.model.endpoint import address_of, is_loopback, port_of
from corsgate.errors import BadValue, Fault
from corsgate.transport.port_holder import Process, is_taken, port_holder

COMMAND_LINE = "command line"
"""Faults name this instead of a file if there is none."""

_PRIVILEGED = 1024
_HIGHEST = 65535


def listen_fault(
    file: str,
    key: str,
    text: str,
    error: BaseException | None,
    own: Sequence[str],
    holder: Callable[[int], Process | None] = port_holder,
    taken: Callable[[int], bool] = is_taken,
) -> Fault:
    """Return the fault of an endpoint on which the gate can't listen.

    Args:
        file: The configuration's name.
        key: The endpoint's key in it.
        text: The endpoint.
        error: Why it can't listen.
        own: The endpoints on which the gate itself listens.
        holder: Returns the process that listens on a port, or None.
        taken: Returns whether any process listens on a port.
    """
    if isinstance(error, BadValue):
        return Fault(file=file, key=key, problem=error.problem, fix=error.fix)
    cause = error.socketError if isinstance(error, CannotListenError) else error
    # The full message of a Unix socket's error names its lock file.
    reason = getattr(cause, "strerror", None) or str(cause)
    number, port = errno_of(error) or 0, port_of(text)
    if number == EADDRINUSE:
        mine = next((each for each in own if _may_collide(each, text)), None)
        if mine is not None:
            fix = f"restart the gate for this change: until it stops, it listens on {mine!r} itself"
        else:
            stop = _stop(port, None if port is None else holder(port))
            fix = f"{stop}, or {_elsewhere(file, key, text, port, taken)}"
    elif number == EACCES and port is not None and 0 < port < _PRIVILEGED:
        fix = _privileged(text)
    elif number == EACCES:
        fix = "allow the daemon's user to listen there, or use another address"
    elif number == ENOENT:
        fix = "create the directory, or use another one"
    else:
        fix = "use another address"
    return Fault(file=file, key=key, problem=f"can't listen on {text!r}: {reason}", fix=fix)


def errno_of(error: BaseException | None) -> int | None:
    """Return the errno for which the gate can't listen on an endpoint."""
    reason = error.socketError if isinstance(error, CannotListenError) else error
    return getattr(reason, "errno", None)


def _stop(port: int | None, process: Process | None) -> str:
    if process is not None:
        return f"stop process {process.pid} ({process.name}), which uses it"
    if port is None:
        return "stop the process that uses it"
    # With sudo, because only root sees the processes of other users.
    return f"stop the process that uses it (sudo ss -ltnp 'sport = :{port}' shows it)"


def _elsewhere(
    file: str, key: str, text: str, port: int | None, taken: Callable[[int], bool]
) -> str:
    """Return how to use another port. Only a loopback endpoint is written out."""
    if port is None:
        return "use another address"
    following = range(port + 1, min(port + 10, _HIGHEST))
    free = next((each for each in following if not taken(each)), None)
    if free is None or not is_loopback(text):
        return "use another port"
    endpoint = text.replace(str(port), str(free), 1)
    if file == COMMAND_LINE:
        # A port alone means this, which is the usual case.
        is_usual = endpoint == f"tcp:{free}:interface=127.0.0.1"
        return f"use another port: --listen {free if is_usual else endpoint}"
    if key.startswith("admin"):
        return f'use another port: listen = "{endpoint}" under [admin]'
    return f'use another port, such as "{endpoint}"'


def _privileged(text: str) -> str:
    python = os.path.realpath(sys.executable)
    higher = "use port 1024 or higher"
    if is_loopback(text):
        higher += ', such as "tcp:8080:interface=127.0.0.1"'
    return (
        f"ports below {_PRIVILEGED} need a privilege: {higher}; or let systemd open the port"
        ' (docs/howto/systemd.md, listen = ["systemd:name=corsgate"]); or run'
        f" sudo setcap cap_net_bind_service=+ep {python}, which gives the privilege to every"
        " program that this Python runs"
    )


def _may_collide(one: str, other: str) -> bool:
    port = port_of(one)
    return address_of(one) == address_of(other) or (port is not None and port == port_of(other))
