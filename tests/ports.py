"""A free port, for a program that can't choose one by itself or must keep it over a restart."""

from __future__ import annotations

import socket
from pathlib import Path
from random import SystemRandom

_FIRST = 10_000
_TRIES = 100
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """Return a port of loopback that nobody uses now, for both TCP and UDP.

    The system never hands out such a port by itself, as it does for port 0 and for each outgoing
    connection. So another test can only take it by the same random choice.

    Source: ip(7), ``ip_local_port_range``.
    """
    last = int(_EPHEMERAL.read_text().split()[0]) - 1
    for _ in range(_TRIES):
        port = SystemRandom().randint(_FIRST, last)
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            try:
                stream.bind(("127.0.0.1", port))
                datagrams.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no free port")
