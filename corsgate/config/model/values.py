"""The values of a configuration, as frozen classes: every instance is valid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import Any, TypeAlias

import attrs

from corsgate.config.model import rules
from corsgate.config.model.balancing import Balancing
from corsgate.config.model.certificates import CertifiedKey
from corsgate.config.model.endpoint import check_endpoint
from corsgate.config.model.header_rules import HeaderRules
from corsgate.config.model.limits import Limits as Limits
from corsgate.config.model.limits import PoolLimits as PoolLimits
from corsgate.config.model.request_rules import RequestRules
from corsgate.config.model.secret import Secret as Secret
from corsgate.config.model.validators import Validator, at_least_one, choice, count, each, rule
from corsgate.errors import BadValue, Fault

SCHEMES = ("http", "https")
LOG_FORMATS = ("json", "combined")
DIGEST_ALGORITHMS = ("MD5", "SHA-256", "SHA-512-256")
"""The Digest algorithms, weakest first; each includes its ``-sess`` variant (RFC 7616 3.3)."""

MAX_WEIGHT = 1000


def _secret(check: Callable[[str], None]) -> Validator[Secret]:
    return rule(lambda secret: check(secret.reveal()))


def _read_only(upstreams: Mapping[str, Upstream]) -> Mapping[str, Upstream]:
    return MappingProxyType(dict(upstreams))


@attrs.frozen(kw_only=True)
class Listener:
    """Where the gate listens.

    Attributes:
        endpoint: A Twisted server endpoint string, such as ``tcp:5555:interface=127.0.0.1``.
        trusted_proxies: The networks whose Forwarded and X-Forwarded-* fields are trusted.
        certificates: The certificates for TLS, chosen by the name that a client asks for, or the
            first if none matches; empty for plain TCP.
        http2: Whether clients may use HTTP/2, which needs certificates.
    """

    endpoint: str = attrs.field(validator=rule(check_endpoint))
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    certificates: tuple[CertifiedKey, ...] = ()
    http2: bool = attrs.field(default=False)

    @http2.validator
    def _over_tls(self, _attribute: attrs.Attribute[Any], http2: bool) -> None:
        if http2 and not self.certificates:
            raise BadValue("HTTP/2 needs TLS", "add certificates, or remove it")


@attrs.frozen(kw_only=True)
class Server:
    """One server of an upstream.

    Attributes:
        scheme: ``http`` or ``https``.
        host: A lower-cased host name or IP address, an IPv6 address without brackets.
        port: 1 to 65535.
        base_path: A path that is put before each request's path. It is empty, or starts with
            ``/`` and does not end with one.
        weight: The server's share of requests, 1 to 1000.
        backup: Whether the server is used only if no other server is available.
        drain: Whether the server gets no new requests, except from clients that stick to it.
        name: The host name that discovery resolved to `host`; the Host sent and the certificate
            are for this name.
        socket: The path of a Unix socket to connect to. `host` and `port` are then only used for
            the Host that is sent.
    """

    scheme: str = attrs.field(validator=choice(SCHEMES))
    host: str = attrs.field(converter=rules.normal_host, validator=rule(rules.check_host))
    port: int = attrs.field(validator=count(1, 65535))
    base_path: str = attrs.field(default="", validator=rule(rules.check_base_path))
    weight: int = attrs.field(default=1, validator=count(1, MAX_WEIGHT))
    backup: bool = False
    drain: bool = False
    name: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(rule(rules.check_host))
    )
    socket: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(rule(rules.check_socket_path))
    )

    @cached_property
    def authority(self) -> str:
        """The Host value for this server, without the port if it is the scheme's default."""
        return self._authority(self.name or self.host)

    @cached_property
    def host_value(self) -> bytes:
        """`authority` as bytes, for a Host field."""
        return self.authority.encode("ascii")

    @cached_property
    def origin(self) -> str:
        """The address, such as ``http://10.0.0.11:8000``; it identifies the server."""
        if self.socket is not None:
            return f"unix:{self.socket}"
        return f"{self.scheme}://{self._authority(self.host)}"

    def _authority(self, host: str) -> str:
        host = f"[{host}]" if ":" in host else host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"


@attrs.frozen(kw_only=True)
class Discovered:
    """Servers that are found through DNS.

    Attributes:
        template: The settings of each server; its host is the name to look up.
        is_service: Whether the name is a service's, whose SRV records (RFC 2782) contain the
            hosts and ports, rather than a host's.
    """

    template: Server
    is_service: bool = False

    def __str__(self) -> str:
        return f"{'srv' if self.is_service else 'dns'}+{self.template.origin}"


@attrs.frozen(kw_only=True)
class BasicCredentials:
    """A user name and password for Basic authentication (RFC 7617).

    Attributes:
        username: The user's name, without a colon.
        password: Where to get the password.
    """

    username: str = attrs.field(validator=rule(rules.check_basic_username))
    password: Secret = attrs.field(validator=_secret(rules.check_secret))


