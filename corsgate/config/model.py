"""What a configuration says, as frozen values: an instance that exists is valid."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias

import attrs


@attrs.frozen(repr=False)
class Secret:
    """Text that must never be shown: neither its repr nor its str says it."""

    _text: str = attrs.field(repr=False)

    def reveal(self) -> str:
        """Answer the text itself, for the one place that puts it on the wire."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"


@attrs.frozen(kw_only=True)
class Limits:
    """Bounds on what a client or an upstream may take, in seconds and bytes."""

    connect_timeout_s: float = 3.0
    first_byte_timeout_s: float = 60.0
    response_idle_timeout_s: float = 300.0
    client_head_timeout_s: float = 10.0
    client_body_timeout_s: float = 60.0
    keep_alive_timeout_s: float = 75.0
    drain_timeout_s: float = 30.0
    max_target_bytes: int = 8 * 1024
    max_head_bytes: int = 32 * 1024
    max_headers: int = 100
    max_body_bytes: int | None = None
    max_buffered_bytes: int = 64 * 1024


@attrs.frozen(kw_only=True)
class Listener:
    """Where the gate listens.

    Attributes:
        endpoint: A Twisted server endpoint string, such as ``tcp:5555:interface=127.0.0.1``.
        trusted_proxies: Networks whose Forwarded and X-Forwarded-* are believed.
    """

    endpoint: str
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()


@attrs.frozen(kw_only=True)
class Server:
    """One server of an upstream.

    Attributes:
        scheme: ``http`` or ``https``.
        host: A lower-cased host name or IP address, an IPv6 address without brackets.
        port: 1 to 65535.
        base_path: Put before each request's path; empty, or starts with ``/`` and does not
            end with one.
        weight: 1 or more.
    """

    scheme: str
    host: str
    port: int
    base_path: str = ""
    weight: int = 1

    @property
    def authority(self) -> str:
        """The Host value for this server: the port is left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme and authority, such as ``http://10.0.0.11:8000``; names the server everywhere."""
        return f"{self.scheme}://{self.authority}"


@attrs.frozen(kw_only=True)
class BasicCredentials:
    """A user name and password sent by RFC 7617."""

    username: str
    password: Secret


@attrs.frozen(kw_only=True)
class DigestCredentials:
    """A user name and password that answer RFC 7616 challenges."""

    username: str
    password: Secret


@attrs.frozen(kw_only=True)
class BearerCredentials:
    """A token sent by RFC 6750."""

    token: Secret


@attrs.frozen(kw_only=True)
class HeaderCredentials:
    """A secret sent in a field of the operator's choice, such as ``X-Api-Key``."""

    name: str
    value: Secret


Credentials: TypeAlias = (
    BasicCredentials | DigestCredentials | BearerCredentials | HeaderCredentials
)


@attrs.frozen(kw_only=True)
class Upstream:
    """A REST API that is forwarded to: one or more servers that answer alike.

    Attributes:
        name: Its name under ``[upstreams]``.
        servers: At least one.
        credentials: Sent with every request to these servers, or None.
        preserve_host: Whether the client's Host is sent instead of the server's.
        ca_pem: Certificates of the private authority that https servers are verified by;
            None for the platform's.
    """

    name: str
    servers: tuple[Server, ...]
    credentials: Credentials | None = None
    preserve_host: bool = False
    ca_pem: bytes | None = None


@attrs.frozen(kw_only=True)
class Cors:
    """A CORS policy as it is written.

    Attributes:
        allow_origins: Exact origins, ``https://*.example.com``, ``http://localhost:*`` or ``*``.
        allow_methods: Method tokens, or ``*``; GET, HEAD and POST are always allowed by Fetch.
        allow_headers: Field names, or ``*``, which never covers Authorization.
        expose_headers: Field names that scripts may read beyond the safelisted ones, or ``*``.
        allow_credentials: Whether the browser may send and use cookies and the like.
        max_age_s: How long a browser may keep a preflight's answer; None leaves it unsaid.
        enforce_origin: Whether a request from an origin that is not allowed gets 403.
    """

    allow_origins: tuple[str, ...]
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age_s: int | None = None
    enforce_origin: bool = True


@attrs.frozen(kw_only=True)
class Route:
    """A path prefix, perhaps of one host, and what becomes of requests below it.

    Attributes:
        host: A lower-cased host name without a port that the route is confined to, or None.
        prefix: ``/`` or ``/segment[/segment...]``, without a ``/`` at its end.
        upstream: Where requests go.
        cors: The policy, or None for no cross-origin access.
        methods: The methods that are served, or None for all; others get 405.
        strip_prefix: Whether the prefix is taken off before forwarding.
        limits: The file's limits with the route's own on top.
    """

    host: str | None = None
    prefix: str
    upstream: Upstream
    cors: Cors | None = None
    methods: tuple[str, ...] | None = None
    strip_prefix: bool = False
    limits: Limits = Limits()


@attrs.frozen(kw_only=True)
class Config:
    """All that a configuration decides: one immutable snapshot.

    Attributes:
        listeners: At least one.
        hosts: Host values that are served (``name`` for any port, ``name:port``, or
            ``*.name``); None for any; others get 421.
        upstreams: By name.
        routes: In the order of the file.
        limits: The defaults with the file's own on top.
        log_format: ``json`` or ``combined``.
        access_log: A path, ``-`` for standard output, ``off``, or None for the daemon's log.
    """

    listeners: tuple[Listener, ...]
    hosts: tuple[str, ...] | None = None
    upstreams: Mapping[str, Upstream]
    routes: tuple[Route, ...]
    limits: Limits = Limits()
    log_format: str = "json"
    access_log: str | None = None
