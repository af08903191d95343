"""A configuration made ready to serve: its routes and upstreams."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from corsgate.config.model.by_url import (
    one_per_upstream,
)
from corsgate.config.model.shared_cookies import SharedCookies
from corsgate.config.model.values import Config, Route, Upstream
from corsgate.cors.policy import compile_policy
from corsgate.credentials.secret_commands import SecretCommands
from corsgate.credentials.shared import Shared
from corsgate.errors import BadValue, ConfigError, Fault
from corsgate.gate.by_origin import add_accounts
from corsgate.gate.compiled_route import CompiledRoute
from corsgate.gate.counters import Counters
from corsgate.gate.mounts import foreign_to
from corsgate.gate.reach import as_one
from corsgate.gate.upstream_runtime import Common, UpstreamRuntime, make_upstream
from corsgate.routing import RouteTable
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.fetch import Fetcher
from corsgate.upstream.hosts import Hosts

_log = Logger()


@attrs.frozen(kw_only=True, eq=False)
class Runtime:
    """The routes and upstreams of a configuration, ready to serve.

    Attributes:
        table: Finds a request's route.
        upstreams: The upstreams of the routes, by name.
        shared: What credentials share, also across reloads.
        fetcher: Sends requests to token servers; it is kept across reloads.
    """

    table: RouteTable[CompiledRoute]
    upstreams: Mapping[str, UpstreamRuntime]
    shared: Shared
    fetcher: Fetcher

    def stop(self) -> Deferred[Any]:
        """Stop the upstreams; return a Deferred that fires when all have logged out."""
        left = [self.shared.ended(), *(upstream.stop() for upstream in self.upstreams.values())]
        return gatherResults(left).addCallback(lambda _: self.fetcher.stop())

    def take_over(self, before: Runtime) -> None:
        """Continue with the state of the runtime before a reload; drain removed upstreams.

        This neither waits nor fails. An error in one upstream is logged, and does not affect the
        others.

        Args:
            before: The earlier runtime. Its exchanges continue to use it until they end.
        """
        for name in {**before.upstreams, **self.upstreams}:
            new, old = self.upstreams.get(name), before.upstreams.get(name)
            if new is old:
                continue
            try:
                if new is None:
                    assert old is not None
                    old.remove()
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
    commands: SecretCommands | None = None,
) -> Runtime:
    """Make a configuration ready to serve. This may run in a thread.

    Args:
        config: The configuration.
        reactor: The reactor.
        deadlines: Calls back when a deadline passes.
        rng: Returns the given number of random bytes.
        file: The configuration's name in faults.
        pseudonym: The name of this process in Via, which no other process has.
        shortcuts: Which shortcuts to take.
        hosts: The names that take precedence over DNS; by default those of the system.
        short: Called if the process lacks resources for a connection; it closes idle ones.
        before: The runtime that this one will replace with `take_over`; None at the start.
        counters: Count requests and responses; None if nothing does.
        commands: Runs again the commands that print secrets; None if none may be run.

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
        commands=commands,
        has_file=bool(config.written),
    )
    if before is not None:
        common = attrs.evolve(common, shared=before.shared, fetcher=before.fetcher)
    known = {} if before is None else before.upstreams
    upstreams = _made(
        config.upstreams, known, lambda each, old: make_upstream(each, common, old), file, counters
    )
    table = _make_table(config, upstreams, pseudonym, shortcuts, counters)
    return Runtime(table=table, upstreams=upstreams, shared=common.shared, fetcher=common.fetcher)


def _make_table(
    config: Config,
    upstreams: Mapping[str, UpstreamRuntime],
    pseudonym: bytes,
    shortcuts: Shortcuts,
    counters: Counters | None,
) -> RouteTable[CompiledRoute]:
    """Compile all routes."""
    # Routes that share a policy share its cached decisions, of which there may be thousands.
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
    """Let routes with the same label share counters, if anything counts."""
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
    """Return all upstreams made ready, unchanged ones reused.

    Raises:
        ConfigError: With the faults of all upstreams.
    """
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
