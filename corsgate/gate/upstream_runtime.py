"""An upstream made ready to be asked: its connections, its balancing and its credentials."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
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
from corsgate.config.model.values import Server, Upstream
from corsgate.credentials.build import build
from corsgate.credentials.means import Means
from corsgate.gate.counters import Counters
from corsgate.gate.credential_refusals import CredentialRefusals
from corsgate.interfaces import ICredentials
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.agent import UpstreamAgent
from corsgate.upstream.discovery import Discovery, ServersFile
from corsgate.upstream.dns import Lookup
from corsgate.upstream.hosts import Hosts
from corsgate.upstream.probe import Prober
from corsgate.upstream.treq_client import ProxyClient

_log = Logger()


@attrs.frozen(kw_only=True, eq=False)
class UpstreamRuntime:
    """One upstream, ready to be asked; its moving parts are shared by its routes.

    Attributes:
        name: Its name, for the log.
        config: How it is configured.
        agent: Holds its connections.
        client: Sends to its servers.
        credentials: Signs, or None.
        credential_refusals: Which servers refuse its credentials.
        rules: How its servers are balanced and protected.
        balancer: Says which server is next, and keeps what is known of each.
        ejecting: The causes of failures that count against a server.
        key: Reads what requests are shared out by, or None where they aren't.
        sticky: Leads clients back to their servers, or None.
        prober: Asks the servers whether they are well, or None.
        watchers: Find out which servers there are.
        clock: Tells the time.
        chance: Returns numbers from 0 up to 1, all as likely.
        counters: All counters of the gate; None where nothing counts.
        chooses_freely: Whether it is all the same which server gets a client's request.
    """

    name: str
    config: Upstream
    agent: UpstreamAgent
    client: ProxyClient
    credentials: ICredentials | None
    credential_refusals: CredentialRefusals
    rules: Balancing
    balancer: Balancer
    ejecting: frozenset[str]
    key: KeyReader | None
    sticky: StickyCookies | None
    prober: Prober | None
    clock: IReactorTime
    chance: Callable[[], float]
    counters: Counters | None = None
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

    def take_over(self, before: UpstreamRuntime) -> None:
        """Continue with the state of the upstream of the same name before a reload.

        It keeps the state of its servers, and the connections that would still be made and
        authenticated in the same way. The other one finishes its requests.

        Args:
            before: The upstream in the configuration before; it is retired.
        """
        servers = self.config.servers
        for watcher in self.watchers:
            for other in before.watchers:
                if isinstance(watcher, Discovery) and isinstance(other, Discovery):
                    watcher.inherit(other)
                    servers = tuple(watcher.servers)
        self.agent.inherit(before.agent, servers)
        self.balancer.inherit(before.balancer, servers, self.clock.seconds())
        self.count_servers()
        if self.sticky is not None:
            self.sticky.know(server.origin for server in servers)
        for watcher in before.watchers:
            watcher.stop()
        if before.prober is not None and self.prober is not None:
            before.prober.hand_over(self.prober)
        elif before.prober is not None:
            before.prober.stop()
        before.agent.close(self.agent)

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
        if list(servers) == [state.server for state in self.balancer.states.values()]:
            return
        self.agent.update(servers)
        self.balancer.update(servers, self.clock.seconds())
        self.count_servers()
        if self.sticky is not None:
            self.sticky.know(server.origin for server in servers)
        if self.prober is not None:
            self.prober.update()
        _log.info(
            "upstream {upstream}: its servers are {servers}",
            upstream=self.name,
            servers=", ".join(server.origin for server in servers),
        )

    def count_servers(self) -> None:
        """Count each server's attempts, or stop counting them."""
        counters = self.counters
        states = self.balancer.states
        for origin, state in states.items():
            state.counters = None if counters is None else counters.server(self.name, origin)
        if counters is not None:
            counters.keep_servers(self.name, states)


@attrs.frozen(kw_only=True, eq=False)
class Common:
    """What all upstreams of a configuration have in common.

    Attributes:
        reactor: Connects and tells the time.
        deadlines: Ends what takes too long.
        rng: Returns unpredictable random bytes.
        shortcuts: Which ones are taken.
        hosts: Knows the names that come before DNS.
        short: Called where the process lacks what a connection needs; it closes what it can.
        counters: Count what the servers are sent; None where nothing does.
    """

    reactor: Any
    deadlines: Deadlines
    rng: Callable[[int], bytes]
    shortcuts: Shortcuts = ALL
    hosts: Hosts = attrs.Factory(Hosts)
    short: Callable[[], None] = lambda: None
    counters: Counters | None = None


