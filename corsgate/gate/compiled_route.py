"""One route of a configuration, made ready to serve."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeAlias

from corsgate.config.model.by_url import (
    authenticates,
    signed_upstream,
)
from corsgate.config.model.shared_cookies import SharedCookies
from corsgate.config.model.values import Cors, Route
from corsgate.cors.policy import Policy, compile_policy
from corsgate.gate.by_origin import Accounts
from corsgate.gate.counters import RouteCounters
from corsgate.gate.header_rules import FieldMaker
from corsgate.gate.mounts import IsForeign, make_mount
from corsgate.gate.reach import reach_key, reach_of
from corsgate.gate.report_only import ReportOnly
from corsgate.gate.request_shape import RequestShape
from corsgate.gate.response_shape import ResponseShape
from corsgate.gate.upstream_runtime import UpstreamRuntime
from corsgate.gate.url_shapes import UrlRequestShape, UrlResponseShape, withheld_fields
from corsgate.message.uri_mapping import Mount
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.log_throttle import LogThrottle

FindRoute: TypeAlias = "Callable[[bytes, Sequence[bytes]], CompiledRoute | None]"
"""Returns the route of a Host value and the segments of a path."""


class CompiledRoute:
    """One route, ready to serve. The resources at its places in the tree hold it.

    Args:
        route: Its configuration.
        prefix: Its prefix, percent-encoded as in a target; empty for ``/``.
        depth: How many segments the prefix has.
        upstream: The upstream that its requests go to.
        compiled: Compiles a CORS policy.
        kinds: The kinds of the routes compiled before; the route adds its kind if that is new.
        find: Returns the route of a Host value and the segments of a path, once all
            routes are compiled.
        is_foreign: Returns whether an endpoint is a server of another upstream.
        cookies: The cookies that pages of other sites may use.
        pseudonym: The name of this process in Via.
        shortcuts: Which shortcuts to take.

    Attributes:
        accounts: Chooses the account of a request if the upstream has several; else None.
        route: As above.
        prefix: As above.
        credentialed: Whether the gate adds secrets for any upstream that the route names.
        authenticates: Whether the gate logs in at one of these upstreams.
        carries_sessions: Whether its requests may carry cookies over https that pages of other
            sites may use.
        pseudonym: As above.
        request_shape: Makes the heads for servers from the heads of requests.
        response_shape: Makes the heads for clients from the heads of responses.
        response_fields: Makes the fields that the operator adds to responses.
        adds_fields: Whether there are such fields, or a cookie that the gate itself sets.
        kind: An object shared by all routes that derive the same results from the same fields.
            Thousands of routes may share what a connection remembers.
        head_kind: The same for the heads that are sent to servers.
        label: Its host and prefix, for the log.
        origin: The Origin that its upstream gets, if configured; None for the default.
        policy: Its compiled CORS policy, or None.
        report_only: Its ``cors_report_only``, or None.
        methods: The methods it serves, or None for all.
        limits: Its limits.
        upstream: As above.
        log_throttle: Limits how often its failures are logged.
        refusals: Records which servers refuse the gate's credentials, or ask for some.
        guard: Decides when the credentials may be sent to a server; None if it has none.
        direct: Whether a request without a body can be sent immediately, because nothing has to be
            learned from a server first.
        whole: Whether a response that has arrived whole is written in one piece.
        reach: The restrictions on its requests, such as to some paths; None for none.
        counters: Counts its requests; None if nothing does.
    """

    __slots__ = (
        "accounts",
        "adds_fields",
        "authenticates",
        "carries_sessions",
        "counters",
        "credentialed",
        "direct",
        "guard",
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
            # A by_url route has no URLs at which a resource could be.
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
        self.whole, self.guard = shortcuts.whole, upstream.guard
        self.refusals = upstream.credential_refusals
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
            # The route of "/" serves everything else, so it proves nothing about an address.
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
    """Return the object shared by routes that derive the same results from the same fields."""
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
