"""Read the sections ``[upstreams.NAME]`` and ``[credentials.NAME]``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from corsgate.config.model import rules
from corsgate.config.model.request_rules import RequestRules
from corsgate.config.model.values import (
    DIGEST_ALGORITHMS,
    BasicCredentials,
    BearerCredentials,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
    PoolLimits,
    Secret,
    Server,
    Upstream,
)
from corsgate.config.sections import tls
from corsgate.config.sections.addresses import read_addresses
from corsgate.config.sections.balancing import read_balancing
from corsgate.config.sections.exposure import CLEAR_FIX, in_clear, sent_in_clear, warn_of_exposed
from corsgate.config.sections.request_rules import read_request_rules
from corsgate.config.sections.secrets import Sources
from corsgate.config.sections.server_list import read_resolver, read_servers
from corsgate.config.sections.upstream_tls import read_upstream_tls
from corsgate.config.toml.reader import Named, Table, boolean, bound, checked, text
from corsgate.config.toml.shape import shape
from corsgate.errors import BadValue

_LATER_TYPES = ("oauth2", "session")
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
    signer = table.item("credentials")
    found = None if signer is None else credentials.resolve(signer)
    preserve_host = table.get("preserve_host", boolean, False)
    ca_pem = tls.read_ca(table, sources)
    server_name = tls.read_server_name(table)
    client_certificate = tls.read_client_certificate(table, sources)
    verify = tls.read_verify(table)
    upstream_tls = read_upstream_tls(table)
    resolver = table.get("resolver", read_resolver, None)
    pool = _read_pool(table)
    balancing = read_balancing(table, sources)
    addresses = read_addresses(table, () if listed is None else listed.templates)
    strict_responses = table.get("strict_responses", boolean, False)
    request_rules = read_request_rules(table, found, sources)
    for key in OF_ROUTES:
        table.refuse(key, "it belongs to a route", 'write it in [routes."/PREFIX"]')
    table.finish()
    if listed is None:
        return None
    tls.check_upstream_tls(table, listed.templates)
    _warn_of_clear(table, found, request_rules, listed.templates)
    try:
        return Upstream(
            name=name,
            servers=listed.servers,
            discovered=listed.discovered,
            servers_file=listed.file,
            resolver=resolver,
            credentials=found,
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


def _warn_of_clear(
    table: Table, credentials: Credentials | None, rules: RequestRules, servers: Sequence[Server]
) -> None:
    """Warn about secrets that are sent unencrypted, at the key that holds them."""
    clear = sent_in_clear(credentials, servers)
    if clear:
        table.notes.warn((*table.path, "credentials"), clear, CLEAR_FIX)
    elif rules.request_headers.secret_names and (clear := in_clear(servers)):
        table.notes.warn((*table.path, "request_headers"), clear, CLEAR_FIX)


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


def read_credentials(table: Table, sources: Sources) -> Credentials | None:
    """Read a table ``[credentials.NAME]``, or one written where it is used.

    Args:
        table: The table of the credentials.
        sources: Where secrets come from.

    Returns:
        The credentials, or None after recording their faults.
    """
    kind = table.need("type", _type, f"write type = {rules.one_of(_READERS)}")
    if kind is None:
        return None  # The valid keys depend on the type.
    credentials = _READERS[kind](table, sources)
    table.finish()
    return credentials


def _basic(table: Table, sources: Sources) -> BasicCredentials | None:
    username = _username(table, rules.check_basic_username)
    password = _secret(table, "password", rules.check_secret, sources)
    if username is None or password is None:
        return None
    return BasicCredentials(username=username, password=password)


def _digest(table: Table, sources: Sources) -> DigestCredentials | None:
    username = _username(table, rules.check_username)
    password = _secret(table, "password", rules.check_secret, sources)
    min_algorithm = table.get("min_algorithm", _algorithm, DIGEST_ALGORITHMS[0])
    require_qop = table.get("require_qop", boolean, False)
    if username is None or password is None:
        return None
    return DigestCredentials(
        username=username,
        password=password,
        min_algorithm=min_algorithm,
        require_qop=require_qop,
    )


@shape({"enum": list(DIGEST_ALGORITHMS)})
def _algorithm(raw: object) -> str:
    value = text(raw)
    rules.check_choice(value, DIGEST_ALGORITHMS)
    return value


def _bearer(table: Table, sources: Sources) -> BearerCredentials | None:
    token = _secret(table, "token", rules.check_bearer_token, sources)
    return None if token is None else BearerCredentials(token=token)


def _header(table: Table, sources: Sources) -> HeaderCredentials | None:
    name = table.need("name", checked(rules.check_field_name), 'write name = "X-Api-Key"')
    value = _secret(table, "value", rules.check_field_value, sources)
    if name is None or value is None:
        return None
    return HeaderCredentials(name=name, value=value)


def _secret(
    table: Table, key: str, check: Callable[[str], None], sources: Sources
) -> Secret | None:
    found = table.need(key, sources.secret(check), f'write {key} = {{ env = "NAME" }}')
    warn_of_exposed(table, key, sources)
    return found


def _username(table: Table, check: Callable[[str], None]) -> str | None:
    return table.need("username", checked(check), 'write username = "NAME"')


_READERS: Mapping[str, Callable[[Table, Sources], Credentials | None]] = {
    "basic": _basic,
    "digest": _digest,
    "bearer": _bearer,
    "header": _header,
}


@shape({"enum": list(_READERS)})
def _type(raw: object) -> str:
    if raw in _LATER_TYPES:
        raise BadValue(
            f'"{raw}" is not supported in this version', f"write {rules.one_of(_READERS)}"
        )
    kind = text(raw)
    rules.check_choice(kind, _READERS)
    return kind