@attrs.frozen(kw_only=True)
class DigestCredentials:
    """A user name and password for Digest authentication (RFC 7616).

    Attributes:
        username: The user's name.
        password: Where to get the password.
        min_algorithm: The weakest algorithm that a challenge may use: MD5, SHA-256 or
            SHA-512-256, each with its -sess variant. Many boxes support only MD5.
        require_qop: Whether challenges without ``qop="auth"`` (RFC 2069) are rejected.
    """

    username: str = attrs.field(validator=rule(rules.check_username))
    password: Secret = attrs.field(validator=_secret(rules.check_secret))
    min_algorithm: str = attrs.field(
        default=DIGEST_ALGORITHMS[0], validator=choice(DIGEST_ALGORITHMS)
    )
    require_qop: bool = False


@attrs.frozen(kw_only=True)
class BearerCredentials:
    """A bearer token (RFC 6750).

    Attributes:
        token: Where to get the token.
    """

    token: Secret = attrs.field(validator=_secret(rules.check_bearer_token))


@attrs.frozen(kw_only=True)
class HeaderCredentials:
    """A secret that is sent in a named field, such as ``X-Api-Key``.

    Attributes:
        name: The field's name.
        value: Where to get the field's value.
    """

    name: str = attrs.field(validator=rule(rules.check_field_name))
    value: Secret = attrs.field(validator=_secret(rules.check_field_value))


Credentials: TypeAlias = (
    BasicCredentials | DigestCredentials | BearerCredentials | HeaderCredentials
)


@attrs.frozen(kw_only=True)
class Upstream:
    """A REST API that requests are forwarded to: one or more equivalent servers.

    Attributes:
        name: The name under ``[upstreams]``.
        servers: The fixed servers. No two have the same origin; there is at least one unless
            others are discovered.
        discovered: Further servers, which are looked up in DNS repeatedly.
        servers_file: The file that the servers were read from, which is watched; or None.
        resolver: The address and port of the DNS server; None for the system's.
        credentials: The credentials for every request to these servers, or None.
        preserve_host: Whether the client's Host is sent instead of the server's.
        pool: Limits on the connections to each server.
        balancing: How requests are distributed among the servers.
        ca_pem: The file of certificates of a private authority to verify https servers with;
            None for the platform's.
        server_name: The name that the certificates of https servers must have, also sent as SNI;
            None for the host in each server's URL.
        client_certificate: The certificate for https servers that ask for one, or None.
        verify: Whether https servers are verified.
        request_rules: What the servers are shown of who asks.
    """

    name: str = attrs.field(validator=rule(rules.check_entry_name))
    servers: tuple[Server, ...]
    discovered: tuple[Discovered, ...] = ()
    servers_file: str | None = None
    resolver: tuple[str, int] | None = None
    credentials: Credentials | None = None
    preserve_host: bool = False
    pool: PoolLimits = attrs.field(factory=PoolLimits)
    balancing: Balancing = attrs.field(factory=Balancing)
    # Not shown: a file of certificates may also contain a private key.
    ca_pem: bytes | None = attrs.field(
        default=None, repr=False, validator=attrs.validators.optional(rule(rules.check_pem))
    )
    server_name: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(rule(rules.check_host))
    )
    client_certificate: CertifiedKey | None = None
    verify: bool = True
    request_rules: RequestRules = attrs.field(factory=RequestRules)

    @property
    def adds_secrets(self) -> bool:
        """Whether the gate adds secrets to its requests: credentials, or in a field."""
        return self.credentials is not None or self.request_rules.request_headers.is_secret

    def __attrs_post_init__(self) -> None:
        """Reject an upstream that has no servers, or the same one twice."""
        servers = self.servers
        if not servers and not self.discovered:
            raise BadValue("there are no servers", "give at least one")
        # Pools and health are stored by origin, so two servers can't share one.
        origins = [server.origin for server in servers]
        for index, origin in enumerate(origins):
            if origin in origins[:index]:
                raise BadValue(
                    f"{origin} is listed twice", "remove one, or raise the other's weight"
                )


