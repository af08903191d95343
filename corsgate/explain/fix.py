"""Finds the smallest change of a configuration that allows a call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from corsgate.config.model.by_url import one_per_upstream, upstreams_of
from corsgate.config.model.rules import show
from corsgate.config.model.values import Config, Cors, Route
from corsgate.config.sections.policies import Finding
from corsgate.config.sections.routes import parse_place
from corsgate.config.toml.lines import HeaderTable, Path, key_text
from corsgate.config.toml.writer import Toml, toml_tables
from corsgate.cors.faults import injected_names, injection_faults, route_faults
from corsgate.cors.names import SAFELISTED_METHODS
from corsgate.cors.policy import compile_policy
from corsgate.cors.warnings import route_warnings
from corsgate.errors import BadValue, PolicyError
from corsgate.explain.call import Call, unsafe_names
from corsgate.explain.near_miss import spell
from corsgate.explain.reach import missing_pattern

_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
_KEYS = ("allow_origins", "allow_methods", "allow_headers", "expose_headers", "allow_credentials")


@attrs.frozen(kw_only=True)
class Change:
    """A key to write in the configuration.

    Attributes:
        table: Its table.
        key: Its name.
        value: Its new value, which replaces the present one.
    """

    table: Path
    key: str
    value: Toml


@attrs.frozen(kw_only=True)
class Fix:
    """The changes that allow a call.

    Attributes:
        changes: The keys to write.
        advice: Further notes.
        config: The configuration with the changes applied; None without changes.
    """

    changes: tuple[Change, ...] = ()
    advice: tuple[str, ...] = ()
    config: Config | None = None

    @property
    def toml(self) -> str:
        """The changes as TOML."""
        return toml_tables((change.table, change.key, change.value) for change in self.changes)


@attrs.frozen(kw_only=True)
class Place:
    """The place of a route and its policy in the configuration.

    Attributes:
        route: The route's table.
        policy: The table of a named policy, or of one with a header below the route; or None.
        inline: The keys of a policy inside the route, or None.
        shared: The other routes that use the same named policy.
    """

    route: Path
    policy: Path | None = None
    inline: Mapping[str, Toml] | None = None
    shared: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The place of the policy, for display; empty without one."""
        if self.policy is not None:
            return f"[{key_text(self.policy)}]"
        return f"cors of [{key_text(self.route)}]" if self.inline is not None else ""


def find_place(document: Mapping[str, object], route: Route) -> Place:
    """Return the place of a route and its policy.

    Args:
        document: The file as parsed by tomllib, without faults; empty if there is no file.
        route: One of its routes.
    """
    routes = document.get("routes")
    tables: Mapping[str, object] = routes if isinstance(routes, dict) else {}
    wanted = (route.host, route.prefix)
    key = next((key for key in tables if parse_place(key) == wanted), None)
    if key is None:
        return Place(route=("routes", f"{route.host or ''}{route.prefix}"))
    cors = _cors_of(tables[key])
    if isinstance(cors, str):
        others = tuple(each for each in tables if each != key and _cors_of(tables[each]) == cors)
        return Place(route=("routes", key), policy=("cors", cors), shared=others)
    if isinstance(cors, HeaderTable):
        return Place(route=("routes", key), policy=("routes", key, "cors"))
    return Place(route=("routes", key), inline=cors if isinstance(cors, dict) else None)


def _cors_of(table: object) -> object:
    return table.get("cors") if isinstance(table, dict) else None


