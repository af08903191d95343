"""A configuration file's text to a Config, or every fault in it at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence

from corsgate.config import rules
from corsgate.config.endpoint import is_loopback
from corsgate.config.lines import Path, key_lines
from corsgate.config.listeners import read_hosts, read_listeners
from corsgate.config.model import LOG_FORMATS, Config, Cors, Credentials, Limits, Listener, Route
from corsgate.config.policies import NO_RULES, CorsRules, read_cors
from corsgate.config.reader import Named, Notes, Table, checked, text
from corsgate.config.routes import read_limits, read_routes
from corsgate.config.secrets import Sources
from corsgate.config.shape import shape
from corsgate.config.upstreams import read_credentials, read_upstream
from corsgate.errors import ConfigError, Fault
from corsgate.message.host import HostRules, is_loopback_name

_PLACE = re.compile(r" \(at (?:line ([0-9]+), column [0-9]+|end of document)\)$")
_SYNTAX_MENDS = (
    (" key", 'put keys with other than letters, digits, "_" and "-" in quotes'),
    ("table declaration", 'put names with other than letters, digits, "_" and "-" in quotes'),
    ("Invalid value", "put text in quotes and write numbers and arrays as TOML has them"),
    ("Cannot ", "remove it, or what it clashes with above"),
    ("", "mend the TOML here"),
)


def parse_config(
    source: str | bytes,
    *,
    file: str,
    environ: Mapping[str, str],
    read_file: Callable[[str], bytes],
    cors_rules: CorsRules = NO_RULES,
    has_http2: bool = False,
) -> Config:
    """Answer what a configuration file says.

    Args:
        source: The file's content, as bytes or decoded; TOML 1.0 in UTF-8.
        file: Its name, as faults shall show it.
        environ: The environment's variables, for secrets.
        read_file: Answers a file's bytes or raises OSError, for secrets and certificates.
        cors_rules: Know what is wrong with a policy of the right shape:
            `corsgate.cors.check.CORS_RULES`.
        has_http2: Whether what HTTP/2 needs is installed.

    Returns:
        The configuration; it has no faults.

    Raises:
        ConfigError: It has faults; all of them are in it, in the order of their lines.
    """
    sources = Sources(environ=environ, read_file=read_file, has_http2=has_http2)
    return parse_with(source, file=file, sources=sources, cors_rules=cors_rules)


def parse_with(
    source: str | bytes, *, file: str, sources: Sources, cors_rules: CorsRules = NO_RULES
) -> Config:
    """Answer what `parse_config` does, by sources of one's own."""
    document, notes = _load(source, file)
    return read_document(Table(notes, (), document), sources, cors_rules)


def read_document(top: Table, sources: Sources, cors_rules: CorsRules = NO_RULES) -> Config:
    """Answer what a document says.

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


def _load(source: str | bytes, file: str) -> tuple[dict[str, object], Notes]:
    """Answer the document and where to note its faults; raise ConfigError if it is none."""
    toml = _decode(source, file)
    try:
        document = tomllib.loads(toml)
        lines = key_lines(toml)
    except RecursionError:
        raise _unusable(file, None, "arrays or tables are nested too deeply", "nest less") from None
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _PLACE.search(message)
        line = int(place[1]) if place and place[1] else toml.rstrip("\n").count("\n") + 1
        raise _unusable(file, line, _PLACE.sub("", message), _syntax_mend(message)) from None
    except ValueError:
        # Python limits the digits of an integer, and tomllib lets that exception through.
        raise _unusable(file, None, "a number has too many digits", "write less") from None
    if not document:
        raise _unusable(
            file, None, "the file says nothing", 'give it listen, [upstreams.NAME] and [routes."/"]'
        )
    return document, Notes(file=file, lines=lines)


def _syntax_mend(message: str) -> str:
    """Answer the mend that goes with a message of tomllib; its words may change."""
    return next(mend for part, mend in _SYNTAX_MENDS if part in message)


def _decode(source: str | bytes, file: str) -> str:
    if isinstance(source, bytes):
        try:
            source = source.decode("utf-8")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            problem = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
            raise _unusable(file, line, problem, "save the file as UTF-8") from None
    if source.startswith("\ufeff"):
        raise _unusable(
            file, 1, "the file starts with a byte order mark", "save it as UTF-8 without one"
        )
    return source


def unreadable(file: str, error: OSError) -> ConfigError:
    """Answer what to raise for a configuration file that can't be read."""
    return _unusable(
        file,
        None,
        f"the file can't be read: {error.strerror}",
        "name a file that is there and readable",
    )


def _unusable(file: str, line: int | None, problem: str, mend: str) -> ConfigError:
    return ConfigError([Fault(file=file, line=line, problem=problem, mend=mend)])


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
    """Answer whether browsers reach the gate on their own machine, by loopback names only.

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
            mend = f'add "{route.host}" to hosts'
            top.notes.add(path, f'the host "{route.host}" is not served', mend)
