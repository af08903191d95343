"""A configuration made ready to serve: what each route needs, worked out once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from random import Random
from typing import Any

import attrs
from twisted.internet.defer import TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from corsgate.balance.balancer import Balancer
from corsgate.balance.keys import KeyReader, key_reader
from corsgate.balance.sticky import StickyCookies
from corsgate.config.model.balancing import Balancing
from corsgate.config.model.values import Config, Cors, Route, Server, Upstream
from corsgate.cors.policy import Policy, compile_policy
from corsgate.credentials.build import build
from corsgate.errors import BadValue, ConfigError, Fault
from corsgate.gate.header_rules import FieldMaker
from corsgate.gate.report_only import ReportOnly
from corsgate.gate.request_shape import RequestShape
from corsgate.gate.response_shape import ResponseShape
from corsgate.interfaces import ICredentials
from corsgate.routing import RouteTable
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines
from corsgate.transport.log_throttle import LogThrottle
from corsgate.upstream.agent import UpstreamAgent
from corsgate.upstream.discovery import Discovery, ServersFile
from corsgate.upstream.dns import Lookup
from corsgate.upstream.probe import Prober
from corsgate.upstream.treq_client import ProxyClient

_log = Logger()


@attrs.frozen(kw_only=True, eq=False)
class UpstreamRuntime:
    """One upstream, ready to be asked; its moving parts are shared by its routes.

    Attributes:
        name: Its name, for the log.
        agent: Holds its connections.
        client: Sends to its servers.
        credentials: Signs, or None.
        rules: How its servers are balanced and protected.
        balancer: Says which server is next, and keeps what is known of each.
        ejecting: The causes of failures that count against a server.
        key: Reads what requests are shared out by, or None where they aren't.
        sticky: Leads clients back to their servers, or None.
        prober: Asks the servers whether they are well, or None.
        watchers: Find out which servers there are.
        clock: Tells the time.
        chance: Returns numbers from 0 up to 1, all as likely.
        chooses_freely: Whether it is all the same which server gets a client's request.
    """

    name: str
    agent: UpstreamAgent
    client: ProxyClient
    credentials: ICredentials | None
    rules: Balancing
    balancer: Balancer
    ejecting: frozenset[str]
    key: KeyReader | None
    sticky: StickyCookies | None
    prober: Prober | None
    clock: IReactorTime
    chance: Callable[[], float]
    watchers: list[Discovery | ServersFile] = attrs.Factory(list)
    chooses_freely: bool = attrs.field(init=False)

    @chooses_freely.default
    def _chooses_freely(self) -> bool:
        return self.key is None and self.sticky is None

    def start(self) -> None:
        """Begin to watch the servers."""
        if self.prober is not None:
            self.prober.start()
        for watcher in self.watchers:
            watcher.start()

    def stop(self) -> None:
        """Watch them no more, and close each connection once its exchange has ended."""
        for watcher in self.watchers:
            watcher.stop()
        if self.prober is not None:
            self.prober.stop()
        self.agent.close()

    async def found(self, timeout_s: float) -> None:
        """Wait until DNS was asked for each of the servers once, but no longer than so long.

        Args:
            timeout_s: In seconds.
        """
        with suppress(TimeoutError):
            for watcher in self.watchers:
                await watcher.when_asked().addTimeout(timeout_s, self.clock)

    def change(self, servers: Sequence[Server]) -> None:
        """Have other servers from now on; what is known of those that stay, stays."""
        self.agent.update(servers)
        self.balancer.update(servers, self.clock.seconds())
        if self.sticky is not None:
            self.sticky.know(server.origin for server in servers)
        if self.prober is not None:
            self.prober.update()
        _log.info(
            "upstream {upstream}: its servers are {servers}",
            upstream=self.name,
            servers=", ".join(server.origin for server in servers),
        )


class CompiledRoute:
    """One route, ready to serve; the resources of its places hold it.

    Args:
        route: How it is configured.
        prefix: Its prefix percent-encoded, as it stands in a target; empty for ``/``.
        depth: How many segments the prefix has.
        upstream: Where its requests go.
        compiled: Compiles a CORS policy.
        kinds: The kinds of the routes compiled before; a new one is added to them.
        pseudonym: What this process calls itself in Via.
        shortcuts: Which ones are taken.

    Attributes:
        route: As above.
        prefix: As above.
        credentialed: Whether the gate adds secrets, so that other sites are kept out.
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
        direct: Whether a request without a body may be sent at once: nothing has to be learned
            from a server before.
        whole: Whether a response that has come whole is written whole.
    """

    __slots__ = (
        "adds_fields",
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
        pseudonym: bytes,
        shortcuts: Shortcuts = ALL,
    ) -> None:
        credentials = upstream.credentials
        fixed = () if credentials is None else credentials.fixed
        self.route = route
        self.upstream = upstream
        self.prefix = prefix
        self.credentialed = route.upstream.adds_secrets
        label = (route.host or "").encode("ascii") + (prefix or b"/")
        self.pseudonym = pseudonym
        self.origin = route.upstream.request_rules.origin
        self.request_shape = RequestShape(
            route,
            depth,
            prefix=prefix,
            label=label,
            own_fields=frozenset() if credentials is None else credentials.header_names,
            fixed=fixed or (),
            pseudonym=pseudonym,
            shortcuts=shortcuts,
        )
        self.response_shape = ResponseShape(
            route,
            prefix,
            credentialed=credentials is not None,
            sent_host=self.request_shape.host_for,
            shortcuts=shortcuts,
        )
        self.response_fields = FieldMaker(route.response_headers, label)
        self.adds_fields = upstream.sticky is not None or self.response_fields.makes_any
        report_only = route.cors_report_only
        self.label = f"{route.host or ''}{route.prefix}"
        self.policy = None if route.cors is None else compiled(route.cors)
        self.report_only = (
            None if report_only is None else ReportOnly(self.label, compiled(report_only))
        )
        self.methods = (
            None
            if route.methods is None
            else frozenset(method.encode("ascii") for method in route.methods)
        )
        self.kind = self.head_kind = self._kind(kinds)
        if self.request_shape.by_route:
            self.head_kind = object()
        self.limits = route.limits
        self.log_throttle = LogThrottle()
        self.direct = shortcuts.direct and fixed is not None
        self.whole = shortcuts.whole

    def _kind(self, kinds: dict[Hashable, object] | None) -> object:
        """Return the kind of the route, which is a new one if no route before is of it."""
        key = (
            id(self.policy),
            self.upstream.name,
            self.route.pass_headers,
            self.route.methods,
            self.route.allow_framing,
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


def make_runtime(
    config: Config,
    *,
    reactor: Any,
    deadlines: Deadlines,
    rng: Callable[[int], bytes],
    file: str,
    pseudonym: bytes,
    shortcuts: Shortcuts = ALL,
) -> Runtime:
    """Make a configuration ready to serve.

    Args:
        config: What to serve.
        reactor: Connects and tells the time.
        deadlines: Ends what takes too long.
        rng: Returns so many random bytes.
        file: The configuration's name in faults.
        pseudonym: What this process calls itself in Via, and no other one does.
        shortcuts: Which ones are taken.

    Returns:
        A runtime that has opened nothing yet.

    Raises:
        ConfigError: An upstream's certificates can't be used.
    """
    upstreams: dict[str, UpstreamRuntime] = {}
    faults: list[Fault] = []
    for name, upstream in config.upstreams.items():
        try:
            upstreams[name] = _make_upstream(upstream, reactor, deadlines, rng, shortcuts)
        except BadValue as error:
            key = f"upstreams.{name}"
            faults.append(Fault(file=file, key=key, problem=error.problem, fix=error.fix))
    if faults:
        raise ConfigError(faults)
    # Routes that share a policy share its decisions, which may be thousands.
    compiled = lru_cache(maxsize=None)(compile_policy)
    kinds: dict[Hashable, object] = {}

    def compile_route(route: Route, prefix: bytes, depth: int) -> CompiledRoute:
        return CompiledRoute(
            route,
            prefix,
            depth,
            upstream=upstreams[route.upstream.name],
            compiled=compiled,
            kinds=kinds,
            pseudonym=pseudonym,
            shortcuts=shortcuts,
        )

    table = RouteTable.build(config.routes, compile_route)
    return Runtime(table=table, upstreams=upstreams)


def _make_upstream(
    upstream: Upstream,
    reactor: Any,
    deadlines: Deadlines,
    rng: Callable[[int], bytes],
    shortcuts: Shortcuts,
) -> UpstreamRuntime:
    agent = UpstreamAgent(reactor, deadlines, upstream, shortcuts)
    rules = upstream.balancing
    # Seeded by what nobody can guess; who draws well can't be steered to one server.
    chance = Random(rng(16)).random  # noqa: S311  # nothing secret is made of it

    def tell(what: str) -> None:
        _log.warn("upstream {upstream}: {what}", upstream=upstream.name, what=what)

    credentials = build(upstream.credentials, rng)
    balancer = Balancer(upstream.servers, rules, chance, reactor.seconds(), tell)
    prober = None
    if rules.health is not None:
        prober = Prober(reactor, deadlines, upstream, balancer, credentials, chance)
    made = UpstreamRuntime(
        name=upstream.name,
        agent=agent,
        client=ProxyClient(agent),
        credentials=credentials,
        rules=rules,
        balancer=balancer,
        ejecting=frozenset(rules.eject.on),
        key=key_reader(rules.hash_on) if rules.balance == "hash" else None,
        sticky=_sticky(upstream, rng),
        prober=prober,
        clock=reactor,
        chance=chance,
    )
    if upstream.servers_file is not None:
        made.watchers.append(ServersFile(reactor, upstream.servers_file, made.change, tell))
    if upstream.discovered:
        lookup = Lookup(reactor, upstream.resolver)
        made.watchers.append(
            Discovery(
                reactor,
                upstream.servers,
                upstream.discovered,
                lookup,
                made.change,
                tell,
                named=upstream.server_name is not None or not upstream.verify,
            )
        )
    return made


def _sticky(upstream: Upstream, rng: Callable[[int], bytes]) -> StickyCookies | None:
    sticky = upstream.balancing.sticky
    if sticky is None:
        return None
    key = rng(32) if sticky.secret is None else sticky.secret.reveal().encode("utf-8")
    cookies = StickyCookies(sticky.cookie, key)
    cookies.know(server.origin for server in upstream.servers)
    return cookies
