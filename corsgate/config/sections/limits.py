"""Read ``[limits]`` and the limits of a route."""

from __future__ import annotations

from typing import Any

import attrs

from corsgate.config.model.limits import Limits, PoolLimits
from corsgate.config.toml.keys import AnyKey, Keys, field_key
from corsgate.config.toml.reader import Table


def _limit(field: str, description: str, example: str, **more: Any) -> AnyKey:
    return field_key(Limits, field, description, example=f'"{example}"', **more)


def _count(field: str, description: str, example: int) -> AnyKey:
    return field_key(Limits, field, description, example=str(example))


TIMEOUT = _limit(
    "timeout_s",
    "The longest time until the upstream's response starts, including the upload and all retries.",
    "2m",
)
FIRST_BYTE_TIMEOUT = _limit(
    "first_byte_timeout_s",
    "The longest time that a server may take to start its response, not including the upload.",
    "5m",
)
RESPONSE_IDLE_TIMEOUT = _limit(
    "response_idle_timeout_s", "The longest pause between two parts of a response body.", "10m"
)
TUNNEL_IDLE_TIMEOUT = _limit(
    "tunnel_idle_timeout_s", "The longest time that a WebSocket may be idle.", "30m"
)
MAX_BODY_BYTES = _limit(
    "max_body_bytes", "The largest request body that a client may send.", "10MiB"
)
MAX_BUFFERED_BYTES = _limit(
    "max_buffered_bytes", "The size of the buffer for each direction of a request.", "128KiB"
)


def _unlimited(key: AnyKey) -> AnyKey:
    return attrs.evolve(key, description=f"{key.description} By default there is no such limit.")


LIMITS = Keys(
    heading="[limits]",
    description="Limits on what clients and upstreams may use.",
    models=(Limits,),
    keys=(
        _unlimited(TIMEOUT),
        _limit(
            "connect_timeout_s", "The longest time to connect to a server of an upstream.", "5s"
        ),
        FIRST_BYTE_TIMEOUT,
        RESPONSE_IDLE_TIMEOUT,
        TUNNEL_IDLE_TIMEOUT,
        _limit(
            "client_head_timeout_s",
            "The longest time for a client to send the head of a request.",
            "20s",
        ),
        _limit(
            "client_body_timeout_s",
            "The longest pause between two parts of a request body.",
            "2m",
        ),
        _limit(
            "keep_alive_timeout_s",
            "How long an idle client connection is kept for the next request.",
            "1m",
        ),
        _limit(
            "drain_timeout_s", "How long running requests may continue when the gate stops.", "1m"
        ),
        _limit(
            "tunnel_grace_s",
            "How long WebSockets and other tunnels may continue when the gate stops."
            " After that, the gate asks their clients to close them.",
            "10s",
        ),
        _limit("max_target_bytes", "The longest request target: path and query.", "16KiB"),
        _limit("max_head_bytes", "The largest head of a request or response.", "64KiB"),
        _count("max_headers", "The largest number of header fields in a head.", 200),
        _unlimited(MAX_BODY_BYTES),
        MAX_BUFFERED_BYTES,
        _limit(
            "max_buffered_per_client",
            "How many bytes may wait in memory for one client: an IPv4 address or an IPv6 /64"
            " network. One connection may use half of it. The default is enough for 250 stalled"
            " responses.",
            "40MiB",
        ),
        _limit(
            "max_buffered_total",
            "How many bytes may wait in memory for all clients together. The default suits a"
            " host with 512 MiB or more.",
            "1GiB",
        ),
        _count(
            "max_connections",
            "How many connections clients may have. Beyond that, a new connection replaces an idle"
            " one. The gate lowers it if there are too few file descriptors.",
            20_000,
        ),
        _count(
            "max_connections_per_client",
            "How many connections one IPv4 address or IPv6 /64 network may have.",
            200,
        ),
        _limit(
            "max_buffered_log_bytes",
            "How many bytes of log lines may wait to be written. Further lines are lost.",
            "8MiB",
        ),
        _limit(
            "min_upload_rate",
            "The lowest average rate, per second, at which a client must send a body."
            ' Only time spent waiting for the client counts. "0B" turns it off.',
            "1KiB",
        ),
        _limit(
            "min_download_rate",
            "The lowest average rate, per second, at which a client must read a response."
            ' Only time spent waiting for the client counts. "0B" turns it off.',
            "1KiB",
        ),
        _limit("min_rate_grace_s", "How far behind these two rates a client may be.", "10s"),
    ),
)

ROUTE_LIMITS = Keys(
    heading='[routes."PREFIX".limits]',
    description="Limits of one route. For the others, the values under [limits] apply.",
    models=(Limits,),
    keys=tuple(
        attrs.evolve(key, default=None)
        for key in (
            *(TIMEOUT, FIRST_BYTE_TIMEOUT, RESPONSE_IDLE_TIMEOUT, TUNNEL_IDLE_TIMEOUT),
            *(MAX_BODY_BYTES, MAX_BUFFERED_BYTES),
        )
    ),
)
"""The limits that a route may set; the others apply before the route is known."""

_UPSTREAM_LIMITS = [
    *(field.name.removesuffix("_s") for field in attrs.fields(PoolLimits)),
    "max_requests",
    "max_tries",
]
"""The limits that belong to an upstream. Some have the same name as a limit in ``[limits]``."""


def read_limits(table: Table, start: Limits, keys: Keys = LIMITS) -> Limits:
    """Read a table ``[limits]``, or that of a route.

    Args:
        table: The table of limits.
        start: The limits for keys that are not in the table.
        keys: The keys that may be in the table.

    Returns:
        The limits. After a fault, which is recorded, the value of `start` is used.
    """
    for key in LIMITS.keys:
        if key.name not in keys.names:
            table.refuse(key.name, "a route can't set it", "set it under [limits]")
    limits = table.put(start, *keys.keys)
    for name in _UPSTREAM_LIMITS:
        if name not in LIMITS.names:
            table.refuse(name, "each upstream has its own", "set it under [upstreams.NAME]")
    if "tunnel_grace" in table.raw and limits.tunnel_grace_s > limits.drain_timeout_s:
        problem = "it is longer than drain_timeout, after which all tunnels end"
        fix = "write a shorter one, or a longer drain_timeout"
        table.notes.warn((*table.path, "tunnel_grace"), problem, fix)
    table.finish(keys)
    return limits
