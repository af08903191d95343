"""The limits of a configuration and their defaults."""

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
    """Limits on what a client or an upstream may use, in seconds and bytes.

    Attributes:
        timeout_s: The maximum time until the upstream's response starts, including the upload
            and all retries; None for no limit.
        connect_timeout_s: The maximum time to connect to an upstream server.
        first_byte_timeout_s: The maximum time until the upstream's response starts.
        response_idle_timeout_s: The maximum time between two reads of the response body.
        tunnel_idle_timeout_s: The maximum time that a WebSocket may be idle.
        client_head_timeout_s: The maximum time for a client to send the head of a request.
        client_body_timeout_s: The maximum time between two reads of a client's body.
        keep_alive_timeout_s: How long a client's idle connection is kept for its next request.
        drain_timeout_s: How long running requests may continue when the gate stops.
        tunnel_grace_s: How long WebSockets and other tunnels may continue when the gate stops,
            before their clients are asked to close them.
        max_target_bytes: The maximum length of a request target.
        max_head_bytes: The maximum size of a head.
        max_headers: The maximum number of fields in a head.
        max_body_bytes: The maximum size of a client's body; None for no limit.
        max_buffered_bytes: The maximum size of the buffer for each direction of a request.
        max_buffered_per_client: The maximum number of bytes in memory for one IPv4 address or
            IPv6 /64 network. A connection may use half of it. The default is enough for 250
            stalled responses, with one read of 64 KiB each. Half of it is enough for the 100
            streams of one connection. With 1,000 connections, a client uses less than 96 MB.
        max_buffered_total: The maximum number of bytes in memory for all clients together. The
            default is enough for a dozen such clients. With 70 MB for the process and 80 MB for
            10,000 idle connections, a fifth of 512 MiB remains free.
        max_connections: The maximum number of client connections. Beyond it, a new connection
            replaces an idle one. It is lowered at startup if there are too few descriptors.
        max_connections_per_client: The maximum number of connections from one IPv4 address or
            IPv6 /64 network.
        max_buffered_log_bytes: The maximum size of log lines that wait to be written. Further
            lines are lost.
        min_upload_rate: The minimum average rate, in bytes per second, at which a client must
            send a body while the gate waits for it; 0 for no limit.
        min_download_rate: The minimum average rate, in bytes per second, at which a client must
            read a response; 0 for no limit.
        min_rate_grace_s: How many seconds a client may be behind these rates.
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
    tunnel_grace_s: float = attrs.field(default=5.0, validator=seconds(0.0, DAY))
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
    # Kestrel's defaults.
    min_upload_rate: int = attrs.field(default=240, validator=size(0, MIB))
    min_download_rate: int = attrs.field(default=240, validator=size(0, MIB))
    min_rate_grace_s: float = attrs.field(default=5.0, validator=seconds(MILLISECOND, HOUR))


@attrs.frozen(kw_only=True)
class PoolLimits:
    """Limits on the connections to each server of an upstream.

    Attributes:
        max_connections: The maximum number of connections to one server, including idle ones and
            those being opened.
        max_queue: The maximum number of requests that may wait for a connection.
        queue_timeout_s: The maximum time that a request may wait for a connection.
        max_tunnels: The maximum number of tunnels to one server, such as WebSockets. Tunnels do
            not count as connections. One client may have half of them.
        idle_timeout_s: How long an idle connection is kept for the next request. The default is
            shorter than that of common servers (Apache and Node: 5 s). Otherwise a request may be
            sent on a connection that the server is closing, and a POST can't be sent again.
        keep_alive: Whether connections are kept for further requests.
        max_requests_per_connection: The maximum number of requests on one connection; None for no
            limit.
    """

    max_connections: int = attrs.field(default=1024, validator=count(1, MANY))
    max_queue: int = attrs.field(default=1024, validator=count(0, MANY))
    queue_timeout_s: float = attrs.field(default=10.0, validator=seconds(MILLISECOND, HOUR))
    max_tunnels: int = attrs.field(default=10_000, validator=count(0, MANY))
    idle_timeout_s: float = attrs.field(default=4.0, validator=seconds(MILLISECOND, HOUR))
    keep_alive: bool = True
    max_requests_per_connection: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(count(1, MANY))
    )

    @property
    def most_per_connection(self) -> int | None:
        """The maximum number of requests on one connection; None for no limit."""
        return self.max_requests_per_connection if self.keep_alive else 1
