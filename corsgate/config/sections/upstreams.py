"""Read the section ``[upstreams.NAME]``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from corsgate.config.model.credentials import parts_of
from corsgate.config.model.values import (
    Credentials,
    NtlmCredentials,
    OriginCredentials,
    PoolLimits,
    Server,
    Upstream,
)
from corsgate.config.sections import tls
from corsgate.config.sections.addresses import read_addresses
from corsgate.config.sections.balancing import read_balancing
from corsgate.config.sections.by_origin import read_by_origin
from corsgate.config.sections.credentials import resolve_credentials
from corsgate.config.sections.exposure import CLEAR_FIX, in_clear, sent_in_clear
from corsgate.config.sections.request_rules import read_request_rules
from corsgate.config.sections.secrets import Sources
from corsgate.config.sections.server_list import read_resolver, read_servers
from corsgate.config.sections.session import check_places
from corsgate.config.sections.upstream_tls import read_upstream_tls
from corsgate.config.toml.reader import Named, Table, boolean, bound
from corsgate.errors import BadValue

OF_ROUTES = (
    *("allow_framing", "allow_paths", "by_url", "cors", "methods", "pass_headers"),
    *("response_headers", "strip_prefix"),
)
"""Keys of a route that somebody may look for in an upstream."""


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
    preserve_host = table.get("preserve_host", boolean, False)
    ca_pem = tls.read_ca(table, sources)
    server_name = tls.read_server_name(table)
    client_certificate = tls.read_client_certificate(table, sources)
    verify = tls.read_verify(table)
    upstream_tls = read_upstream_tls(table)
    resolver = table.get("resolver", read_resolver, None)
    pool = _read_pool(table)
    balancing = read_balancing(table, sources)
    templates = () if listed is None else listed.templates
    addresses = read_addresses(table, templates, has_accounts=bool(by_origin))
    strict_responses = table.get("strict_responses", boolean, False)
    request_rules = read_request_rules(table, every, sources)
    for key in OF_ROUTES:
        table.refuse(key, "it belongs to a route", 'write it in [routes."/PREFIX"]')
    table.finish()
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
    """Record what is wrong with keys that are right each by itself, and warn of what is doubtful.

    Args:
        table: The table of the upstream.
        upstream: What was read.
        servers: Its servers, and what stands for those that DNS is asked for.
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
    """Return the credentials for all requests, those of single origins, and all together."""
    signer = table.item("credentials")
    found = None if signer is None else resolve_credentials(signer, credentials)
    by_origin = read_by_origin(table, credentials)
    own = () if found is None else (found,)
    return found, by_origin, (*own, *(each.credentials for each in by_origin))


def _warn_of_clear(table: Table, upstream: Upstream, servers: Sequence[Server]) -> None:
    """Warn about secrets that are sent unencrypted, at the key that holds them."""
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
    """Record a fault where connections are to be authenticated that are not kept."""
    parts = (part for each in credentials for part in parts_of(each))
    if not pool.keep_alive and any(isinstance(part, NtlmCredentials) for part in parts):
        table.notes.add(
            (*table.path, "keep_alive"),
            "NTLM authenticates connections, so they must be kept",
            "remove keep_alive = false",
        )


def _read_pool(table: Table) -> PoolLimits:
    pool = PoolLimits()
    for field in attrs.fields(PoolLimits):
        if field.name != "keep_alive":
            pool = table.get(field.name.removesuffix("_s"), bound(pool, field.name), pool)
    keep_alive = table.get("keep_alive", boolean, True)
    if not keep_alive and "max_requests_per_connection" in table.raw:
        table.notes.add(
            (*table.path, "max_requests_per_connection"),
            "it has no effect with keep_alive = false",
            "remove one of the two",
        )
    return attrs.evolve(pool, keep_alive=keep_alive)
