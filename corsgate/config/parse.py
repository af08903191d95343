"""Parse a configuration file into a Config, or report all its faults together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from corsgate.config.keys import ACCESS_LOG, FILE_KEYS, LIMITS_KEY, LOG_FORMAT, WATCH
from corsgate.config.model import rules
from corsgate.config.model.command import Command
from corsgate.config.model.endpoint import is_loopback
from corsgate.config.model.values import (
    Config,
    Cors,
    Credentials,
    Limits,
    Listener,
    Route,
)
from corsgate.config.sections.addresses import warn_of_foreign
from corsgate.config.sections.admin import exposing_upstreams, read_admin
from corsgate.config.sections.credentials import CREDENTIALS, read_credentials
from corsgate.config.sections.limits import read_limits
from corsgate.config.sections.listeners import read_hosts, read_listeners
from corsgate.config.sections.oauth2 import check_token_files
from corsgate.config.sections.policies import CORS, NO_RULES, CorsRules, read_cors
from corsgate.config.sections.rebinding import listener_warnings
from corsgate.config.sections.request_rules import vouching_warnings
from corsgate.config.sections.routes import read_routes
from corsgate.config.sections.secrets import Sources, nobody, run_nothing
from corsgate.config.sections.upstreams import UPSTREAMS, read_upstream
from corsgate.config.toml.document import load_document
from corsgate.config.toml.lines import Path
from corsgate.config.toml.reader import Named, Notes, Table
from corsgate.message.host import HostRules, is_loopback_name


def parse_config(
    source: str | bytes,
    *,
    file: str,
    environ: Mapping[str, str],
    read_file: Callable[[str], bytes],
    cors_rules: CorsRules = NO_RULES,
    read_secret: Callable[[str], bytes] | None = None,
    run: Callable[[Command], bytes] = run_nothing,
    has_http2: bool = False,
    has_jose: bool = False,
    has_spnego: bool = False,
    read_by: str = "",
    secret_read_by: Callable[[str], str] = nobody,
    written_by: Callable[[str], str] = nobody,
) -> Config:
    """Parse a configuration file.

    Args:
        source: The file's content, as bytes or decoded; TOML 1.0 in UTF-8.
        file: The file's name, for messages.
        environ: The environment variables, for secrets.
        read_file: Returns a file's bytes or raises OSError, for secrets and certificates.
        cors_rules: Check policies, usually `corsgate.cors.check.CORS_RULES`.
        read_secret: Like `read_file`, for files that contain a secret; None for `read_file`.
        run: Returns the output of a command or raises BadValue, for secrets.
        has_http2: Whether the library for HTTP/2 is installed.
        has_jose: Whether the library for signed assertions is installed.
        has_spnego: Whether the library for NTLM is installed.
        read_by: Who can read the file besides its owner, in words; empty for nobody.
        secret_read_by: The same for the path of a secret's file.
        written_by: Returns which part of a path others can write to, in words; empty for none.

    Returns:
        The configuration, which has no faults.

    Raises:
        ConfigError: The file has faults; the error holds all of them, in line order.
    """
    sources = Sources(
        environ=environ,
        read_file=read_file,
        read_secret=read_secret,
        run=run,
        has_http2=has_http2,
        has_jose=has_jose,
        has_spnego=has_spnego,
        read_by=read_by,
        secret_read_by=secret_read_by,
        written_by=written_by,
    )
    return parse_with(source, file=file, sources=sources, cors_rules=cors_rules)


def parse_with(
    source: str | bytes, *, file: str, sources: Sources, cors_rules: CorsRules = NO_RULES
) -> Config:
    """Parse a configuration file as `parse_config` does, with the given sources."""
    document, notes = load_document(source, file)
    return read_document(Table(notes, (), document), sources, cors_rules)


def read_document(top: Table, sources: Sources, cors_rules: CorsRules = NO_RULES) -> Config:
    """Read a whole document into a Config.

    Args:
        top: The document.
        sources: Where secrets and certificates come from.
        cors_rules: Check policies.

    Raises:
        ConfigError: The document has faults.
    """
    notes = top.notes
    listeners = read_listeners(top, sources)
    hosts = read_hosts(top)
    credentials: Named[Credentials] = Named.read_or_inline(
        top, CREDENTIALS, lambda table: read_credentials(table, sources)
    )
    upstreams = Named.read(
        top, UPSTREAMS, lambda name, table: read_upstream(name, table, credentials, sources)
    )
    policies = _read_policies(top, cors_rules, listeners, hosts)
    limits = _read_limits(top)
    routes = read_routes(top, upstreams, policies, limits, cors_rules)
    log_format = top.get(LOG_FORMAT)
    access_log = top.get(ACCESS_LOG)
    watch = top.get(WATCH)
    admin = read_admin(top, listeners)
    top.finish(FILE_KEYS)

    if not top.raw.get("routes"):
        notes.add(("routes",), "there is no route", 'write a table [routes."/"]')
    _check_reachable(top, routes, hosts, listeners)
    _check_listeners(top, [route for _, route in routes], listeners)
    named = [found for found in upstreams.entries.values() if found is not None]
    warn_of_foreign(notes, named)
    check_token_files(notes, credentials.entries, named)
    for name, problem, fix in exposing_upstreams(admin, named):
        notes.warn(("upstreams", name, "servers"), problem, fix)
    for name, problem, fix in vouching_warnings(route for _, route in routes):
        notes.warn(("upstreams", name, "origin"), problem, fix)
    if not notes.faults:  # Otherwise an entry may be unused only because of a misspelled name.
        for name, origin, problem, fix in cors_rules.account_warnings(each for _, each in routes):
            notes.warn(("upstreams", name, "credentials_by_origin", origin), problem, fix)
        _warn_of_unused(notes, credentials, "use it as the credentials of an upstream")
        _warn_of_unused(notes, upstreams, "use it as the upstream of a route")
        _warn_of_unused(notes, policies, "use it as the cors of a route")
    warnings = notes.finish()
    return Config(
        listeners=listeners,
        hosts=hosts,
        upstreams={name: found for name, found in upstreams.entries.items() if found is not None},
        routes=tuple(route for _, route in routes),
        limits=limits,
        log_format=log_format,
        access_log=access_log,
        watch=watch,
        admin=admin,
        warnings=warnings,
        written=_places_of_policies(top.raw),
    )


def _places_of_policies(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the value of `Config.written` for a document without faults."""
    routes = document["routes"].items()
    return {
        "routes": {key: {"cors": table["cors"]} if "cors" in table else {} for key, table in routes}
    }


