"""Describe what a changed configuration allows or forbids; never show a secret."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

import attrs

from corsgate.config.diff_credentials import PAIRS, by_origin_changes, pair_changes
from corsgate.config.diff_reach import COMPARED, Change, destination, reach_changes
from corsgate.config.diff_signing import credentials_text, part_pairs
from corsgate.config.keys import key_of
from corsgate.config.model.admin import Admin
from corsgate.config.model.balancing import Ejection, Fallback, HealthCheck, Sticky
from corsgate.config.model.certificates import CertifiedKey
from corsgate.config.model.header_rules import HeaderRules
from corsgate.config.model.rules import SHOWN_LENGTH, show
from corsgate.config.model.session import Csrf, Expired
from corsgate.config.model.units import format_duration, format_size
from corsgate.config.model.upstream_tls import UpstreamTls
from corsgate.config.model.values import Config, Cors, Limits, Listener, Route, Server, Upstream
from corsgate.config.toml.keys import AnyKey, Key, by_hand
from corsgate.config.toml.lines import key_text


class Kind(Enum):
    """The effect of a difference."""

    GIVES = "+"
    TAKES = "-"
    CHANGES = "~"


@attrs.frozen(kw_only=True)
class Difference:
    """One difference between two configurations.

    Attributes:
        kind: Whether the change adds, removes or replaces something.
        where: The route, upstream or key.
        words: The difference, as a clause.
    """

    kind: Kind
    where: str
    words: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.where}: {self.words}"


_WITHOUT_A_KEY: Mapping[str, tuple[str, str, str]] = {
    "discovered": ("servers", "it has the servers of {}", "it no longer has the servers of {}"),
    "servers_file": ("servers.file", "", ""),
}
"""For fields that no single key sets: the name, and the effects of adding and removing an entry."""

_OPEN_ENTRIES: Mapping[str, str] = {
    "*": "any name or origin",
    "null": "null (local files, and sandboxed frames in any page)",
    "chrome-extension://*": "any extension (chrome-extension://*)",
    "moz-extension://*": "any extension (moz-extension://*)",
}
"""How to describe list entries that admit strangers."""

_COMPARED_BY_KEY = (
    *(Cors, Csrf, Ejection, Expired, Fallback, HeaderRules, HealthCheck, Sticky, UpstreamTls),
)
"""Tables whose keys are compared one by one. For a `Secret`, only the fact of a change is shown."""

_OWN_WORDS = (
    *("name", "servers", "credentials", "credentials_by_origin", "pool", "balancing"),
    *("addresses", "request_rules"),
)
_SECTIONS = ("listeners", "hosts", "upstreams", "routes", "limits", "admin")
_NO_POLICY = Cors(allow_origins=())


def differences(
    old: Config,
    new: Config,
    old_document: Mapping[str, object] | None = None,
    new_document: Mapping[str, object] | None = None,
) -> list[Difference]:
    """Return the differences between two configurations.

    Args:
        old: The old configuration.
        new: The new configuration.
        old_document: The old file as parsed by tomllib, for the names of credentials.
        new_document: The new file, likewise.

    Returns:
        The differences, those of routes first; empty if both configurations have the same effect.
    """
    found = [
        *_routes(old, new),
        *_upstreams(old, new, old_document or {}, new_document or {}),
        *_listeners(old, new),
        *_fields("hosts", old, new, only=("hosts",)),
        *_fields("limits", old.limits, new.limits),
        *_admin(old.admin, new.admin),
    ]
    return [*found, *_fields("", old, new, skip=_SECTIONS)]


def _routes(old: Config, new: Config) -> Iterator[Difference]:
    before = {_label(route): route for route in old.routes}
    after = {_label(route): route for route in new.routes}
    for label, route in before.items():
        if label not in after:
            yield _difference(Kind.TAKES, label, f"the route to {destination(route)} is removed")
    for label, route in after.items():
        was = before.get(label)
        if was is None:
            yield _difference(Kind.GIVES, label, f"a route to {destination(route)}")
            was = Route(
                host=route.host,
                prefix=route.prefix,
                upstream=route.upstream,
                by_url=route.by_url,
                limits=old.limits,
            )
        yield from _route(label, was, route)
        # Report a change of the limits of the whole file only once.
        general = [
            f.name for f in attrs.fields(Limits) if _is_general(f.name, old, was, new, route)
        ]
        yield from _fields(f"{label}.limits", was.limits, route.limits, skip=general)


def _is_general(name: str, old: Config, was: Route, new: Config, route: Route) -> bool:
    before, after = getattr(was.limits, name), getattr(route.limits, name)
    return bool(before == getattr(old.limits, name) and after == getattr(new.limits, name))


def _label(route: Route) -> str:
    return key_text(("routes", f"{route.host or ''}{route.prefix}"))


def _changed(where: str, changes: Iterable[Change]) -> Iterator[Difference]:
    for gives, words in changes:
        kind = Kind.CHANGES if gives is None else Kind.GIVES if gives else Kind.TAKES
        yield _difference(kind, where, words)


def _route(where: str, old: Route, new: Route) -> Iterator[Difference]:
    yield from _changed(where, reach_changes(old, new))
    if old.cors is None and new.cors is not None:
        yield _difference(Kind.GIVES, where, "a CORS policy")
    if old.cors is not None and new.cors is None:
        yield _difference(
            Kind.TAKES, where, "its CORS policy is removed, so no other origin may read it"
        )
    else:
        yield from _fields(where, old.cors or _NO_POLICY, new.cors or _NO_POLICY)
    if new.methods is None or old.methods is None:
        if new.methods != old.methods:
            kind, said = (
                (Kind.GIVES, "it serves every method")
                if new.methods is None
                else (Kind.TAKES, f"it serves {', '.join(new.methods)} only")
            )
            yield _difference(kind, where, said)
    else:
        yield from _fields(where, old, new, only=("methods",))
    if new.allow_framing != old.allow_framing:
        kind, can = (Kind.GIVES, "may") if new.allow_framing else (Kind.TAKES, "may no longer")
        yield _difference(kind, where, f"pages of other origins {can} show it in frames")
    known = ("host", "prefix", "cors", "methods", "limits", "allow_framing", *COMPARED)
    yield from _fields(where, old, new, skip=known)


def _upstreams(
    old: Config, new: Config, old_document: Mapping[str, Any], new_document: Mapping[str, Any]
) -> Iterator[Difference]:
    for name, upstream in old.upstreams.items():
        if name not in new.upstreams:
            servers = ", ".join(
                [*(server.origin for server in upstream.servers), *map(str, upstream.discovered)]
            )
            yield _difference(Kind.TAKES, _upstream(name), f"it is removed, with {servers}")
    for name, upstream in new.upstreams.items():
        was = old.upstreams.get(name)
        where = _upstream(name)
        if was is None:
            yield _difference(Kind.GIVES, where, "a new upstream")
            for server in upstream.servers:
                yield from _new_server(where, server)
            for each in upstream.discovered:
                yield _difference(Kind.GIVES, where, f"the servers of {each}")
            was = Upstream(name=name, servers=upstream.servers, discovered=upstream.discovered)
        else:
            yield from _servers(where, was, upstream)
        before, after = (
            credentials_text(old_document, was),
            credentials_text(new_document, upstream),
        )
        yield from _signing(where, was, upstream, before, after)
        chosen = by_origin_changes(was, upstream, old_document, new_document)
        yield from _changed(where, chosen)
        yield from _fields(where, was, upstream, skip=_OWN_WORDS)
        if bool(was.tls.pin) != bool(upstream.tls.pin):
            # The first pin replaces verification by authorities, and verify = "dangerously-off".
            kind = Kind.TAKES if upstream.tls.pin else Kind.GIVES
            words = "no other key is" if upstream.tls.pin else "keys that are not pinned are"
            yield _difference(kind, f"{where}, tls", f"{words} accepted")
        yield from _fields(where, was.pool, upstream.pool)
        yield from _fields(where, was.balancing, upstream.balancing)
        yield from _fields(where, was.addresses, upstream.addresses)
        yield from _fields(where, was.request_rules, upstream.request_rules)


def _upstream(name: str) -> str:
    return key_text(("upstreams", name))


def _server(server: Server) -> str:
    return f"{server.origin}{server.base_path}"


def _servers(where: str, old: Upstream, new: Upstream) -> Iterator[Difference]:
    before = {_server(server): server for server in old.servers}
    after = {_server(server): server for server in new.servers}
    for name in before:
        if name not in after:
            yield _difference(Kind.TAKES, where, f"the server {name} is removed")
    for name, server in after.items():
        was = before.get(name)
        if was is None:
            yield from _new_server(where, server)
        else:
            yield from _fields(f"{where}, server {name}", was, server)


def _new_server(where: str, server: Server) -> Iterator[Difference]:
    """Return a new server, and its settings that differ from the defaults."""
    name = _server(server)
    yield _difference(Kind.GIVES, where, f"the server {name}")
    usual = attrs.evolve(server, weight=1, backup=False, drain=False)
    yield from _fields(f"{where}, server {name}", usual, server)


def _signing(
    where: str, old: Upstream, new: Upstream, before: str, after: str
) -> Iterator[Difference]:
    if before == after:
        pairs = part_pairs(old.credentials, new.credentials)
        for pair in pairs or ():
            yield from _fields(f"{where}, credentials {after}", *pair)
        if pairs is None:
            yield _difference(Kind.CHANGES, where, f"the credentials {after} have other parts")
    elif not before:
        yield _difference(Kind.GIVES, where, f"it uses the credentials {after}")
    elif not after:
        yield _difference(Kind.TAKES, where, f"it no longer uses the credentials {before}")
    else:
        words = f"it uses the credentials {after}, previously {before}"
        yield _difference(Kind.CHANGES, where, words)


def _listeners(old: Config, new: Config) -> Iterator[Difference]:
    before = {listener.endpoint: listener for listener in old.listeners}
    after = {listener.endpoint: listener for listener in new.listeners}
    for endpoint in before:
        if endpoint not in after:
            yield _difference(Kind.TAKES, "listen", f"the gate no longer listens on {endpoint}")
    for endpoint, listener in after.items():
        was = before.get(endpoint)
        if was is None:
            yield _difference(Kind.GIVES, "listen", f"the gate listens on {endpoint}")
            was = Listener(endpoint=endpoint)
        yield from _fields(f"listen {endpoint}", was, listener, skip=("endpoint",))


def _admin(old: Admin | None, new: Admin | None) -> Iterator[Difference]:
    if old is not None and new is None:
        yield _difference(Kind.TAKES, "admin", f"status and metrics are no longer on {old.listen}")
    elif old is None and new is not None:
        yield _difference(Kind.GIVES, "admin", f"status and metrics are on {new.listen}")
    elif old is not None and new is not None:
        yield from _fields("admin", old, new)


def _fields(
    where: str, old: Any, new: Any, *, only: Iterable[str] = (), skip: Iterable[str] = ()
) -> Iterator[Difference]:
    """Return the differences between the fields of two values of one class."""
    if type(old) is not type(new):
        yield _difference(Kind.CHANGES, where, "it is of a different kind")
        return
    for field in attrs.fields(type(old)):
        name = field.name
        if field.eq is False or name in skip or (only and name not in only):
            continue
        before, after = getattr(old, name), getattr(new, name)
        # Values with a comparison of their own may be equal in Python: true and 1.
        if before == after and field.eq_key is None:
            continue
        key = key_of(type(old), name) or _named(name)
        place = where or key.name
        if (
            isinstance(before, tuple)
            and isinstance(after, tuple)
            and not any(isinstance(entry, CertifiedKey) for entry in before + after)
        ):
            yield from _entries(place, key, before, after)
        elif type(before) is type(after) and isinstance(before, _COMPARED_BY_KEY):
            yield from _fields(f"{place}, {key.name}", before, after)
        else:
            yield _difference(Kind.CHANGES, place, _scalar(key, before, after, place))


def _named(field: str) -> AnyKey:
    """Return a substitute for the key of a field that no single key sets."""
    name, gives, takes = _WITHOUT_A_KEY.get(field, (field, "", ""))
    return Key(name, by_hand({}), None, "", example="", gives=gives, takes=takes)


def _entries(
    where: str, key: AnyKey, old: tuple[object, ...], new: tuple[object, ...]
) -> Iterator[Difference]:
    name = key.name
    if name in PAIRS:
        yield from (_difference(Kind.CHANGES, where, w) for w in pair_changes(name, old, new))
        return
    gives = key.gives or f"{name} has {{}}"
    takes = key.takes or f"{name} no longer has {{}}"
    given = [entry for entry in new if entry not in old and not _stands_for(old, entry)]
    taken = [entry for entry in old if entry not in new and not _stands_for(new, entry)]
    yield from (_difference(Kind.TAKES, where, takes.format(_entry(entry))) for entry in taken)
    yield from (_difference(Kind.GIVES, where, gives.format(_entry(entry))) for entry in given)
    if not given and not taken and set(old) == set(new):
        yield _difference(
            Kind.CHANGES, where, f"{name} has the same entries in a different order or number"
        )


def _stands_for(entries: tuple[object, ...], entry: object) -> bool:
    """Return whether ``*`` among a policy's entries includes another entry."""
    return "*" in entries and str(entry).lower() != "authorization"


