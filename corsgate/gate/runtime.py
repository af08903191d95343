"""A configuration made ready to serve: what each route needs, worked out once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import attrs
from twisted.logger import Logger

from corsgate.config.model.by_url import (
    authenticates,
    one_per_upstream,
    signed_upstream,
)
from corsgate.config.model.shared_cookies import SharedCookies
from corsgate.config.model.values import Config, Cors, Route, Upstream
from corsgate.cors.policy import Policy, compile_policy
from corsgate.errors import BadValue, ConfigError, Fault
from corsgate.gate.by_origin import Accounts, add_accounts
from corsgate.gate.counters import Counters, RouteCounters
from corsgate.gate.header_rules import FieldMaker
from corsgate.gate.mounts import IsForeign, foreign_to, make_mount
from corsgate.gate.reach import as_one, reach_key, reach_of
from corsgate.gate.report_only import ReportOnly
from corsgate.gate.request_shape import RequestShape
from corsgate.gate.response_shape import ResponseShape
from corsgate.gate.upstream_runtime import Common, UpstreamRuntime, make_upstream
from corsgate.gate.url_shapes import UrlRequestShape, UrlResponseShape, withheld_fields
from corsgate.message.uri_mapping import Mount
from corsgate.routing import RouteTable
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines
from corsgate.transport.log_throttle import LogThrottle
from corsgate.upstream.hosts import Hosts

_log = Logger()

FindRoute: TypeAlias = "Callable[[bytes, Sequence[bytes]], CompiledRoute | None]"
"""Returns the route of a Host value and the segments of a path."""


class CompiledRoute:
    """One route, ready to serve; the resources of its places hold it.

    Args:
        route: How it is configured.
        prefix: Its prefix percent-encoded, as it stands in a target; empty for ``/``.
        depth: How many segments the prefix has.
        upstream: Where its requests go.
        compiled: Compiles a CORS policy.
        kinds: The kinds of the routes compiled before; a new one is added to them.
        find: Returns the route of a Host value and the segments of a path, once all
            routes are compiled.
        is_foreign: Returns whether an endpoint is a server of another upstream.
        cookies: The cookies that pages of other sites may use.
        pseudonym: What this process calls itself in Via.
        shortcuts: Which ones are taken.

    Attributes:
        accounts: Choose the account of a request, if the upstream has several; or None.
        route: As above.
        prefix: As above.
        credentialed: Whether the gate adds secrets, for any upstream that the route names.
        authenticates: Whether the gate logs in at one of these upstreams.
        carries_sessions: Whether its requests may carry cookies over https that pages of other
            sites may use.
        pseudonym: As above.
        request_shape: What becomes of its requests' heads.
        response_shape: What becomes of the heads of responses.
        response_fields: Makes the fields that the operator adds to them.
        adds_fields: Whether there are such fields, or a cookie of the gate's own.
        kind: What routes have in common that make the same of the same fields, wherever they are:
            thousands of them may share what a connection remembers.
        head_kind: The same for the heads that servers get.
        label: Its host and prefix, for the log.
        origin: What its upstream sees as Origin, if that is configured; None for the default.
        policy: Its compiled CORS policy, or None.
        report_only: Its ``cors_report_only``, or None.
        methods: The methods it serves, or None for all.
        limits: Its bounds.
        upstream: As above.
        log_throttle: How often its failures are logged.
        refusals: Which servers refuse the gate's credentials; None if it has none.
        direct: Whether a request without a body may be sent at once: nothing has to be learned
            from a server before.
        whole: Whether a response that has come whole is written whole.
        reach: What its requests may reach, or None where that is everything.
        counters: Count its requests; None if nothing does.
    """

    __slots__ = (
        "accounts",
        "adds_fields",
        "authenticates",
        "carries_sessions",
        "counters",
        "credentialed",
        "direct",
        "head_kind",
        "kind",
        "label",
        "limits",
        "log_throttle",
        "methods",
        "origin",
        "policy",
        "prefix",
        "pseudonym",
        "reach",
        "refusals",
        "report_only",
        "request_shape",
        "response_fields",
        "response_shape",
        "route",
        "upstream",
        "whole",
    )

    def __init__(
        self,
        route: Route,
        prefix: bytes,
        depth: int,
        *,
        upstream: UpstreamRuntime,
        compiled: Callable[[Cors], Policy] = compile_policy,
        kinds: dict[Hashable, object] | None = None,
        find: FindRoute,
        is_foreign: IsForeign,
        cookies: SharedCookies,
        pseudonym: bytes,
        shortcuts: Shortcuts = ALL,
    ) -> None:
        credentials = upstream.credentials
        fixed = () if credentials is None else credentials.fixed
        self.route, self.prefix, self.upstream = route, prefix, upstream
        self.credentialed = signed_upstream(route) is not None
        self.authenticates = authenticates(route)
        self.carries_sessions = cookies.rides_on(route)
        self.pseudonym, self.origin = pseudonym, route.upstream.request_rules.origin
        label = (route.host or "").encode("ascii") + (prefix or b"/")
        self.request_shape = (UrlRequestShape if route.by_url else RequestShape)(
            route,
            depth,
            prefix=prefix,
            label=label,
            own_fields=upstream.own_fields | withheld_fields(route),
            fixed=fixed or (),
            pseudonym=pseudonym,
            # A by_url route has no URLs of its own that a resource could have.
            is_served=lambda host, path: not route.by_url and find(host, path) is self,
            shortcuts=shortcuts,
        )
        self.response_shape = (UrlResponseShape if route.by_url else ResponseShape)(
            route,
            self._mount(find, is_foreign),
            credentialed=self.authenticates,
            shares_cookies=cookies.sets(route),
            sent_host=self.request_shape.host_for,
            shortcuts=shortcuts,
        )
        self.response_fields = FieldMaker(route.response_headers, label)
        self.adds_fields = upstream.sticky is not None or self.response_fields.makes_any
        trial = route.cors_report_only
        self.label = f"{route.host or ''}{route.prefix}"
        self.counters: RouteCounters | None = None
        self.policy = None if route.cors is None else compiled(route.cors)
        self.report_only = None if trial is None else ReportOnly(self.label, compiled(trial))
        self.methods = _encoded(route.methods)
        self.kind = _kind_of(route, self.policy, self.carries_sessions, kinds)
        self.head_kind = object() if self.request_shape.by_route else self.kind
        self.limits = route.limits
        self.log_throttle = LogThrottle()
        self.direct = shortcuts.direct and fixed is not None
        self.whole = shortcuts.whole
        self.refusals = None if credentials is None else upstream.credential_refusals
        self.reach = reach_of(route, depth)
        self.accounts: Accounts | None = None

    def take_counts(self, before: CompiledRoute) -> None:
        """Continue the counts of ``cors_report_only``, unless the policy has changed."""
        mine, other = self.report_only, before.report_only
        if mine is None or other is None:
            return
        if self.route.cors_report_only == before.route.cors_report_only:
            mine.tried, mine.changes = other.tried, other.changes

    def _mount(self, find: FindRoute, is_foreign: IsForeign) -> Mount:
        """Return how the route mounts its upstream."""

        def is_elsewhere(host: bytes, path: Sequence[bytes]) -> bool:
            found = find(host, path)
            # The route of "/" has all that no other route serves, which says nothing of an address.
            return found is not None and found is not self and bool(found.prefix)

        return make_mount(
            self.route,
            self.prefix,
            is_foreign=is_foreign,
            servers=lambda: [state.server for state in self.upstream.balancer.states.values()],
            is_elsewhere=is_elsewhere,
        )


def _encoded(methods: Sequence[str] | None) -> frozenset[bytes] | None:
    return None if methods is None else frozenset(method.encode("ascii") for method in methods)


def _kind_of(
    route: Route,
    policy: Policy | None,
    carries_sessions: bool,
    kinds: dict[Hashable, object] | None,
) -> object:
    """Return what routes have in common that make the same of the same fields."""
    key = (
        id(policy),
        route.upstream.name,
        route.pass_headers,
        route.methods,
        route.allow_framing,
        carries_sessions,
        reach_key(route),
    )
    return object() if kinds is None else kinds.setdefault(key, object())


@attrs.frozen(kw_only=True, eq=False)
class Runtime:
    """All that a configuration decides, ready to serve.

    Attributes:
        table: Finds a request's route.
        upstreams: Those that the routes go to, by name.
    """

    table: RouteTable[CompiledRoute]
    upstreams: Mapping[str, UpstreamRuntime]

    def take_over(self, before: Runtime) -> None:
        """Continue with the state of the runtime before a reload; removed upstreams drain.

        Nothing here waits or fails: what goes wrong with one upstream is logged, and leaves the
        others alone.

        Args:
            before: That runtime. The exchanges that it has end on it.
        """
        for name in {**before.upstreams, **self.upstreams}:
            new, old = self.upstreams.get(name), before.upstreams.get(name)
            if new is old:
                continue
            try:
                if new is None:
                    assert old is not None
                    old.stop()
                    continue
                if old is not None:
                    new.take_over(old)
                new.start()
            except Exception:
                _log.failure("upstream {upstream}: its reload failed", upstream=name)
        tried = {each.label: each for each in before.table.routes if each.report_only is not None}
        for route in self.table.routes:
            if route.report_only is not None and route.label in tried:
                route.take_counts(tried[route.label])


def make_runtime(
    config: Config,
    *,
    reactor: Any,
    deadlines: Deadlines,
    rng: Callable[[int], bytes],
    file: str,
    pseudonym: bytes,
    shortcuts: Shortcuts = ALL,
    hosts: Hosts | None = None,
    short: Callable[[], None] = lambda: None,
    before: Runtime | None = None,
    counters: Counters | None = None,
) -> Runtime:
    """Make a configuration ready to serve, also in a thread.

    Args:
        config: What to serve.
        reactor: Connects and tells the time.
        deadlines: Ends what takes too long.
        rng: Returns so many random bytes.
        file: The configuration's name in faults.
        pseudonym: What this process calls itself in Via, and no other one does.
        shortcuts: Which ones are taken.
        hosts: Knows the names that come before DNS; by default the system's do.
        short: Called when the process lacks what a connection needs; it closes what it can.
        before: The one that it will replace, with `take_over`; None at the start.
        counters: Count what is served; None where nothing does.

    Returns:
        A runtime that has opened nothing yet.

    Raises:
        ConfigError: An upstream's certificates can't be used.
    """
    common = Common(
        reactor=reactor,
        deadlines=deadlines,
        rng=rng,
        shortcuts=shortcuts,
        hosts=hosts or Hosts(),
        short=short,
        counters=counters,
    )
    known = {} if before is None else before.upstreams
    upstreams = _made(
        config.upstreams, known, lambda each, old: make_upstream(each, common, old), file, counters
    )
    table = _make_table(config, upstreams, pseudonym, shortcuts, counters)
    return Runtime(table=table, upstreams=upstreams)


def _make_table(
    config: Config,
    upstreams: Mapping[str, UpstreamRuntime],
    pseudonym: bytes,
    shortcuts: Shortcuts,
    counters: Counters | None,
) -> RouteTable[CompiledRoute]:
    """Compile all routes."""
    # Routes that share a policy share its decisions, which may be thousands.
    compiled = lru_cache(maxsize=None)(compile_policy)
    kinds: dict[Hashable, object] = {}
    is_foreign = foreign_to(config.upstreams)
    cookies = SharedCookies(config.routes)

    def compile_route(route: Route, prefix: bytes, depth: int) -> CompiledRoute:
        found = [
            CompiledRoute(
                each,
                prefix,
                depth,
                upstream=upstreams[each.upstream.name],
                compiled=compiled,
                kinds=kinds,
                find=lambda host, path: table.find(host, path),
                is_foreign=is_foreign(each.upstream.name),
                cookies=cookies,
                pseudonym=pseudonym,
                shortcuts=shortcuts,
            )
            for each in one_per_upstream(route)
        ]
        every = [one for each in found for one in add_accounts(each, kinds, shortcuts)]
        _counted(every, counters)
        return as_one(found)

    table = RouteTable.build(config.routes, compile_route)
    return table


def _counted(routes: Sequence[CompiledRoute], counters: Counters | None) -> None:
    """Have routes of one label count their requests together, if anything counts."""
    if counters is not None:
        for each in routes:
            each.counters = counters.route(each.label)


def _made(
    upstreams: Mapping[str, Upstream],
    known: Mapping[str, UpstreamRuntime],
    make: Callable[[Upstream, UpstreamRuntime | None], UpstreamRuntime],
    file: str,
    counters: Counters | None,
) -> Mapping[str, UpstreamRuntime]:
    """Return all upstreams made ready, unchanged ones as they are; or raise all their faults."""
    made: dict[str, UpstreamRuntime] = {}
    faults: list[Fault] = []
    for name, upstream in upstreams.items():
        old = known.get(name)
        if old is not None and old.config == upstream and old.counters is counters:
            made[name] = old
            continue
        try:
            made[name] = make(upstream, old)
        except BadValue as error:
            key = f"upstreams.{name}"
            faults.append(Fault(file=file, key=key, problem=error.problem, fix=error.fix))
    if faults:
        raise ConfigError(faults)
    return made