def _read_policies(
    top: Table,
    cors_rules: CorsRules,
    listeners: Sequence[Listener],
    hosts: Sequence[str] | None,
) -> Named[Cors]:
    local = serves_only_this_machine(listeners, hosts)
    return Named.read_or_inline(top, CORS, lambda table: read_cors(table, cors_rules, local=local))


def _read_limits(top: Table) -> Limits:
    item = top.item(LIMITS_KEY)
    table = None if item is None else item.table("write a table [limits]")
    return Limits() if table is None else read_limits(table, Limits())


def serves_only_this_machine(listeners: Sequence[Listener], hosts: Sequence[str] | None) -> bool:
    """Return whether the gate serves only browsers on its own machine, under loopback names.

    Args:
        listeners: Where the gate listens.
        hosts: The Host values that the gate serves, or None for the default.
    """
    if not listeners or not all(is_loopback(one.endpoint) for one in listeners):
        return False
    # A proxy on the same machine forwards requests from other machines.
    if any(one.trusted_proxies for one in listeners):
        return False
    return all(is_loopback_name(_name_of(host)) for host in hosts or ())


def _name_of(host: str) -> bytes:
    return rules.split_port(host)[0].strip("[]").removeprefix("*.").encode()


def _check_reachable(
    top: Table,
    routes: Sequence[tuple[Path, Route]],
    hosts: Sequence[str] | None,
    listeners: Sequence[Listener],
) -> None:
    """Record a fault for each route whose host is not served, because it would only return 421."""
    if hosts is None and "hosts" in top.raw:
        return  # The hosts have faults, so the intended ones are unknown.
    loopback = bool(listeners) and all(is_loopback(one.endpoint) for one in listeners)
    names = None if hosts is None else [rules.split_port(host)[0] for host in hosts]
    served = HostRules.build(names, loopback=loopback)
    for path, route in routes:
        if route.host is not None and not served.allows(route.host.encode()):
            fix = f'add "{route.host}" to hosts'
            top.notes.add(path, f'the host "{route.host}" is not served', fix)


def _warn_of_unused(notes: Notes, named: Named[Any], fix: str) -> None:
    """Warn about each unused entry of a section; `fix` says where to use it."""
    for name in named.entries.keys() - named.used:
        notes.warn((named.section, name), "it is not used", f"{fix}, or remove it")


def _check_listeners(top: Table, routes: Sequence[Route], listeners: Sequence[Listener]) -> None:
    """Warn about listeners that are open to pages of other sites, or closed to intended users."""
    places: list[Path] = [
        (key, number)
        for key in ("listen", "listener")
        for number in range(len(_array(top.raw.get(key))))
    ]
    for number, problem, fix in listener_warnings(listeners, routes, has_hosts="hosts" in top.raw):
        top.notes.warn(places[number], problem, fix)


def _array(raw: object) -> Sequence[object]:
    return raw if isinstance(raw, list) else ()
