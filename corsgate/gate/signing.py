"""The credentials of an upstream: the signer, and the means that the signer needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

from corsgate.config.model.values import Upstream
from corsgate.credentials.build import authenticates_connections, build
from corsgate.credentials.guard import Guard
from corsgate.credentials.means import Means
from corsgate.credentials.secret_commands import SecretCommands
from corsgate.credentials.shared import Shared
from corsgate.gate.counters import Counters
from corsgate.gate.credential_refusals import CredentialRefusals
from corsgate.interfaces import ICredentials
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.fetch import Fetcher
from corsgate.upstream.hosts import Hosts
from corsgate.upstream.own_requests import OwnRequests
from corsgate.upstream.pins import OwnPin

if TYPE_CHECKING:
    from corsgate.gate.upstream_runtime import UpstreamRuntime

IN_THREAD_S = 10.0
"""The timeout for work of credentials in a thread. A file on a network may never be read."""


@attrs.frozen(kw_only=True, eq=False)
class Common:
    """What all upstreams of a configuration share.

    Attributes:
        reactor: The reactor.
        deadlines: Calls back when a deadline passes.
        rng: Returns the given number of unpredictable random bytes.
        shortcuts: Which shortcuts to take.
        hosts: The names that take precedence over DNS.
        short: Called if the process lacks resources for a connection; it closes idle ones.
        counters: Count requests and responses of servers; None if nothing does.
        commands: Runs again the commands that print secrets; None if none may be run.
        shared: What the credentials of several upstreams share, also across reloads.
        fetcher: Sends requests to token servers.
        has_file: Whether the gate has a configuration file.
    """

    reactor: Any
    deadlines: Deadlines
    rng: Callable[[int], bytes]
    shortcuts: Shortcuts = ALL
    hosts: Hosts = attrs.Factory(Hosts)
    short: Callable[[], None] = lambda: None
    counters: Counters | None = None
    commands: SecretCommands | None = None
    shared: Shared = attrs.Factory(Shared)
    fetcher: Fetcher = attrs.field()
    has_file: bool = True

    @fetcher.default
    def _new_fetcher(self) -> Fetcher:
        return Fetcher(self.reactor, self.deadlines, self.hosts)


@attrs.frozen(kw_only=True, eq=False)
class Signing:
    """The objects of one set of credentials.

    Attributes:
        credentials: The signer, or None.
        guard: Decides when the credentials may be sent to a server; None without credentials.
        refusals: Records which servers refuse the credentials.
        own_requests: Sends requests that the gate itself makes, such as a login.
    """

    credentials: ICredentials | None
    guard: Guard | None
    refusals: CredentialRefusals
    own_requests: OwnRequests


def make_signing(
    upstream: Upstream, name: str, common: Common, before: UpstreamRuntime | None
) -> Signing:
    """Return the objects of an upstream's credentials.

    Equal credentials keep their nonces, sessions, blocks and refusals across a reload. A changed
    secret is tried immediately. Upstreams with equal credentials share their blocks.

    Args:
        upstream: The upstream's configuration.
        name: The name of the user of the credentials, for the log.
        common: What all upstreams share.
        before: The upstream before a reload; None if it is new.
    """
    if before is not None and before.config.credentials == upstream.credentials:
        if before.guard is not None:
            before.guard.names.add(before.own_requests, name)
        return Signing(
            credentials=before.credentials,
            guard=before.guard,
            refusals=before.credential_refusals,
            own_requests=before.own_requests,
        )
    reactor = common.reactor
    # Shared: otherwise upstreams with the same account at one server would add up rejections.
    key = (Guard, upstream.credentials)
    guard = common.shared.of(key, lambda: Guard(name, reactor))
    own_requests = OwnRequests(reactor)
    guard.names.add(own_requests, name)
    credentials = build(upstream.credentials, _means(common, guard, own_requests))
    return Signing(
        credentials=credentials,
        guard=None if credentials is None else guard,
        refusals=CredentialRefusals(
            name,
            upstream.credentials,
            reactor.seconds,
            time.time,
            has_file=common.has_file,
        ),
        own_requests=own_requests,
    )


def probe_signer(upstream: Upstream, common: Common, signing: Signing) -> ICredentials | None:
    """Return the signer of an upstream's probes.

    Probes have their own connections, so credentials that authenticate connections need a
    separate signer for them.

    Args:
        upstream: The upstream's configuration.
        common: What all upstreams share.
        signing: The objects of its credentials.
    """
    if signing.guard is None or not authenticates_connections(upstream.credentials):
        return signing.credentials
    return build(upstream.credentials, _means(common, signing.guard, signing.own_requests))


def _means(common: Common, guard: Guard, own_requests: OwnRequests) -> Means:
    reactor = common.reactor
    return Means(
        seconds=reactor.seconds,
        wall_clock=time.time,
        rng=common.rng,
        later=reactor.callLater,
        guard=guard,
        fetch=common.fetcher.fetch,
        in_thread=partial(_in_thread, reactor),
        make_pin=OwnPin,
        ask=own_requests.ask,
        commands=common.commands,
        shared=common.shared,
    )


def _in_thread(reactor: Any, call: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
    """Call a function in a thread; the Deferred fails with TimeoutError if that takes too long."""
    calling = deferToThreadPool(reactor, reactor.getThreadPool(), call, *arguments)
    return calling.addTimeout(IN_THREAD_S, reactor)