def _entry(entry: object) -> str:
    return _OPEN_ENTRIES.get(str(entry), str(entry))


def _scalar(key: AnyKey, old: object, new: object, where: str) -> str:
    """Describe how a value changed, without a value that may contain a secret."""
    name = key.name
    if not (_is_shown(old) and _is_shown(new)):
        return (
            f"{name} is set"
            if old is None
            else f"{name} is removed"
            if new is None
            else f"{name} changed"
        )
    change = f"{_show(key, new)}, previously {_show(key, old)}"
    return change if where == name else f"{name} is {change}"


def _is_shown(value: object) -> bool:
    if isinstance(value, tuple):
        return all(_is_shown(entry) for entry in value)
    if isinstance(value, str):
        # A query, such as that of a probe's path, may contain an API key.
        return "?" not in value
    return value is None or isinstance(value, bool | int | float)


def _show(key: AnyKey, value: object) -> str:
    match value:
        case None | "":
            return "unset"
        case bool() if "const" in key.shape:
            return "unset" if value else str(key.shape["const"])
        case (str() as host, int() as port):
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        case bool():
            return str(value).lower()
        case int() | float() if key.is_duration:
            return format_duration(value)
        case int() if key.is_size:
            return format_size(value)
        case tuple():
            return ", ".join(str(entry) for entry in value)
        case str() if len(value) > SHOWN_LENGTH or not value.isprintable():
            return show(value)
    return str(value)


def _difference(kind: Kind, where: str, words: str) -> Difference:
    return Difference(kind=kind, where=where, words=words)
