"""Bounds that a configuration sets, with their defaults, as frozen values."""

from __future__ import annotations

import attrs

from corsgate.config.model.validators import (
    DAY,
    HOUR,
    KIB,
    MANY,
    MIB,
    MILLISECOND,
    PIB,
    count,
    seconds,
    size,
)


@attrs.frozen(kw_only=True)
class Limits:
    """Bounds on what a client or an upstream may take, in seconds and bytes.

    Attributes:
        timeout_s: How long until the upstream's response starts, the upload and all tries
            included; None for no bound.
        connect_timeout_s: How long connecting to an upstream's server may take.
        first_byte_timeout_s: How long until the upstream's response starts.
        response_idle_timeout_s: How long between two pieces of the response's body.
        tunnel_idle_timeout_s: How long a WebSocket may be on which nothing moves.
        client_head_timeout_s: How long a client may take to send a request's head.
        client_body_timeout_s: How long between two pieces of a client's body.
        keep_alive_timeout_s: How long a client's connection is kept for its next request.
        drain_timeout_s: How long running requests may take when the gate stops.
        max_target_bytes: How long a request target may be.
        max_head_bytes: How large a head may be.
        max_headers: How many fields a head may have.
        max_body_bytes: How large a client's body may be; None for no bound.
        max_buffered_bytes: How much is kept per direction of a request.
        max_buffered_per_client: How many bytes may wait in memory for one IPv4 address or IPv6
            /64 network; a connection may take half of that. The default is what 250 stalled
            responses hold, each with one read of 64 KiB; half of it is enough for the 100 streams
            of one connection. Together with the 1,000 connections that a client may have, it stays
            below 96 MB.
        max_buffered_total: How many may wait for all clients together. The default is a dozen
            clients' worth. With 70 MB for the process and 80 MB for 10,000 idle connections, it
            leaves a fifth of a host of 512 MiB free.
        max_connections: How many connections clients may have in all; beyond that an idle one is
            closed for a newcomer. Lowered at the start where descriptors are short.
        max_connections_per_client: How many one IPv4 address or IPv6 /64 network may have.
        max_buffered_log_bytes: How much of a log waits to be written before lines are lost.
        min_upload_rate: How many bytes per second of a body a client must send on average, over
            the time that the gate waits for it; 0 for no bound.
        min_download_rate: How many bytes per second of a response a client must take, likewise.
        min_rate_grace_s: How far behind these rates a client may be.
    """

    timeout_s: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(seconds(MILLISECOND, DAY))
    )
    connect_timeout_s: float = attrs.field(default=3.0, validator=seconds(MILLISECOND, HOUR))
    first_byte_timeout_s: float = attrs.field(default=60.0, validator=seconds(MILLISECOND, DAY))
    response_idle_timeout_s: float = attrs.field(default=300.0, validator=seconds(MILLISECOND, DAY))
    tunnel_idle_timeout_s: float = attrs.field(default=600.0, validator=seconds(MILLISECOND, DAY))
    client_head_timeout_s: float = attrs.field(default=10.0, validator=seconds(MILLISECOND, HOUR))
    client_body_timeout_s: float = attrs.field(default=60.0, validator=seconds(MILLISECOND, DAY))
    keep_alive_timeout_s: float = attrs.field(default=75.0, validator=seconds(MILLISECOND, DAY))
    drain_timeout_s: float = attrs.field(default=30.0, validator=seconds(MILLISECOND, DAY))
    max_target_bytes: int = attrs.field(default=8 * KIB, validator=size(16, MIB))
    max_head_bytes: int = attrs.field(default=32 * KIB, validator=size(256, MIB))
    max_headers: int = attrs.field(default=100, validator=count(1, 10_000))
    max_body_bytes: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(size(1, PIB))
    )
    max_buffered_bytes: int = attrs.field(default=64 * KIB, validator=size(KIB, 64 * MIB))
    max_buffered_per_client: int = attrs.field(default=20 * MIB, validator=size(MIB, PIB))
    max_buffered_total: int = attrs.field(default=256 * MIB, validator=size(MIB, PIB))
    max_connections: int = attrs.field(default=10_000, validator=count(1, MANY))
    max_connections_per_client: int = attrs.field(default=1000, validator=count(1, MANY))
    max_buffered_log_bytes: int = attrs.field(default=4 * MIB, validator=size(64 * KIB, 1024 * MIB))
    # As Kestrel has them.
    min_upload_rate: int = attrs.field(default=240, validator=size(0, MIB))
    min_download_rate: int = attrs.field(default=240, validator=size(0, MIB))
    min_rate_grace_s: float = attrs.field(default=5.0, validator=seconds(MILLISECOND, HOUR))


@attrs.frozen(kw_only=True)
class PoolLimits:
    """Bounds on the connections to each server of an upstream.

    Attributes:
        max_connections: To one server at a time, idle ones and those being made included.
        max_queue: How many requests may wait for one of them.
        queue_timeout_s: How long a request may wait.
        max_tunnels: How many connections to one server may have become tunnels, such as
            WebSockets; these count no longer as connections. One client may have half of them.
        idle_timeout_s: How long a connection is kept for the next request. The default is less
            than what common servers grant (Apache and Node 5 s): a request seldom meets a
            connection that its server is just closing, after which a POST can't be sent again.
    """

    max_connections: int = attrs.field(default=1024, validator=count(1, MANY))
    max_queue: int = attrs.field(default=1024, validator=count(0, MANY))
    queue_timeout_s: float = attrs.field(default=10.0, validator=seconds(MILLISECOND, HOUR))
    max_tunnels: int = attrs.field(default=10_000, validator=count(0, MANY))
    idle_timeout_s: float = attrs.field(default=4.0, validator=seconds(MILLISECOND, HOUR))
