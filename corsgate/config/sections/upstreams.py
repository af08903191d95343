"""Read the section ``[upstreams.NAME]``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from corsgate.config.model.addresses import Addresses
from corsgate.config.model.balancing import Balancing
from corsgate.config.model.credentials import parts_of
from corsgate.config.model.request_rules import RequestRules
from corsgate.config.model.values import (
    Credentials,
    NtlmCredentials,
    OriginCredentials,
    PoolLimits,
    Server,
    Upstream,
)
from corsgate.config.sections import tls
from corsgate.config.sections.addresses import ALIASES, COOKIES_KEY, read_addresses
from corsgate.config.sections.balancing import BALANCING_KEYS, read_balancing
from corsgate.config.sections.by_origin import CREDENTIALS_BY_ORIGIN, read_by_origin
from corsgate.config.sections.credentials import CREDENTIALS_USED, resolve_credentials
from corsgate.config.sections.exposure import CLEAR_FIX, in_clear, sent_in_clear
from corsgate.config.sections.header_rules import REQUEST_HEADERS
from corsgate.config.sections.request_rules import FORWARDED, ORIGIN, VIA, read_request_rules
from corsgate.config.sections.secrets import Sources
from corsgate.config.sections.server_list import RESOLVER, SERVERS, read_servers
from corsgate.config.sections.session import check_places
from corsgate.config.sections.upstream_tls import TLS, read_upstream_tls
from corsgate.config.toml.keys import AnyKey, Key, Keys, field_key, tables_by_name
from corsgate.config.toml.reader import Named, Table
from corsgate.config.toml.values import boolean
from corsgate.errors import BadValue

OF_ROUTES = (
    *("allow_framing", "allow_paths", "by_url", "cors", "methods", "pass_headers"),
    *("response_headers", "strip_prefix"),
)
"""Keys of a route that users may expect in an upstream."""


PRESERVE_HOST = Key(
    "preserve_host",
    boolean,
    False,
    "Whether the client's Host is sent instead of the server's.",
    example="true",
)
STRICT_RESPONSES = Key(
    "strict_responses",
    boolean,
    False,
    "Whether responses that are not well-formed get 502, even if they can have only one meaning.",
    example="true",
)
POOL_FIELDS: tuple[AnyKey, ...] = (
    field_key(
        PoolLimits,
        "max_connections",
        "How many connections one server may have, including idle ones and those being opened.",
        example="100",
    ),
    field_key(
        PoolLimits,
        "max_queue",
        "How many requests may wait for a connection. Further ones get 503.",
        example="200",
    ),
    field_key(
        PoolLimits,
        "queue_timeout_s",
        "How long a request may wait for a connection. After that it gets 503.",
        example='"5s"',
    ),
    field_key(
        PoolLimits,
        "max_tunnels",
        "How many tunnels, such as WebSockets, one server may have. They don't count as"
        " connections. One client may have half of them.",
        example="1000",
    ),
    field_key(
        PoolLimits,
        "idle_timeout_s",
        "How long an idle connection is kept for the next request. It should be shorter than the"
        " server's own keep-alive time (Apache and Node: 5 s).",
        example='"30s"',
    ),
    field_key(
        PoolLimits,
        "max_requests_per_connection",
        "How many requests one connection may carry. By default there is no limit.",
        example="1000",
    ),
)
KEEP_ALIVE = field_key(
    PoolLimits,
    "keep_alive",
    "Whether a connection is kept for the next request.",
    example="false",
)
UPSTREAM_KEYS = Keys(
    heading="[upstreams.NAME]",
    description="An API behind the gate, with one or more equivalent servers.",
    keys=(
        *(SERVERS, CREDENTIALS_USED, CREDENTIALS_BY_ORIGIN, PRESERVE_HOST),
        *(tls.CA, tls.SERVER_NAME, tls.CLIENT_CERTIFICATE, tls.VERIFY, TLS, RESOLVER),
        *(*POOL_FIELDS, KEEP_ALIVE, *BALANCING_KEYS),
        *(ALIASES, COOKIES_KEY, STRICT_RESPONSES, ORIGIN, FORWARDED, VIA, REQUEST_HEADERS),
    ),
    models=(Upstream, PoolLimits, Balancing, Addresses, RequestRules),
)
UPSTREAMS = Key(
    "upstreams",
    tables_by_name(UPSTREAM_KEYS.schema),
    None,
    "The APIs behind the gate: a table [upstreams.NAME] for each.",
    example='{ api = { servers = ["http://127.0.0.1:8000"] } }',
    type="tables",
    is_required=True,
    tables=(UPSTREAM_KEYS,),
)


def read_upstream(
    name: str, table: Table, credentials: Named[Credentials], sources: Sources
) -> Upstream | None:
    """Read a table ``[upstreams.NAME]``.

    Args:
        name: The name of the upstream.
        table: The table of the upstream.
        credentials: The credentials that an upstream may name.
        sources: Reads the certificate files.

    Returns:
        The upstream, or None after recording its faults.
    """
    listed = read_servers(table, sources)
    found, by_origin, every = _read_credentials(table, credentials)
    preserve_host = table.get(PRESERVE_HOST)
    ca_pem = tls.read_ca(table, sources)
    server_name = table.get(tls.SERVER_NAME)
    client_certificate = tls.read_client_certificate(table, sources)
    verify = table.get(tls.VERIFY)
    upstream_tls = read_upstream_tls(table)
    resolver = table.get(RESOLVER)
    pool = _read_pool(table)
    balancing = read_balancing(table, sources)
    templates = () if listed is None else listed.templates
    addresses = read_addresses(table, templates, has_accounts=bool(by_origin))
    strict_responses = table.get(STRICT_RESPONSES)
    request_rules = read_request_rules(table, every, sources)
    for key in OF_ROUTES:
        table.refuse(key, "it belongs to a route", 'write it in [routes."/PREFIX"]')
    table.finish(UPSTREAM_KEYS)
    if listed is None:
        return None
    try:
        upstream = Upstream(
            name=name,
            servers=listed.servers,
            discovered=listed.discovered,
            servers_file=listed.file,
            resolver=resolver,
            credentials=found,
            credentials_by_origin=by_origin,
            preserve_host=preserve_host,
            pool=pool,
            balancing=balancing,
            ca_pem=ca_pem,
            server_name=server_name,
            client_certificate=client_certificate,
            verify=verify,
            tls=upstream_tls,
            addresses=addresses,
            strict_responses=strict_responses,
            request_rules=request_rules,
        )
    except BadValue:
        return None  # The name is invalid; the reader of the section records that.
    _check(table, upstream, listed.templates)
    return upstream


def _check(table: Table, upstream: Upstream, servers: Sequence[Server]) -> None:
    """Record faults and warnings about combinations of keys that are valid on their own.

    Args:
        table: The table of the upstream.
        upstream: The upstream.
        servers: Its fixed servers, and the templates of the discovered ones.
    """
    tls.check_upstream_tls(table, servers)
    are_all = not upstream.discovered
    for each in upstream.all_credentials:
        check_places(table, each, upstream.servers, upstream.balancing.health, are_all=are_all)
    _check_keep_alive(table, upstream.all_credentials, upstream.pool)
    _warn_of_clear(table, upstream, servers)


def _read_credentials(
    table: Table, credentials: Named[Credentials]
) -> tuple[Credentials | None, tuple[OriginCredentials, ...], Sequence[Credentials]]:
    """Return the credentials for all requests, those of single origins, and both together."""
    signer = table.item(CREDENTIALS_USED)
    found = None if signer is None else resolve_credentials(signer, credentials)
    by_origin = read_by_origin(table, credentials)
    own = () if found is None else (found,)
    return found, by_origin, (*own, *(each.credentials for each in by_origin))


def _warn_of_clear(table: Table, upstream: Upstream, servers: Sequence[Server]) -> None:
    """Warn about secrets that are sent unencrypted, at the key that contains them."""
    found = False
    for key, each in (
        (("credentials",), upstream.credentials),
        *(
            (("credentials_by_origin", each.origin), each.credentials)
            for each in upstream.credentials_by_origin
        ),
    ):
        clear = sent_in_clear(each, servers)
        if clear:
            found = True
            table.notes.warn((*table.path, *key), clear, CLEAR_FIX)
    has_secrets = bool(upstream.request_rules.request_headers.secret_names)
    if not found and has_secrets and (clear := in_clear(servers)):
        table.notes.warn((*table.path, "request_headers"), clear, CLEAR_FIX)


def _check_keep_alive(table: Table, credentials: Iterable[Credentials], pool: PoolLimits) -> None:
    """Record a fault if connections must be authenticated but are not kept."""
    parts = (part for each in credentials for part in parts_of(each))
    if not pool.keep_alive and any(isinstance(part, NtlmCredentials) for part in parts):
        table.notes.add(
            (*table.path, "keep_alive"),
            "NTLM authenticates connections, so they must be kept",
            "remove keep_alive = false",
        )


def _read_pool(table: Table) -> PoolLimits:
    pool = table.put(PoolLimits(), *POOL_FIELDS, KEEP_ALIVE)
    if not pool.keep_alive and "max_requests_per_connection" in table.raw:
        table.notes.add(
            (*table.path, "max_requests_per_connection"),
            "it has no effect with keep_alive = false",
            "remove one of the two",
        )
    return pool
