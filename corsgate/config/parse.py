"""A configuration file's text to a Config, or every fault in it at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from corsgate.config.model import rules
from corsgate.config.model.endpoint import is_loopback
from corsgate.config.model.values import (
    LOG_FORMATS,
    Config,
    Cors,
    Credentials,
    Limits,
    Listener,
    Route,
)
from corsgate.config.sections.listeners import read_hosts, read_listeners
from corsgate.config.sections.policies import NO_RULES, CorsRules, read_cors
from corsgate.config.sections.rebinding import listener_warnings
from corsgate.config.sections.routes import read_limits, read_routes
from corsgate.config.sections.secrets import Sources, nobody
from corsgate.config.sections.upstreams import read_credentials, read_upstream
from corsgate.config.toml.document import load_document
from corsgate.config.toml.lines import Path
from corsgate.config.toml.reader import Named, Notes, Table, checked, text
from corsgate.config.toml.shape import shape
from corsgate.message.host import HostRules, is_loopback_name


def parse_config(
    source: str | bytes,
    *,
    file: str,
    environ: Mapping[str, str],
    read_file: Callable[[str], bytes],
    cors_rules: CorsRules = NO_RULES,
    has_http2: bool = False,
    read_by: str = "",
    written_by: Callable[[str], str] = nobody,
) -> Config:
    """Return what a configuration file says.

    Args:
        source: The file's content, as bytes or decoded; TOML 1.0 in UTF-8.
        file: Its name, as faults shall show it.
        environ: The environment's variables, for secrets.
        read_file: Answers a file's bytes or raises OSError, for secrets and certificates.
        cors_rules: Know what is wrong with a policy of the right shape:
            `corsgate.cors.check.CORS_RULES`.
        has_http2: Whether what HTTP/2 needs is installed.
        read_by: Who beside its owner can read the file, in words; empty for nobody.
        written_by: Returns what others can write to that a path leads to, in words.

    Returns:
        The configuration; it has no faults.

    Raises:
        ConfigError: It has faults; all of them are in it, in the order of their lines.
    """
    sources = Sources(
        environ=environ,
        read_file=read_file,
        has_http2=has_http2,
        read_by=read_by,
        written_by=written_by,
    )
    return parse_with(source, file=file, sources=sources, cors_rules=cors_rules)


def parse_with(
    source: str | bytes, *, file: str, sources: Sources, cors_rules: CorsRules = NO_RULES
) -> Config:
    """Return what `parse_config` does, by sources of one's own."""
    document, notes = load_document(source, file)
    return read_document(Table(notes, (), document), sources, cors_rules)


def read_document(top: Table, sources: Sources, cors_rules: CorsRules = NO_RULES) -> Config:
    """Return what a document says.

    Args:
        top: Its keys.
        sources: Where secrets and certificates come from.
        cors_rules: Know what is wrong with a policy of the right shape.

    Raises:
        ConfigError: It has faults.
    """
    notes = top.notes
    listeners = read_listeners(top, sources)
    hosts = read_hosts(top)
    credentials: Named[Credentials] = Named.read_or_inline(
        top, "credentials", lambda table: read_credentials(table, sources)
    )
    upstreams = Named.read(
        top, "upstreams", lambda name, table: read_upstream(name, table, credentials, sources)
    )
    policies = _read_policies(top, cors_rules, listeners, hosts)
    limits = _read_limits(top)
    routes = read_routes(top, upstreams, policies, limits, cors_rules)
    log_format = top.get("log_format", _log_format, LOG_FORMATS[0])
    access_log = top.get("access_log", checked(rules.check_plain), None)
    top.later("admin", "remove it")
    top.finish()

    if not top.raw.get("routes"):
        notes.add(("routes",), "there is no route", 'write a table [routes."/"]')
    _check_reachable(top, routes, hosts, listeners)
    _check_listeners(top, [route for _, route in routes], listeners)
    if not notes.faults:  # What is misspelled is unused as well.
        _warn_of_unused(notes, credentials, "name it as the credentials of an upstream")
        _warn_of_unused(notes, upstreams, "name it as the upstream of a route")
        _warn_of_unused(notes, policies, "name it as the cors of a route")
    warnings = notes.finish()
    return Config(
        listeners=listeners,
        hosts=hosts,
        upstreams={name: found for name, found in upstreams.entries.items() if found is not None},
        routes=tuple(route for _, route in routes),
        limits=limits,
        log_format=log_format,
        access_log=access_log,
        warnings=warnings,
    )


def _read_policies(
    top: Table,
    cors_rules: CorsRules,
    listeners: Sequence[Listener],
    hosts: Sequence[str] | None,
) -> Named[Cors]:
    local = serves_only_this_machine(listeners, hosts)
    return Named.read_or_inline(
        top, "cors", lambda table: read_cors(table, cors_rules, local=local)
    )


def _read_limits(top: Table) -> Limits:
    item = top.item("limits")
    table = None if item is None else item.table("write a table [limits]")
    return Limits() if table is None else read_limits(table, Limits())


@shape({"enum": list(LOG_FORMATS)})
def _log_format(raw: object) -> str:
    value = text(raw)
    rules.check_choice(value, LOG_FORMATS)
    return value


def serves_only_this_machine(listeners: Sequence[Listener], hosts: Sequence[str] | None) -> bool:
    """Return whether browsers reach the gate on their own machine, by loopback names only.

    Args:
        listeners: Where it listens.
        hosts: The Host values that it serves, or None for the default.
    """
    if not listeners or not all(is_loopback(one.endpoint) for one in listeners):
        return False
    # A proxy in front, on the same machine, passes on what others ask.
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
    """Note each route of a host whose requests would all get 421."""
    if hosts is None and "hosts" in top.raw:
        return  # They are faulty, so that nobody knows which are meant.
    loopback = bool(listeners) and all(is_loopback(one.endpoint) for one in listeners)
    names = None if hosts is None else [rules.split_port(host)[0] for host in hosts]
    served = HostRules.build(names, loopback=loopback)
    for path, route in routes:
        if route.host is not None and not served.allows(route.host.encode()):
            fix = f'add "{route.host}" to hosts'
            top.notes.add(path, f'the host "{route.host}" is not served', fix)


def _warn_of_unused(notes: Notes, named: Named[Any], fix: str) -> None:
    """Warn of each entry of a section that nothing names; `fix` says what could."""
    for name in named.entries.keys() - named.used:
        notes.warn((named.section, name), "nothing names it", f"{fix}, or remove it")


def _check_listeners(top: Table, routes: Sequence[Route], listeners: Sequence[Listener]) -> None:
    """Warn of each listener that strangers' pages may use, or its own users may not."""
    places: list[Path] = [
        (key, number)
        for key in ("listen", "listener")
        for number in range(len(_array(top.raw.get(key))))
    ]
    for number, problem, fix in listener_warnings(listeners, routes, has_hosts="hosts" in top.raw):
        top.notes.warn(places[number], problem, fix)


def _array(raw: object) -> Sequence[object]:
    return raw if isinstance(raw, list) else ()