@attrs.frozen(kw_only=True)
class Cors:
    """A CORS policy as written in the file; `corsgate.cors.policy` checks it.

    Attributes:
        allow_origins: Exact origins, ``https://*.example.com``, ``http://localhost:*`` or ``*``.
        allow_methods: Methods, or ``*``; Fetch always allows GET, HEAD and POST.
        allow_headers: Field names, or ``*``, which never includes Authorization.
        expose_headers: Field names that scripts may read in addition to the safelisted ones, or
            ``*``.
        expose_auto: Whether scripts may read all suitable fields of each response, instead of
            `expose_headers`.
        allow_credentials: Whether the browser may send and store cookies and other credentials.
        max_age_s: How long a browser may cache a preflight response; None for no such header.
        enforce_origin: Whether a request from an origin that is not allowed gets 403.
        debug: Whether clients on the gate's own machine get the reason for a refusal.
        debug_origins: Origins and patterns whose pages get the reason from any machine.
        dangerously_allow_any_origin_to_use_upstream_credentials: Whether a route with upstream
            credentials may allow ``*``. Every page on the web can then use them.
        dangerously_allow_insecure_origins_with_credentials: Whether http pages may use the
            browser's credentials, although anyone on the network path can modify such pages.
        dangerously_allow_subdomains_of_public_suffixes: Whether a wildcard may include names
            that anyone can register.
    """

    allow_origins: tuple[str, ...]
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age_s: int | None = None
    expose_auto: bool = False
    enforce_origin: bool = True
    debug: bool = False
    debug_origins: tuple[str, ...] = ()
    dangerously_allow_any_origin_to_use_upstream_credentials: bool = False
    dangerously_allow_insecure_origins_with_credentials: bool = False
    dangerously_allow_subdomains_of_public_suffixes: bool = False


@attrs.frozen(kw_only=True)
class Route:
    """A path prefix, optionally of one host, and how its requests are handled.

    Attributes:
        host: The only host that the route serves, or None. It is lower-cased and has no port; an
            IPv6 address has brackets, as in Host.
        prefix: ``/`` or ``/segment[/segment...]``, without a ``/`` at the end.
        upstream: The upstream that requests are forwarded to.
        cors: The CORS policy; None for no cross-origin access.
        cors_report_only: A second policy to try. Its differences are counted and logged, but it
            has no other effect. None for no such policy.
        methods: The methods to serve; None for all. Others get 405.
        strip_prefix: Whether the prefix is removed before forwarding.
        allow_framing: Whether pages of other origins may show responses in frames, ``<object>``
            and ``<embed>`` if the upstream has credentials. Load events tell such a page which
            URLs exist behind the gate.
        pass_headers: Names of request fields that are forwarded although an upstream may trust
            them for the client's identity or the target; only in this spelling.
        limits: The limits of the file, overridden by those of the route.
        response_headers: Fields that are set, added or removed in the upstream's responses.
    """

    host: str | None = attrs.field(
        default=None,
        converter=attrs.converters.optional(rules.normal_host),
        validator=attrs.validators.optional(rule(rules.check_bracketed_host)),
    )
    prefix: str = attrs.field(validator=rule(rules.check_prefix))
    upstream: Upstream
    cors: Cors | None = None
    cors_report_only: Cors | None = None
    methods: tuple[str, ...] | None = attrs.field(default=None, validator=each(rules.check_method))
    strip_prefix: bool = False
    allow_framing: bool = False
    pass_headers: tuple[str, ...] = attrs.field(
        default=(), validator=each(rules.check_passed_header)
    )
    limits: Limits = attrs.field(factory=Limits)
    response_headers: HeaderRules = attrs.field(factory=HeaderRules)


@attrs.frozen(kw_only=True)
class Config:
    """All settings of the gate, as one immutable snapshot.

    Attributes:
        listeners: The listeners, at least one.
        hosts: The Host values to serve (``name`` for any port, ``name:port``, or ``*.name``);
            others get 421. The hosts that trusted proxies send in X-Forwarded-Host and Forwarded
            must also match. None for loopback names on loopback listeners, and any name on
            others.
        upstreams: The upstreams by name.
        routes: The routes in file order, at least one; no two have the same host and prefix.
        limits: The defaults, overridden by the limits of the file.
        log_format: The format of the access log: ``json`` or ``combined``.
        access_log: The path of the access log, ``off``, or ``-`` for standard output, the default.
        warnings: Warnings about the file, in line order.
    """

    listeners: tuple[Listener, ...] = attrs.field(validator=at_least_one)
    hosts: tuple[str, ...] | None = attrs.field(
        default=None, validator=each(rules.check_served_host)
    )
    upstreams: Mapping[str, Upstream] = attrs.field(converter=_read_only)
    routes: tuple[Route, ...] = attrs.field(validator=at_least_one)
    limits: Limits = attrs.field(factory=Limits)
    log_format: str = attrs.field(default="json", validator=choice(LOG_FORMATS))
    access_log: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(rule(rules.check_plain))
    )

    warnings: tuple[Fault, ...] = attrs.field(default=(), eq=False)

    @routes.validator
    def _differ(self, _attribute: attrs.Attribute[Any], routes: tuple[Route, ...]) -> None:
        seen = set()
        for route in routes:
            place = (route.host, route.prefix)
            if place in seen:
                raise BadValue(
                    f'"{route.host or ""}{route.prefix}" is listed twice', "remove one of them"
                )
            seen.add(place)
