"""Probes: regular requests that check the health of each server of an upstream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimedOut
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from corsgate.balance.balancer import Balancer
from corsgate.balance.state import ServerState
from corsgate.config.model.balancing import HealthCheck
from corsgate.config.model.values import Limits, Server, Upstream
from corsgate.credentials.guard import Guard
from corsgate.credentials.refusal import REFUSED, refusal_words
from corsgate.errors import CorsgateError, CredentialsRejected, LoginFailed, OutOfDescriptors
from corsgate.interfaces import ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed
from corsgate.message.target import join_base
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.agent import UpstreamAgent
from corsgate.upstream.body import drain, read_beginning
from corsgate.upstream.hosts import Hosts
from corsgate.upstream.response import UpstreamResponse
from corsgate.upstream.signed import send_signed
from corsgate.upstream.treq_client import ProxyClient

MAX_BODY_BYTES = 64 * 1024
"""The maximum number of bytes of a response's body that are searched."""

SPREAD = 0.1
"""The part of the interval by which it varies at random."""

_log = Logger()

_ANY = (Server(scheme="http", host="localhost", port=80),)

_USUAL = ((b"User-Agent", b"corsgate"), (b"Accept", b"*/*"))


class Prober:
    """Probes the servers of an upstream and reports the results to its balancer.

    Probes use separate connections, so that a server is not considered down because all its
    connections are busy.

    Args:
        reactor: Connects and has the clock.
        deadlines: Calls back when a deadline passes.
        upstream: The upstream, which has a health check.
        balancer: Gets each result.
        credentials: Signs the probes, or None.
        chance: Returns random numbers in [0, 1).
        hosts: Resolves names before DNS does; None for the system's hosts file.
        guard: Decides when the credentials may be sent to a server; by default always. A probe
            that may not be signed is not sent, and does not change the server's health.

    Raises:
        BadValue: The upstream's certificates can't be used.
    """

    def __init__(
        self,
        reactor: Any,
        deadlines: Deadlines,
        upstream: Upstream,
        balancer: Balancer,
        credentials: ICredentials | None,
        chance: Callable[[], float],
        hosts: Hosts | None = None,
        guard: Guard | None = None,
    ) -> None:
        check = upstream.balancing.health
        assert check is not None, "the upstream has a health check"
        self._check: HealthCheck = check
        self._clock: IReactorTime = reactor
        self._balancer = balancer
        self._credentials = None if check.anonymous else credentials
        self._guard = guard
        self._upstream_credentials = upstream.credentials
        self._has_credentials = bool(upstream.all_credentials)
        rules = upstream.request_rules.request_headers
        # Without the fields that the server expects in each request, probes would fail.
        self._fields = [
            *(f for f in _USUAL if f[0].lower() not in rules.dropped),
            *rules.constant(secrets=not check.anonymous),
        ]
        self._chance = chance
        self._limits = Limits(
            connect_timeout_s=check.timeout_s,
            first_byte_timeout_s=check.timeout_s,
            response_idle_timeout_s=check.timeout_s,
        )
        pool = attrs.evolve(upstream.pool, max_connections=4, max_queue=4, idle_timeout_s=1.0)
        asked = attrs.evolve(upstream, pool=pool)
        self._agent = UpstreamAgent(reactor, deadlines, asked, hosts=hosts)
        self._agent.update(self._targets(upstream.servers))
        self._client = ProxyClient(self._agent)
        self._calls: dict[ServerState, IDelayedCall] = {}
        self._tasks: dict[ServerState, Deferred[Any]] = {}
        self._started = False
        # All settings that decide how servers are probed, and what responses mean.
        self._asks = attrs.evolve(upstream, servers=_ANY, discovered=(), servers_file=None)
        # The prober that takes over after a reload.
        self._heir: Prober | None = None

    def start(self) -> None:
        """Start probing, each server after a random delay."""
        self._started = True
        self.update()

    def update(self) -> None:
        """Probe the servers that the balancer has now; new ones are probed soon."""
        states = self._balancer.states.values()
        self._agent.update(self._targets([state.server for state in states]))
        for state in [each for each in self._calls if each not in states]:
            self._calls.pop(state).cancel()
        for state in states if self._started else ():
            if state not in self._calls and state not in self._tasks:
                self._probe_in(state, self._check.interval_s * SPREAD * self._chance())

    def stop(self) -> None:
        """Stop probing."""
        self._started = False
        for call in self._calls.values():
            call.cancel()
        self._calls.clear()
        for task in list(self._tasks.values()):
            task.cancel()
        self._agent.close()

    def hand_over(self, heir: Prober) -> None:
        """Let the prober of the new configuration continue without a gap.

        Args:
            heir: The new prober, not started; its balancer has inherited the servers' states.
        """
        self._started = False
        now, states = self._clock.seconds(), set(heir._balancer.states.values())
        for state, call in self._calls.items():
            if state in states:
                due_s = min(call.getTime() - now, heir._check.interval_s)
                heir._probe_in(state, max(due_s, 0.0))
            call.cancel()
        self._calls.clear()
        if self._asks == heir._asks:
            self._heir = heir
            heir._tasks.update(self._tasks)
        else:
            for task in list(self._tasks.values()):
                task.cancel()
        self._agent.close()

    def _targets(self, servers: Iterable[Server]) -> Iterable[Server]:
        """Return the servers that get the probes, each origin once."""
        return {each.origin: each for each in map(self._asked, servers)}.values()

    def _asked(self, server: Server) -> Server:
        """Return the server that gets a server's probes, which may have another port."""
        port = self._check.port
        return server if port is None else attrs.evolve(server, port=port)

    def _probe_in(self, state: ServerState, delay_s: float) -> None:
        self._calls[state] = self._clock.callLater(delay_s, self._probe, state)

    def _probe(self, state: ServerState) -> None:
        del self._calls[state]
        task: Deferred[Any] = Deferred.fromCoroutine(self._ask(self._asked(state.server)))
        self._tasks[state] = task
        task.addTimeout(self._check.timeout_s, self._clock)
        task.addErrback(_reason)
        task.addCallback(self._probed, state)
        task.addErrback(lambda failure: _log.failure("a probe's result was lost", failure))

    def _probed(self, reason: str | None, state: ServerState) -> None:
        """Record why a probe failed, or None if it passed; schedule the next one."""
        if self._heir is not None:
            self._heir._probed(reason, state)
            return
        del self._tasks[state]
        if reason != STOPPED and self._balancer.states.get(state.server.origin) is state:
            # The result is ignored if the server was removed meanwhile.
            if reason != UNASKED:
                self._balancer.probed(state, reason is None, self._clock.seconds(), reason or "")
            jitter = 1 + SPREAD * (2 * self._chance() - 1)
            self._probe_in(state, self._check.interval_s * jitter)

    async def _ask(self, server: Server) -> str | None:
        """Probe a server; return why it failed, or None if it passed."""
        check = self._check
        head = RequestHead(
            method=check.method.encode("ascii"),
            target=join_base(server.base_path, check.path.encode("ascii")),
            headers=[
                (b"Host", server.authority.encode("ascii")),
                *self._fields,
            ],
        )
        response, signed = await self._signed(server, head)
        status = response.head.status
        if status not in (check.status or range(200, 400)):
            drain(response)
            return f"it answers {status}{self._why_refused(response.head, signed=signed)}"
        if check.body is None:
            drain(response)
            return None
        beginning = await read_beginning(response, MAX_BODY_BYTES)
        found = check.body.encode("utf-8") in beginning
        return None if found else "its response lacks the expected text"

    def _why_refused(self, head: ResponseHead, *, signed: bool) -> str:
        """Return what the rejection of a probe's credentials means; empty if it is not one."""
        if head.status not in REFUSED or not self._has_credentials:
            return ""
        if self._credentials is None or self._upstream_credentials is None:
            return " to a probe without credentials"
        words = refusal_words(self._upstream_credentials, head.status, head.headers, signed=signed)
        return f": {words}"

    async def _signed(self, server: Server, head: RequestHead) -> tuple[UpstreamResponse, bool]:
        """Return the response after any challenges, and whether the probe was signed."""
        origin, credentials = server.origin, self._credentials
        signed = False

        def send(sent: Signed, *_: object) -> Deferred[UpstreamResponse]:
            nonlocal signed
            signed = sent.has_credentials
            pins = sent.pins
            limits, binds = self._limits, pins is not None
            return self._client.send(origin, sent.head, None, limits, pins=pins, binds=binds)

        if credentials is None:
            return await self._client.send(origin, head, None, self._limits), False
        response = await send_signed(
            credentials, head, origin, lambda: None, send, self._guard, is_probe=True
        )
        return response, signed


STOPPED = "stopped"
UNASKED = "the gate could not send the probe"


def _reason(failure: Failure) -> str:
    """Return why a probe failed, for the log."""
    if failure.check(DeferredTimedOut):
        return "it did not respond in time"
    if failure.check(CancelledError):
        return STOPPED
    if failure.check(OutOfDescriptors, CredentialsRejected, LoginFailed):
        # None of these is the server's fault.
        return UNASKED
    if not failure.check(CorsgateError):
        _log.failure("a probe failed", failure)
    return failure.getErrorMessage()
