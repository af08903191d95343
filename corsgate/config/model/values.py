"""The values of a configuration, as frozen classes: every instance is valid."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType
from typing import Any

import attrs

from corsgate.config.model import rules
from corsgate.config.model.addresses import Addresses
from corsgate.config.model.admin import Admin as Admin
from corsgate.config.model.balancing import Balancing
from corsgate.config.model.by_origin import OriginCredentials as OriginCredentials
from corsgate.config.model.certificates import CertifiedKey
from corsgate.config.model.cors import Cors as Cors
from corsgate.config.model.credentials import AUTO_SCHEMES as AUTO_SCHEMES
from corsgate.config.model.credentials import DIGEST_ALGORITHMS as DIGEST_ALGORITHMS
from corsgate.config.model.credentials import AutoCredentials as AutoCredentials
from corsgate.config.model.credentials import AwsCredentials as AwsCredentials
from corsgate.config.model.credentials import BasicCredentials as BasicCredentials
from corsgate.config.model.credentials import BearerCredentials as BearerCredentials
from corsgate.config.model.credentials import Credentials as Credentials
from corsgate.config.model.credentials import DigestCredentials as DigestCredentials
from corsgate.config.model.credentials import HeaderCredentials as HeaderCredentials
from corsgate.config.model.credentials import QueryCredentials as QueryCredentials
from corsgate.config.model.credentials import SeveralCredentials as SeveralCredentials
from corsgate.config.model.credentials import SingleCredentials, parts_of
from corsgate.config.model.endpoint import check_endpoint
from corsgate.config.model.header_rules import HeaderRules
from corsgate.config.model.limits import Limits as Limits
from corsgate.config.model.limits import PoolLimits as PoolLimits
from corsgate.config.model.ntlm import NtlmCredentials as NtlmCredentials
from corsgate.config.model.path_rules import PathPattern
from corsgate.config.model.request_rules import RequestRules
from corsgate.config.model.secret import Secret as Secret
from corsgate.config.model.session import SessionCredentials as SessionCredentials
from corsgate.config.model.upstream_tls import UpstreamTls as UpstreamTls
from corsgate.config.model.validators import at_least_one, choice, count, each, rule
from corsgate.errors import BadValue, Fault

SCHEMES = ("http", "https")
LOG_FORMATS = ("auto", "json", "text", "combined")

MAX_WEIGHT = 1000


def _read_only(upstreams: Mapping[str, Upstream]) -> Mapping[str, Upstream]:
    return MappingProxyType(dict(upstreams))


@attrs.frozen(kw_only=True)
class Listener:
    """Where the gate listens.

    Attributes:
        endpoint: A Twisted server endpoint string, such as ``tcp:5555:interface=127.0.0.1``.
        trusted_proxies: The networks whose Forwarded and X-Forwarded-* fields are trusted.
        certificates: The certificates for TLS, chosen by the name that a client requests (SNI). If
            none matches, the first is used. Empty for plain TCP.
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
        name: The host name that discovery resolved to `host`. It is sent as Host, and the
            certificate must be for it.
        socket: The path of a Unix socket to connect to. `host` and `port` are then used only for
            Host.
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
        is_service: Whether the name is that of a service, whose SRV records (RFC 2782) contain
            hosts and ports, instead of a host name.
    """

    template: Server
    is_service: bool = False

    def __str__(self) -> str:
        return f"{'srv' if self.is_service else 'dns'}+{self.template.origin}"


@attrs.frozen(kw_only=True)
class Upstream:
    """A REST API that requests are forwarded to: one or more equivalent servers.

    Attributes:
        name: The name under ``[upstreams]``.
        servers: The fixed servers. No two have the same origin; there is at least one unless
            others are discovered.
        discovered: Further servers, which are repeatedly looked up in DNS.
        servers_file: The file that the servers were read from, which is watched; or None.
        resolver: The address and port of the DNS server; None for the system's.
        credentials: The credentials for every request to these servers, or None.
        credentials_by_origin: The credentials for requests from some origins, instead of
            `credentials`. If there are any, requests that get no credentials are refused.
        preserve_host: Whether the client's Host is sent instead of the server's.
        pool: Limits on the connections to each server.
        balancing: How requests are distributed among the servers.
        ca_pem: The file of certificates of a private authority to verify https servers with;
            None for the platform's.
        server_name: The name that the certificates of https servers must have, also sent as SNI.
            None for the host in each server's URL.
        client_certificate: The certificate for https servers that ask for one, or None.
        verify: Whether https servers are verified.
        tls: The TLS settings for https servers that are old, or have a pinned key.
        addresses: Other origins of the servers, and how their cookies are handled.
        strict_responses: Whether responses that are not well-formed are rejected, even if they can
            have only one meaning.
        request_rules: What requests tell the servers about the client and its page.
    """

    name: str = attrs.field(validator=rule(rules.check_entry_name))
    servers: tuple[Server, ...]
    discovered: tuple[Discovered, ...] = ()
    servers_file: str | None = None
    resolver: tuple[str, int] | None = None
    credentials: Credentials | None = None
    credentials_by_origin: tuple[OriginCredentials, ...] = ()
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
    tls: UpstreamTls = attrs.field(factory=UpstreamTls)
    addresses: Addresses = attrs.field(factory=Addresses)
    strict_responses: bool = False
    request_rules: RequestRules = attrs.field(factory=RequestRules)

    @property
    def configured_servers(self) -> tuple[Server, ...]:
        """The fixed servers, and the templates of the discovered ones."""
        return (*self.servers, *(each.template for each in self.discovered))

    @property
    def all_credentials(self) -> tuple[Credentials, ...]:
        """All credentials that requests to these servers may get, the general ones first."""
        own = () if self.credentials is None else (self.credentials,)
        return (*own, *(each.credentials for each in self.credentials_by_origin))

    @property
    def credential_parts(self) -> tuple[SingleCredentials, ...]:
        """The single credentials in `all_credentials`."""
        return tuple(part for each in self.all_credentials for part in parts_of(each))

    @property
    def adds_secrets(self) -> bool:
        """Whether the gate adds secrets to its requests: credentials, or secret fields."""
        return bool(self.all_credentials or self.request_rules.request_headers.secret_names)

    def __attrs_post_init__(self) -> None:
        """Reject an upstream without servers, or with the same one twice."""
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
class Route:
    """A path prefix, optionally of one host, and how its requests are handled.

    Attributes:
        host: The only host that the route serves, or None. It is lower-cased and has no port; an
            IPv6 address has brackets, as in Host.
        prefix: ``/`` or ``/segment[/segment...]``, without a ``/`` at the end.
        upstream: The upstream that gets the requests; the first of ``by_url``, if any.
        cors: The CORS policy; None for no cross-origin access.
        cors_report_only: A second policy to try. Its differences are counted and logged, but it
            has no other effect. None for no such policy.
        methods: The methods to serve; None for all. Others get 405.
        strip_prefix: Whether the prefix is removed before forwarding.
        allow_framing: Whether pages of other origins may show responses in frames, ``<object>``
            and ``<embed>`` if the upstream has credentials. From load events, such a page can
            learn which URLs exist behind the gate.
        pass_headers: Names of request fields that are forwarded although an upstream may trust
            them for the client's identity or the target. Only this exact spelling is forwarded.
            With X-Request-Id, client and upstream see each other's id instead of the gate's.
        limits: The limits of the file, overridden by those of the route.
        by_url: The upstreams from which the URL in each request chooses, such as
            ``/proxy?url=https%3A%2F%2Fbox%2Fmap``. Empty for a route with one upstream.
        allow_paths: The paths to serve, such as ``GET /v1/documents/**``; others get 403. With
            ``by_url`` these are paths of the URLs. Empty for all.
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
    methods: tuple[str, ...] | None = attrs.field(
        default=None, validator=each(rules.check_served_method)
    )
    strip_prefix: bool = False
    allow_framing: bool = False
    pass_headers: tuple[str, ...] = attrs.field(
        default=(), validator=each(rules.check_passed_header)
    )
    limits: Limits = attrs.field(factory=Limits)
    by_url: tuple[Upstream, ...] = ()
    allow_paths: tuple[PathPattern, ...] = ()
    response_headers: HeaderRules = attrs.field(factory=HeaderRules)

    @property
    def shares_cookies(self) -> bool:
        """Whether pages of other sites may use the upstream's cookies over https.

        Only pages that the policy names may, because any other page could act with a user's
        session. So all routes to the same server are confined, like routes where the gate adds
        credentials; see `corsgate.config.model.shared_cookies`.
        """
        cors = self.cors
        return (
            cors is not None
            and cors.allow_credentials
            and cors.enforce_origin
            and not cors.admits_strangers
            and self.upstream.addresses.cookies == "adapt"
            and not self.by_url  # Such routes forward no cookies.
        )


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
        log_format: The format of the log: ``json``, ``text``, or ``combined`` for the access log
            and text for the daemon's lines. ``auto`` means text on a terminal and in the journal,
            and JSON elsewhere.
        access_log: The path of the access log, ``off``, or ``-`` for standard output, the default.
        watch: Whether the gate reloads the file when it, or a file that it names, changes.
        admin: The listener for metrics, status and health; None for no such listener.
        warnings: Warnings about the file, in line order.
        written: The part of the parsed file that shows where each route's policy is defined:
            ``{"routes": {KEY: {"cors": ...}}}``. It contains no secret.
    """

    listeners: tuple[Listener, ...] = attrs.field(validator=at_least_one)
    hosts: tuple[str, ...] | None = attrs.field(
        default=None, validator=each(rules.check_served_host)
    )
    upstreams: Mapping[str, Upstream] = attrs.field(converter=_read_only)
    routes: tuple[Route, ...] = attrs.field(validator=at_least_one)
    limits: Limits = attrs.field(factory=Limits)
    log_format: str = attrs.field(default="auto", validator=choice(LOG_FORMATS))
    access_log: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(rule(rules.check_plain))
    )
    watch: bool = False
    admin: Admin | None = None

    warnings: tuple[Fault, ...] = attrs.field(default=(), eq=False)
    written: Mapping[str, Any] = attrs.field(factory=dict, eq=False, repr=False)

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
