"""What a configuration says, as frozen values: an instance that exists is valid."""

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
from corsgate.config.model.limits import Limits as Limits
from corsgate.config.model.limits import PoolLimits as PoolLimits
from corsgate.config.model.secret import Secret as Secret
from corsgate.config.model.validators import Validator, at_least_one, choice, count, each, rule
from corsgate.errors import BadValue, Fault

SCHEMES = ("http", "https")
LOG_FORMATS = ("json", "combined")
DIGEST_ALGORITHMS = ("MD5", "SHA-256", "SHA-512-256")
"""The hashes of Digest, the weakest first; each with its ``-sess`` variant (RFC 7616 3.3)."""

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
        trusted_proxies: Networks whose Forwarded and X-Forwarded-* are believed.
        certificates: What TLS is spoken with, chosen by the name that a client asks for, the
            first where none matches; empty for plain TCP.
        http2: Whether clients may speak HTTP/2, which needs certificates.
    """

    endpoint: str = attrs.field(validator=rule(check_endpoint))
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    certificates: tuple[CertifiedKey, ...] = ()
    http2: bool = attrs.field(default=False)

    @http2.validator
    def _over_tls(self, _attribute: attrs.Attribute[Any], http2: bool) -> None:
        if http2 and not self.certificates:
            raise BadValue("HTTP/2 is spoken over TLS only", "add certificates, or remove it")


@attrs.frozen(kw_only=True)
class Server:
    """One server of an upstream.

    Attributes:
        scheme: ``http`` or ``https``.
        host: A lower-cased host name or IP address, an IPv6 address without brackets.
        port: 1 to 65535.
        base_path: Put before each request's path; empty, or starts with ``/`` and does not
            end with one.
        weight: 1 to 1000.
        backup: Whether it serves only where no other server can.
        drain: Whether it gets no new requests, but those of clients that stick to it.
        name: The host name that `host` is an address of, where discovery found it; the Host
            sent and the certificate are for this name.
        socket: The path of a Unix socket to connect to instead of `host` and `port`, which are
            then the Host that is sent.
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
        """The Host value for this server: the port is left out where it is the scheme's own."""
        return self._authority(self.name or self.host)

    @cached_property
    def host_value(self) -> bytes:
        """`authority` as it stands in a Host field."""
        return self.authority.encode("ascii")

    @cached_property
    def origin(self) -> str:
        """Where it is, such as ``http://10.0.0.11:8000``; names the server everywhere."""
        if self.socket is not None:
            return f"unix:{self.socket}"
        return f"{self.scheme}://{self._authority(self.host)}"

    def _authority(self, host: str) -> str:
        host = f"[{host}]" if ":" in host else host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"


@attrs.frozen(kw_only=True)
class Discovered:
    """Servers that DNS knows.

    Attributes:
        template: What each of them is like; its host is the name to ask for.
        is_service: Whether that is a service's name, whose SRV records (RFC 2782) say the hosts
            and ports, rather than a host's.
    """

    template: Server
    is_service: bool = False

    def __str__(self) -> str:
        return f"{'srv' if self.is_service else 'dns'}+{self.template.origin}"


@attrs.frozen(kw_only=True)
class BasicCredentials:
    """A user name and password sent by RFC 7617.

    Attributes:
        username: The user's name, without a colon.
        password: Where the password is to be had.
    """

    username: str = attrs.field(validator=rule(rules.check_basic_username))
    password: Secret = attrs.field(validator=_secret(rules.check_secret))


@attrs.frozen(kw_only=True)
class DigestCredentials:
    """A user name and password that answer RFC 7616 challenges.

    Attributes:
        username: The user's name.
        password: Where the password is to be had.
        min_algorithm: The weakest algorithm that a challenge is answered with: MD5, SHA-256 or
            SHA-512-256, each with its -sess variant. Many boxes know MD5 alone.
        require_qop: Whether a challenge without ``qop="auth"`` (RFC 2069) gets no answer.
    """

    username: str = attrs.field(validator=rule(rules.check_username))
    password: Secret = attrs.field(validator=_secret(rules.check_secret))
    min_algorithm: str = attrs.field(
        default=DIGEST_ALGORITHMS[0], validator=choice(DIGEST_ALGORITHMS)
    )
    require_qop: bool = False


@attrs.frozen(kw_only=True)
class BearerCredentials:
    """A token sent by RFC 6750.

    Attributes:
        token: Where the token is to be had.
    """

    token: Secret = attrs.field(validator=_secret(rules.check_bearer_token))


@attrs.frozen(kw_only=True)
class HeaderCredentials:
    """A secret sent in a field of the operator's choice, such as ``X-Api-Key``.

    Attributes:
        name: The field's name.
        value: Where its value is to be had.
    """

    name: str = attrs.field(validator=rule(rules.check_field_name))
    value: Secret = attrs.field(validator=_secret(rules.check_field_value))


Credentials: TypeAlias = (
    BasicCredentials | DigestCredentials | BearerCredentials | HeaderCredentials
)


