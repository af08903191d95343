"""An upstream, ready for requests: its connections, balancing and credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import attrs
from twisted.internet.defer import Deferred, TimeoutError, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from corsgate.balance.balancer import Balancer
from corsgate.balance.keys import KeyReader, key_reader
from corsgate.balance.sticky import StickyCookies
from corsgate.config.model.balancing import Balancing
from corsgate.config.model.values import Server, Upstream
from corsgate.credentials.guard import Guard
from corsgate.credentials.lockout import Block
from corsgate.credentials.logins import log_out_of
from corsgate.gate.counters import Counters
from corsgate.gate.credential_refusals import CredentialRefusals
from corsgate.gate.signing import Common as Common
from corsgate.gate.signing import Signing, make_signing, probe_signer
from corsgate.interfaces import ICredentials
from corsgate.upstream.agent import UpstreamAgent
from corsgate.upstream.discovery import Discovery, ServersFile
from corsgate.upstream.dns import Lookup
from corsgate.upstream.expectations import Expectations
from corsgate.upstream.hosts import Hosts
from corsgate.upstream.own_requests import OwnRequests
from corsgate.upstream.probe import Prober
from corsgate.upstream.treq_client import ProxyClient

LOGOUT_S = 5.0
"""The timeout for logging out, in seconds, since the stop of the gate waits for it."""

_log = Logger()


@attrs.frozen(kw_only=True, eq=False)
class UpstreamRuntime:
    """One upstream, ready for requests; its routes share its state.

    Attributes:
        name: Its name, for the log.
        config: Its configuration.
        agent: Its connections.
        client: Sends requests to its servers.
        credentials: The signer, or None.
        guard: Decides when the credentials may be sent to a server; None without credentials.
        credential_refusals: Records which servers refuse the credentials.
        expectations: Which servers may be asked for 100 Continue.
        rules: How its servers are balanced and protected.
        balancer: Chooses servers, and has the state of each.
        ejecting: The causes of failures that count against a server.
        key: Reads the hash key of a request; None if the balancing doesn't use one.
        sticky: Makes and reads the cookies that bind clients to servers; None without.
        prober: Checks the health of the servers; None without.
        accounts: The same upstream with the credentials of each origin that has its own.
        watchers: Find the servers, by DNS or in a file.
        clock: The reactor's clock.
        chance: Returns random numbers from 0 up to 1, uniformly distributed.
        own_requests: Sends the gate's own requests for `credentials`, such as a login.
        counters: All counters of the gate; None if nothing is counted.
        chooses_freely: Whether any server may get any client's request.
    """

    name: str
    config: Upstream
    agent: UpstreamAgent
    client: ProxyClient
    credentials: ICredentials | None
    guard: Guard | None
    credential_refusals: CredentialRefusals
    expectations: Expectations
    rules: Balancing
    balancer: Balancer
    ejecting: frozenset[str]
    key: KeyReader | None
    sticky: StickyCookies | None
    prober: Prober | None
    clock: IReactorTime
    chance: Callable[[], float]
    own_requests: OwnRequests
    counters: Counters | None = None
    watchers: list[Discovery | ServersFile] = attrs.Factory(list)
    accounts: Mapping[bytes, UpstreamRuntime] = attrs.Factory(dict)
    chooses_freely: bool = attrs.field(init=False)

    @chooses_freely.default
    def _chooses_freely(self) -> bool:
        return self.key is None and self.sticky is None

    @property
    def all_accounts(self) -> Sequence[UpstreamRuntime]:
        """This upstream, and the same upstream with each further account."""
        found = {self.own_requests: self}
        for each in self.accounts.values():
            found.setdefault(each.own_requests, each)
        return list(found.values())

    def block(self, origin: str) -> Block | None:
        """Return the longest block of a server, by its origin; None if there is none."""
        blocks = (a.guard.block(origin) for a in self.all_accounts if a.guard is not None)
        return max(filter(None, blocks), key=lambda block: block.left_s, default=None)

    def pages_of_accounts(self) -> Iterator[tuple[UpstreamRuntime, Sequence[str]]]:
        """Return each account with the origins that use it; no origins for the default account."""
        yield self, ()
        of_account: dict[OwnRequests, list[str]] = {}
        for origin, account in self.accounts.items():
            of_account.setdefault(account.own_requests, []).append(origin.decode("ascii"))
        for account in self.all_accounts:
            if account.own_requests is not self.own_requests:
                yield account, of_account[account.own_requests]

    @property
    def own_fields(self) -> frozenset[bytes]:
        """The lower-case names of the fields that any of its credentials set."""
        signers = (each.credentials for each in self.all_accounts)
        names = (each.header_names for each in signers if each is not None)
        return frozenset[bytes]().union(*names)

    def start(self) -> None:
        """Start to watch and check the servers."""
        if self.prober is not None:
            self.prober.start()
        for watcher in self.watchers:
            watcher.start()

    def stop(self) -> Deferred[None]:
        """Stop watching, log out, and close each connection when its exchange has ended.

        Returns:
            A Deferred that fires when the gate has logged out, after `LOGOUT_S` at the latest.
        """
        left = [
            each.addTimeout(LOGOUT_S, self.clock).addErrback(self._not_left)
            for each in self._close()
        ]
        return gatherResults(left).addCallback(lambda _: None)

    def remove(self) -> None:
        """Stop like `stop`, but without a time limit, since its exchanges may run for long."""
        for left in self._close():
            left.addErrback(self._not_left)

    def _close(self) -> Sequence[Deferred[None]]:
        """Start to close everything; return a Deferred for each set of credentials to log out."""
        for watcher in self.watchers:
            watcher.stop()
        if self.prober is not None:
            self.prober.stop()
        left = [log_out_of([each.credentials]) for each in self.all_accounts]
        self.agent.close()
        return left

    def _not_left(self, failure: Failure) -> None:
        if not failure.check(TimeoutError):
            _log.failure("upstream {upstream}: logging out failed", failure, upstream=self.name)
        else:
            _log.warn("upstream {upstream}: logging out took too long", upstream=self.name)

    def take_over(self, before: UpstreamRuntime) -> None:
        """Continue with the state of the upstream of the same name before a reload.

        This keeps the state of its servers, and the connections that the new configuration would
        make and authenticate in the same way. The other upstream finishes its requests.

        Args:
            before: The upstream of the earlier configuration; it is retired.
        """
        servers = self.config.servers
        for watcher in self.watchers:
            for other in before.watchers:
                if isinstance(watcher, Discovery) and isinstance(other, Discovery):
                    watcher.inherit(other)
                    servers = tuple(watcher.servers)
        self.agent.inherit(before.agent, servers)
        kept = {each.own_requests: each for each in self.all_accounts}
        for old in before.all_accounts:
            if old.own_requests in kept:
                old.own_requests.use(self.config, self.client, self.balancer)
            else:
                # Its exchanges may run for long.
                log_out_of([old.credentials]).addErrback(old._not_left)
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
        """Wait until every discovered name was looked up once, or the timeout has passed.

        Args:
            timeout_s: The timeout in seconds.
        """
        with suppress(TimeoutError):
            for watcher in self.watchers:
                await watcher.when_asked().addTimeout(timeout_s, self.clock)

    def change(self, servers: Sequence[Server]) -> None:
        """Use other servers from now on; servers that remain keep their state."""
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
        """Let each server count its attempts, or stop counting."""
        counters = self.counters
        states = self.balancer.states
        for origin, state in states.items():
            state.counters = None if counters is None else counters.server(self.name, origin)
        if counters is not None:
            counters.keep_servers(self.name, states)


def make_upstream(
    upstream: Upstream, common: Common, before: UpstreamRuntime | None = None
) -> UpstreamRuntime:
    """Make an upstream ready for requests.

    Args:
        upstream: Its configuration.
        common: What all upstreams share.
        before: The upstream before a reload, whose state `take_over` will continue; None if new.

    Returns:
        An upstream that has opened nothing yet.

    Raises:
        BadValue: Its certificates can't be used.
    """
    reactor, deadlines, rng, hosts = common.reactor, common.deadlines, common.rng, common.hosts
    agent = UpstreamAgent(reactor, deadlines, upstream, common.shortcuts, hosts, common.short)
    rules = upstream.balancing
    # With a secret seed, so that no client can predict which server is next.
    chance = Random(rng(16)).random  # noqa: S311  # no secret is derived from it

    def warn(what: str) -> None:
        _log.warn("upstream {upstream}: {what}", upstream=upstream.name, what=what)

    def inform(what: str) -> None:
        _log.info("upstream {upstream}: {what}", upstream=upstream.name, what=what)

    signing = make_signing(upstream, upstream.name, common, before)
    load = None if before is None else before.balancer.load
    now = reactor.seconds()
    balancer = Balancer(upstream.servers, rules, chance, now, warn, load, inform)
    client = ProxyClient(agent)
    if before is None or signing.own_requests is not before.own_requests:
        signing.own_requests.use(upstream, client, balancer)
    made = UpstreamRuntime(
        name=upstream.name,
        config=upstream,
        agent=agent,
        client=client,
        credentials=signing.credentials,
        guard=signing.guard,
        credential_refusals=signing.refusals,
        expectations=Expectations(reactor) if before is None else before.expectations,
        rules=rules,
        balancer=balancer,
        ejecting=frozenset(rules.eject.on),
        key=key_reader(rules.hash_on) if rules.balance == "hash" else None,
        sticky=_sticky(upstream, rng, before),
        prober=_prober(upstream, common, signing, balancer, chance),
        clock=reactor,
        chance=chance,
        own_requests=signing.own_requests,
        counters=common.counters,
    )
    if before is None:
        made.count_servers()
    made.watchers.extend(_watchers(upstream, reactor, hosts, made.change, warn))
    return _with_accounts(made, common, before)


def _prober(
    upstream: Upstream,
    common: Common,
    signing: Signing,
    balancer: Balancer,
    chance: Callable[[], float],
) -> Prober | None:
    if upstream.balancing.health is None:
        return None
    signer, deadlines = probe_signer(upstream, common, signing), common.deadlines
    return Prober(
        common.reactor, deadlines, upstream, balancer, signer, chance, common.hosts, signing.guard
    )


def _with_accounts(
    made: UpstreamRuntime, common: Common, before: UpstreamRuntime | None
) -> UpstreamRuntime:
    """Return an upstream with the accounts of all origins that have their own."""
    known = {} if before is None else before.accounts
    accounts = dict(_accounts(made, common, known))
    return attrs.evolve(made, accounts=accounts) if accounts else made


def _accounts(
    made: UpstreamRuntime, common: Common, before: Mapping[bytes, UpstreamRuntime]
) -> Iterator[tuple[bytes, UpstreamRuntime]]:
    """Return an upstream for each origin's credentials; they share everything else.

    Origins with equal credentials share an account.
    """
    known = [made] if made.config.credentials is not None else []
    for each in made.config.credentials_by_origin:
        origin = each.origin.encode("ascii")
        account = next((a for a in known if a.config.credentials == each.credentials), None)
        if account is None:
            config = attrs.evolve(made.config, credentials=each.credentials)
            old = before.get(origin)
            signing = make_signing(config, f"{made.name} ({each.origin})", common, old)
            if old is None or signing.own_requests is not old.own_requests:
                signing.own_requests.use(config, made.client, made.balancer)
            account = attrs.evolve(
                made,
                config=config,
                credentials=signing.credentials,
                guard=signing.guard,
                credential_refusals=signing.refusals,
                own_requests=signing.own_requests,
            )
            known.append(account)
        yield origin, account


def _watchers(
    upstream: Upstream,
    reactor: Any,
    hosts: Hosts,
    change: Callable[[Sequence[Server]], None],
    warn: Callable[[str], None],
) -> Iterator[Discovery | ServersFile]:
    """Return the watchers that find an upstream's servers; none if all servers are fixed."""
    if upstream.servers_file is not None:
        yield ServersFile(reactor, upstream.servers_file, change, warn)
    if upstream.discovered:
        yield Discovery(
            reactor,
            upstream.servers,
            upstream.discovered,
            Lookup(reactor, upstream.resolver, hosts),
            change,
            warn,
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
    """Return the random key of an upstream's cookies before a reload; None if it had none."""
    if before is None or before.sticky is None:
        return None
    sticky = before.config.balancing.sticky
    return before.sticky.key if sticky is not None and sticky.secret is None else None
