"""Measure the cost of idle connections, which have sent one request and then nothing."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

import attrs

from bench.loads import KIB, LOADS, MIB, ORIGIN
from bench.measure import Bench, Proxy
from bench.processes import LeftOut, usage

_SPARE: Final = 2_000
"""Further descriptors for the gate: about 500 more clients, and 1,024 upstream connections."""
_FIRST: Final = 1_000
"""How many are opened before memory is measured, since they use memory that was already free."""
_REST_S: Final = 3.0
_TIMEOUT_S: Final = 10.0


@attrs.frozen(kw_only=True)
class Idle:
    """The cost of idle connections.

    Attributes:
        opened: How many there were.
        kept: How many got a second response at the end.
        kib_each: Resident memory for each, in KiB.
        rss_mib: Total resident memory, in MiB.
        at_rest: What fraction of a core the gate uses while no client sends.
        alone_us: CPU time per request without them, in microseconds.
        beside_us: CPU time per request on other connections, in microseconds.
    """

    opened: int
    kept: int
    kib_each: float
    rss_mib: float
    at_rest: float
    alone_us: float
    beside_us: float


def measure(made: Bench, gate: Proxy, count: int, seconds: int) -> Idle:
    """Hold idle connections to a freshly started gate.

    Args:
        made: The bench in which it runs.
        gate: The gate, whose limits allow that many.
        count: How many connections; more than 1,000.
        seconds: How long to measure the load, without them and with them.

    Raises:
        LeftOut: This process may not have enough descriptors, or the gate fails a request.
    """
    load = LOADS[0]
    _allow_descriptors(count + _SPARE)
    with made.running(gate) as daemon:
        made.drive(gate, load, daemon, max(1, seconds // 3))
        alone = made.sample(gate, load, daemon, seconds)
        with held(daemon.port, _FIRST) as first, ExitStack() as stack:
            before = usage(daemon.pid)
            others = stack.enter_context(held(daemon.port, count - _FIRST))
            opened = usage(daemon.pid)
            time.sleep(_REST_S)
            rested = usage(daemon.pid)
            beside = made.sample(gate, load, daemon, seconds)
            kept = sum(_asks(connection, daemon.port) for connection in (*first, *others))
    return Idle(
        opened=count,
        kept=kept,
        kib_each=(opened.rss_bytes - before.rss_bytes) / KIB / len(others),
        rss_mib=opened.rss_bytes / MIB,
        at_rest=(rested.cpu_s - opened.cpu_s) / _REST_S,
        alone_us=alone.cpu_us,
        beside_us=beside.cpu_us,
    )


@contextmanager
def held(port: int, count: int) -> Iterator[Sequence[socket.socket]]:
    """Hold connections to a server on 127.0.0.1; each has received one response.

    Raises:
        LeftOut: One of them got no response.
    """
    with ExitStack() as stack:
        connections = []
        for number in range(count):
            connection = stack.enter_context(socket.socket())
            connection.settimeout(_TIMEOUT_S)
            with suppress(OSError):
                connection.connect(("127.0.0.1", port))
            if not _asks(connection, port):
                raise LeftOut(f"connection {number + 1:,} of {count:,} gets no response")
            connections.append(connection)
        yield connections


def _asks(connection: socket.socket, port: int) -> bool:
    """Send a request on a connection; return whether it got a complete response."""
    request = f"GET /1k.json HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {ORIGIN}\r\n\r\n"
    came = b""
    try:
        connection.sendall(request.encode())
        while len(came.partition(b"\r\n\r\n")[2]) < KIB:
            some = connection.recv(64 * KIB)
            if not some:
                return False
            came += some
    except OSError:
        return False
    return came.startswith(b"HTTP/1.1 200 ")


def _allow_descriptors(count: int) -> None:
    """Raise the limit of descriptors of this process and its children to a number.

    Raises:
        LeftOut: The hard limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
        except ValueError as error:
            raise LeftOut(f"it needs {count:,} descriptors, and may have {hard:,}") from error