@attrs.frozen(kw_only=True)
class Upstream:
    """A REST API that is forwarded to: one or more servers that answer alike.

    Attributes:
        name: Its name under ``[upstreams]``.
        servers: At least one, unless others are discovered; no two have the same origin.
        discovered: What DNS is asked for, again and again, for further ones.
        servers_file: Where the servers were read from, to be watched; or None.
        resolver: The address and port of the DNS server to ask; None for the system's.
        credentials: Sent with every request to these servers, or None.
        preserve_host: Whether the client's Host is sent instead of the server's.
        pool: Bounds on the connections to each of its servers.
        balancing: How requests are shared out among its servers.
        ca_pem: Certificates of the private authority that https servers are verified by;
            None for the platform's.
        server_name: What https servers must have a certificate for, and are told to be asked
            for (SNI); None for the host in each one's URL.
        client_certificate: What the gate shows to https servers that ask, or None.
        verify: Whether https servers are verified at all.
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
    # Not shown: a file of certificates may well hold a private key too.
    ca_pem: bytes | None = attrs.field(
        default=None, repr=False, validator=attrs.validators.optional(rule(rules.check_pem))
    )
    server_name: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(rule(rules.check_host))
    )
    client_certificate: CertifiedKey | None = None
    verify: bool = True

    def __attrs_post_init__(self) -> None:
        """Refuse an upstream without servers, or with one twice."""
        servers = self.servers
        if not servers and not self.discovered:
            raise BadValue("there are no servers", "give at least one")
        # Pools and health are kept by origin: two servers can't share one.
        origins = [server.origin for server in servers]
        for index, origin in enumerate(origins):
            if origin in origins[:index]:
                raise BadValue(
                    f"{origin} is there twice", "remove one, or raise the other's weight"
                )


@attrs.frozen(kw_only=True)
class Cors:
    """A CORS policy as it is written; `corsgate.cors.policy` says whether it makes sense.

    Attributes:
        allow_origins: Exact origins, ``https://*.example.com``, ``http://localhost:*`` or ``*``.
        allow_methods: Method tokens, or ``*``; GET, HEAD and POST are always allowed by Fetch.
        allow_headers: Field names, or ``*``, which never covers Authorization.
        expose_headers: Field names that scripts may read beyond the safelisted ones, or ``*``.
        expose_auto: Whether scripts may read all that an answer has and that is meant for them,
            in place of `expose_headers`.
        allow_credentials: Whether the browser may send and use cookies and the like.
        max_age_s: How long a browser may keep a preflight's answer; None leaves it unsaid.
        enforce_origin: Whether a request from an origin that is not allowed gets 403.
        debug: Whether a client on the gate's own machine is told why it was refused.
        debug_origins: Exact origins and patterns whose pages are told that wherever they are.
        dangerously_allow_any_origin_to_use_upstream_credentials: Whether ``*`` may stand on a
            route that injects credentials: every page there is can then act with them.
        dangerously_allow_insecure_origins_with_credentials: Whether pages that come over http,
            and so may have been changed on their way, may use the browser's credentials.
        dangerously_allow_subdomains_of_public_suffixes: Whether a wildcard may stand for names
            that anybody can register.
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
    """A path prefix, perhaps of one host, and what becomes of requests below it.

    Attributes:
        host: A lower-cased host name without a port that the route is confined to, or None; an
            IPv6 address keeps its brackets, as in Host.
        prefix: ``/`` or ``/segment[/segment...]``, without a ``/`` at its end.
        upstream: Where requests go.
        cors: The policy, or None for no cross-origin access.
        cors_report_only: A policy that is tried beside the other: what it would change is counted
            and logged, and nothing else comes of it. None for none.
        methods: The methods that are served, or None for all; others get 405.
        strip_prefix: Whether the prefix is taken off before forwarding.
        allow_framing: Whether pages of other origins may show answers in frames, ``<object>`` and
            ``<embed>`` where the upstream has credentials. Such a page learns from load events
            which URLs exist behind the gate.
        pass_headers: Names of request fields that go to the upstream although boxes may believe
            them to say who asks, or for what; in this spelling alone.
        limits: The file's limits with the route's own on top.
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


@attrs.frozen(kw_only=True)
class Config:
    """All that a configuration decides: one immutable snapshot.

    Attributes:
        listeners: At least one.
        hosts: Host values that are served (``name`` for any port, ``name:port``, or
            ``*.name``); others get 421. What a trusted proxy says in X-Forwarded-Host and
            Forwarded must be served too. None for the default: loopback names on a loopback
            listener, any on others.
        upstreams: By name.
        routes: At least one, in the order of the file; no two have the same host and prefix.
        limits: The defaults with the file's own on top.
        log_format: ``json`` or ``combined``.
        access_log: A path, ``off``, or ``-`` for standard output, as without it.
        warnings: What is doubtful about the file it was read from, in the order of its lines.
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
                    f'"{route.host or ""}{route.prefix}" is there twice', "remove one of them"
                )
            seen.add(place)
