"""An upstream made ready to be asked: its connections, its balancing and its credentials."""

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
"""How long logging out may take, since the end of the gate waits for it."""

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
        guard: Says when the credentials may be sent to a server; None without credentials.
        credential_refusals: Which servers refuse its credentials.
        expectations: Which servers may be asked for 100 Continue.
        rules: How its servers are balanced and protected.
        balancer: Says which server is next, and keeps what is known of each.
        ejecting: The causes of failures that count against a server.
        key: Reads what requests are shared out by, or None where they aren't.
        sticky: Leads clients back to their servers, or None.
        prober: Asks the servers whether they are well, or None.
        accounts: The same upstream with the credentials of each origin that has its own.
        watchers: Find out which servers there are.
        clock: Tells the time.
        chance: Returns numbers from 0 up to 1, all as likely.
        own_requests: Sends the requests of the gate's own, such as a login, for `credentials`.
        counters: All counters of the gate; None where nothing counts.
        chooses_freely: Whether it is all the same which server gets a client's request.
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
        """Itself, and the same upstream with each further account."""
        return [self, *{id(each): each for each in self.accounts.values()}.values()]

    def block(self, origin: str) -> Block | None:
        """Return the longest block of a server; None if requests of all accounts are signed.

        Args:
            origin: The server's.
        """
        guards = (each.guard for each in self.all_accounts if each.guard is not None)
        blocks = (guard.block(origin) for guard in guards)
        return max(filter(None, blocks), key=lambda block: block.left_s, default=None)

    def pages_of_accounts(self) -> Iterator[tuple[UpstreamRuntime, Sequence[str]]]:
        """Return each account, with the origins that it is for; none for the one of all others."""
        yield self, ()
        of_account: dict[OwnRequests, list[str]] = {}
        for origin, account in self.accounts.items():
            of_account.setdefault(account.own_requests, []).append(origin.decode("ascii"))
        for account in self._logins:
            if account.own_requests is not self.own_requests:
                yield account, of_account[account.own_requests]

    @property
    def own_fields(self) -> frozenset[bytes]:
        """The lower-cased names of the fields that belong to any of its credentials."""
        signers = (each.credentials for each in self.all_accounts)
        names = (each.header_names for each in signers if each is not None)
        return frozenset[bytes]().union(*names)

    def start(self) -> None:
        """Begin to watch the servers."""
        if self.prober is not None:
            self.prober.start()
        for watcher in self.watchers:
            watcher.start()

    def stop(self) -> Deferred[None]:
        """Watch them no more, log out, and close each connection once its exchange has ended.

        Returns:
            A Deferred that fires once the gate has logged out, after `LOGOUT_S` at the latest.
        """
        left = [
            each.addTimeout(LOGOUT_S, self.clock).addErrback(self._not_left)
            for each in self._close()
        ]
        return gatherResults(left).addCallback(lambda _: None)

    def remove(self) -> None:
        """Do the same without a time limit: its exchanges may run for long."""
        for left in self._close():
            left.addErrback(self._not_left)

    def _close(self) -> Sequence[Deferred[None]]:
        """Begin to end all, and return a Deferred for each set of credentials that logs out."""
        for watcher in self.watchers:
            watcher.stop()
        if self.prober is not None:
            self.prober.stop()
        left = [log_out_of([each.credentials]) for each in self._logins]
        self.agent.close()
        return left

    @property
    def _logins(self) -> Sequence[UpstreamRuntime]:
        """Itself and its accounts, each set of credentials once."""
        found = {each.own_requests: each for each in self.all_accounts}
        return list(found.values())

    def _not_left(self, failure: Failure) -> None:
        if not failure.check(TimeoutError):
            _log.failure("upstream {upstream}: logging out failed", failure, upstream=self.name)
        else:
            _log.warn("upstream {upstream}: logging out took too long", upstream=self.name)

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
        kept = {each.own_requests: each for each in self._logins}
        for old in before._logins:
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

    signing = make_signing(upstream, upstream.name, common, before)
    load = None if before is None else before.balancer.load
    now = reactor.seconds()
    balancer = Balancer(upstream.servers, rules, chance, now, tell, load, tell_better)
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
    made.watchers.extend(_watchers(upstream, reactor, hosts, made.change, tell))
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
    """Return an upstream with each origin's credentials, which share all else.

    Origins with equal credentials share them.
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