def widen(cors: Cors | None, call: Call) -> Cors:
    """Return the smallest policy that allows a call and everything that a given policy allows.

    Args:
        cors: The present policy; None if there is none.
        call: The call to allow.

    Raises:
        PolicyError: No valid policy can allow the call.
    """
    _refuse_patterns(call)
    if cors is None:
        cors = Cors(allow_origins=())
        allowed = False
    else:
        allowed = compile_policy(cors).allows(call.origin)
    origins, exposed = cors.allow_origins, cors.expose_headers
    origin = call.origin.decode("latin-1")
    if call.credentials and "*" in origins:
        # With credentials, "*" allows no origin (Fetch #cors-protocol-and-credentials).
        origins, allowed = (), False
    if call.credentials and "*" in exposed:
        exposed = ()
    if not allowed:
        meant = spell(origin) or origin
        origins += () if meant in origins else (meant,)
    method = call.sent_method
    listed = method in SAFELISTED_METHODS or {method.decode(), "*"} & set(cors.allow_methods)
    wider = attrs.evolve(
        cors,
        allow_origins=origins,
        allow_methods=cors.allow_methods if listed else (*cors.allow_methods, method.decode()),
        allow_headers=(*cors.allow_headers, *_missing_names(cors, call)),
        expose_headers=exposed,
        allow_credentials=cors.allow_credentials or call.credentials,
    )
    compile_policy(wider)
    return wider


def _refuse_patterns(call: Call) -> None:
    """Raise PolicyError if an entry for a part of the call would be a wildcard.

    No browser sends an Origin with a star. A method or header may be named "*", but an entry for
    it would also allow every other name. Only a person can decide on that.
    """
    origin = call.origin.decode("latin-1")
    fix = "it is left out here; add it yourself if you intend that"
    faults = []
    if "*" in (spell(origin) or origin):
        faults.append(("allow_origins", f"browsers never send {show(origin)}", fix))
    if call.sent_method == b"*":
        faults.append(("allow_methods", '"*" would allow every method', fix))
    if b"*" in unsafe_names(call.sent_headers):
        faults.append(("allow_headers", '"*" would allow every header', fix))
    if faults:
        raise PolicyError(faults)


def _missing_names(cors: Cors, call: Call) -> list[str]:
    listed = {name.lower() for name in cors.allow_headers}
    names = [
        name
        for name in unsafe_names(call.sent_headers)
        if name.decode("latin-1") not in listed and ("*" not in listed or name == b"authorization")
    ]
    spelled = {name.lower(): name.decode("latin-1") for name, _ in call.headers}
    return [spelled[name] for name in names]


def written(cors: Cors, start: Cors | None = None) -> dict[str, Toml]:
    """Return the keys of a policy that differ from another policy, by default an empty one."""
    base = start or Cors(allow_origins=())
    keys: dict[str, Toml] = {}
    for key in _KEYS:
        value = getattr(cors, key)
        if value != getattr(base, key):
            keys[key] = list(value) if isinstance(value, tuple) else value
    return keys


def fix(
    config: Config,
    document: Mapping[str, object],
    call: Call,
    route: Route | None,
    *,
    served: bool,
) -> Fix:
    """Return the changes that allow a call.

    Args:
        config: The configuration.
        document: The same file as parsed by tomllib.
        call: The call that is not allowed.
        route: The call's route, or None.
        served: Whether a listener serves the call's host.
    """
    changes: list[Change] = []
    advice: list[str] = []
    hosts = config.hosts
    if not served:
        # An explicit list replaces the default, which serves the loopback names.
        hosts = (*(_LOOPBACK_HOSTS if hosts is None else hosts), call.url.host)
        changes.append(Change(table=(), key="hosts", value=list(hosts)))
    if route is None:
        place, widened = None, _new_route(config, call, advice)
    else:
        place, widened = find_place(document, route), route
    if widened is None:
        return Fix(advice=tuple(advice))
    method = call.sent_method.decode("latin-1")
    if widened.methods is not None and method not in widened.methods and place is not None:
        widened = attrs.evolve(widened, methods=(*widened.methods, method))
        changes.append(Change(table=place.route, key="methods", value=list(widened.methods or ())))
    pattern = missing_pattern(widened, call.sent_method, call.url.target.encode("ascii"))
    if pattern is not None and place is not None:
        widened = attrs.evolve(widened, allow_paths=(*widened.allow_paths, pattern))
        paths = [each.text for each in widened.allow_paths]
        changes.append(Change(table=place.route, key="allow_paths", value=paths))
    if call.url.origin != call.origin:
        try:
            wider = widen(widened.cors, call)
        except PolicyError as error:
            return Fix(advice=(*advice, *_lines(error.faults)))
        if place is not None:
            changes += _policy_changes(place, widened.cors, wider, advice)
        widened = attrs.evolve(widened, cors=wider)
    risky = _faults(config, place, widened)
    if risky:
        return Fix(advice=(*advice, *risky))
    advice += _new_warnings(route, widened, own=place is None or not place.shared)
    if place is None:
        changes += _route_changes(widened)
    if not changes:
        return Fix(advice=tuple(advice))
    routes = (*(each for each in config.routes if each is not route), widened)
    fixed = attrs.evolve(config, hosts=hosts, routes=routes)
    return Fix(changes=tuple(changes), advice=tuple(advice), config=fixed)