def make_upstream(
    upstream: Upstream, common: Common, before: UpstreamRuntime | None = None
) -> UpstreamRuntime:
    """Make an upstream ready to be asked.

    Args:
        upstream: How it is configured.
        common: What it has in common with others.
        before: The upstream before a reload, which `take_over` follows for; None if none was.

    Returns:
        An upstream that has opened nothing yet.

    Raises:
        BadValue: Its certificates can't be used.
    """
    reactor, deadlines, rng, hosts = common.reactor, common.deadlines, common.rng, common.hosts
    agent = UpstreamAgent(reactor, deadlines, upstream, common.shortcuts, hosts, common.short)
    rules = upstream.balancing
    # Seeded by what nobody can guess; who draws well can't be steered to one server.
    chance = Random(rng(16)).random  # noqa: S311  # nothing secret is made of it

    def tell(what: str) -> None:
        _log.warn("upstream {upstream}: {what}", upstream=upstream.name, what=what)

    def tell_better(what: str) -> None:
        _log.info("upstream {upstream}: {what}", upstream=upstream.name, what=what)

    credentials, refused = _credentials(upstream, reactor, rng, before)
    load = None if before is None else before.balancer.load
    now = reactor.seconds()
    balancer = Balancer(upstream.servers, rules, chance, now, tell, load, tell_better)
    prober = None
    if rules.health is not None:
        prober = Prober(reactor, deadlines, upstream, balancer, credentials, chance, hosts)
    made = UpstreamRuntime(
        name=upstream.name,
        config=upstream,
        agent=agent,
        client=ProxyClient(agent),
        credentials=credentials,
        credential_refusals=refused,
        rules=rules,
        balancer=balancer,
        ejecting=frozenset(rules.eject.on),
        key=key_reader(rules.hash_on) if rules.balance == "hash" else None,
        sticky=_sticky(upstream, rng, before),
        prober=prober,
        clock=reactor,
        chance=chance,
        counters=common.counters,
    )
    if before is None:
        made.count_servers()
    made.watchers.extend(_watchers(upstream, reactor, hosts, made.change, tell))
    return made


def _credentials(
    upstream: Upstream,
    reactor: Any,
    rng: Callable[[int], bytes],
    before: UpstreamRuntime | None,
) -> tuple[ICredentials | None, CredentialRefusals]:
    """Return what signs, and the servers' refusals of it.

    Equal credentials keep their nonces and their refusals.
    """
    if before is not None and before.config.credentials == upstream.credentials:
        return before.credentials, before.credential_refusals
    refusals = CredentialRefusals(upstream.name, upstream.credentials, reactor.seconds, time.time)
    means = Means(seconds=reactor.seconds, wall_clock=time.time, rng=rng, later=reactor.callLater)
    return build(upstream.credentials, means), refusals


def _watchers(
    upstream: Upstream,
    reactor: Any,
    hosts: Hosts,
    change: Callable[[Sequence[Server]], None],
    tell: Callable[[str], None],
) -> Iterator[Discovery | ServersFile]:
    """Return what finds out which servers there are, where they are not all fixed."""
    if upstream.servers_file is not None:
        yield ServersFile(reactor, upstream.servers_file, change, tell)
    if upstream.discovered:
        yield Discovery(
            reactor,
            upstream.servers,
            upstream.discovered,
            Lookup(reactor, upstream.resolver, hosts),
            change,
            tell,
            named=bool(upstream.server_name or not upstream.verify or upstream.tls.pin),
        )


def _sticky(
    upstream: Upstream, rng: Callable[[int], bytes], before: UpstreamRuntime | None
) -> StickyCookies | None:
    sticky = upstream.balancing.sticky
    if sticky is None:
        return None
    if sticky.secret is not None:
        key = sticky.secret.reveal().encode("utf-8")
    else:
        key = _random_key(before) or rng(32)
    cookies = StickyCookies(sticky.cookie, key)
    cookies.know(server.origin for server in upstream.servers)
    return cookies


def _random_key(before: UpstreamRuntime | None) -> bytes | None:
    """Return the random key of an upstream's cookies before a reload, if it had one."""
    if before is None or before.sticky is None:
        return None
    sticky = before.config.balancing.sticky
    return before.sticky.key if sticky is not None and sticky.secret is None else None