def _faults(config: Config, place: Place | None, widened: Route) -> list[str]:
    """Return the faults of a route with a wider policy, and of the routes that share the policy."""
    places = () if place is None else tuple(map(parse_place, place.shared))
    others = [route for route in config.routes if (route.host, route.prefix) in places]
    # Thousands of routes may share a policy. Only the headers that their upstreams inject matter,
    # so one upstream for each set of names is enough.
    upstreams = {
        injected_names(upstream): upstream
        for route in (widened, *others)
        for upstream in upstreams_of(route)
    }.values()

    def found(route: Route) -> list[str]:
        findings = (
            finding
            for each in one_per_upstream(route)
            for finding in (*route_faults(each), *injection_faults(each, upstreams))
        )
        return _lines(dict.fromkeys(findings))

    lines = found(widened)
    for other in others:
        where = f"route {other.host or ''}{other.prefix}"
        lines += [f"{where}: {line}" for line in found(attrs.evolve(other, cors=widened.cors))]
    return lines


def _new_warnings(route: Route | None, widened: Route, *, own: bool) -> list[str]:
    """Return the new warnings of `corsgate check`, such as a header that is removed."""
    known = set() if route is None else {each[1] for each in route_warnings(route, own)}
    return _lines(each for each in route_warnings(widened, own) if each[1] not in known)


def _lines(findings: Iterable[Finding]) -> list[str]:
    return [f"{key}: {problem}; {fixed}" for key, problem, fixed in findings]


def _new_route(config: Config, call: Call, advice: list[str]) -> Route | None:
    """Return a route for a path without one, if only one upstream is possible."""
    prefix = "/" + call.url.path.split("/")[1]
    known = ", ".join(f"{each.host or ''}{each.prefix}" for each in config.routes)
    advice.append(f"No route covers {call.url.path}. The routes are: {known}.")
    if len(config.upstreams) != 1 or any(each.prefix == prefix for each in config.routes):
        return None
    try:
        return Route(prefix=prefix, upstream=next(iter(config.upstreams.values())))
    except BadValue:
        return None


def _route_changes(route: Route) -> list[Change]:
    table = ("routes", route.prefix)
    changes = [Change(table=table, key="upstream", value=route.upstream.name)]
    if route.cors is not None:
        changes.append(Change(table=table, key="cors", value=written(route.cors)))
    return changes


def _policy_changes(
    place: Place, cors: Cors | None, wider: Cors, advice: list[str]
) -> Sequence[Change]:
    keys = written(wider, cors)
    if not keys:
        return ()
    if cors is not None and "*" in cors.allow_origins and "allow_origins" in keys:
        advice.append('Without "*", other origins lose access: list those that need it.')
    if cors is not None and "*" in cors.expose_headers and "expose_headers" in keys:
        advice.append('Without expose_headers = ["*"], list each header that scripts read.')
    if place.policy is None:
        value = {**(place.inline or {}), **keys}
        return [Change(table=place.route, key="cors", value=value)]
    if place.shared:
        shared = ", ".join(place.shared)
        advice.append(f"[{key_text(place.policy)}] is also the policy of {shared}.")
    return [Change(table=place.policy, key=key, value=value) for key, value in keys.items()]
