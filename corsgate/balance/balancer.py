"""The servers of an upstream as a pool: which may get a request now, and which one gets it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import attrs

from corsgate.balance.circuit import CircuitState
from corsgate.balance.health import Health, Standing
from corsgate.balance.outliers import INTERVAL_S, MIN_SERVERS, outliers
from corsgate.balance.retry import RetryBudget
from corsgate.balance.selection import Strategy, strategy_of
from corsgate.balance.state import ServerState
from corsgate.config.model.balancing import Balancing
from corsgate.config.model.values import Server

_NEVER = float("inf")


@attrs.define(eq=False)
class Load:
    """The number of an upstream's requests, including those begun before a reload.

    Attributes:
        running: The number of running requests, including those between two attempts.
        budget: Limits how many of them may be repetitions.
    """

    running: int = 0
    budget: RetryBudget = attrs.Factory(RetryBudget)


class Balancer:
    """Distributes requests among servers, except those that are down or ejected.

    Any sequence of calls keeps these invariants:

    - A server that is down according to its probes gets nothing.
    - At most half of the servers are ejected, and never the last one that could serve.
    - A backup gets requests only if no other server can get them.

    The set of usable servers is computed when it may have changed, not for each request.

    Args:
        servers: The servers.
        rules: The balancing strategy, and when to eject servers.
        chance: Returns uniform random numbers in [0, 1).
        now: The time in seconds.
        tell: Called with a message when a server goes down or is ejected.
        tell_better: Called with a message when a server is on trial, is up or serves again. None
            for `tell`.
        load: A count of requests to continue; None to start at 0.

    Attributes:
        states: The state of each server, by its origin.
        load: The number of running requests.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        rules: Balancing,
        chance: Callable[[], float],
        now: float,
        tell: Callable[[str], None] = lambda _: None,
        load: Load | None = None,
        tell_better: Callable[[str], None] | None = None,
    ) -> None:
        self.load = load or Load()
        self.states: Mapping[str, ServerState] = {}
        self._rules = rules
        self._strategy: Strategy = strategy_of(rules.balance, chance)
        self._tell = tell
        self._tell_better = tell_better or tell
        self._ready: Sequence[ServerState] = ()
        # The servers to use if all of the above were tried.
        self._spare: Sequence[ServerState] = ()
        # When to compute the above again.
        self._stale_s = -_NEVER
        self._count_until_s = now + INTERVAL_S
        # The balancer that shares the states of this one's servers since a reload.
        self._heir: Balancer | None = None
        self.update(servers, now)

    @property
    def running(self) -> int:
        """The number of running requests."""
        return self.load.running

    @property
    def budget(self) -> RetryBudget:
        """Limits how many running requests may be repetitions."""
        return self.load.budget

    def update(self, servers: Sequence[Server], now: float) -> None:
        """Replace the servers; those that stay keep their states."""
        before = self.states
        states: dict[str, ServerState] = {}
        for server in servers:
            state = before.get(server.origin)
            if state is None:
                state = ServerState.of(server, now)
                if before:
                    state.came_s = now
            state.server = server
            states[server.origin] = state
        self.states = states
        _readmit_excess(self._pool())
        self._changed()

    def inherit(self, before: Balancer, servers: Sequence[Server], now: float) -> None:
        """Take over the states of the servers from the balancer before a reload.

        The old balancer continues to serve its requests, which end on its own servers.

        Args:
            before: The balancer of the same upstream in the old configuration.
            servers: The new servers.
            now: The time in seconds.
        """
        known = {server.origin: server for server in servers}
        kept: dict[str, ServerState] = {}
        for origin, state in before.states.items():
            if origin in known:
                moved = not _same_place(state.server, known[origin])
                kept[origin] = state.of_moved(known[origin]) if moved else state
        # `update` lets new servers start slowly only if there were others before. So keep the old
        # states even if none of their servers is left.
        self.states = kept or before.states
        before._heir = self
        self.update(servers, now)
        for state in self.states.values():
            if self._rules.health is None:
                # Without probes, a server that is down would stay down forever.
                state.health = Health()
            if not self._rules.eject.failures:
                state.circuit.readmit()

    # Called for each request.

    def enter(self) -> bool:
        """Count a request, and return True; return False if there are too many already.

        After True, the caller must call `leave` when the request ends.
        """
        most = self._rules.max_requests
        load = self.load
        if most is not None and load.running >= most:
            return False
        load.running += 1
        return True

    def leave(self) -> None:
        """Record that a request that `enter` counted has ended."""
        self.load.running -= 1

    def pick(
        self,
        now: float,
        key: bytes = b"",
        *,
        prefer: str | None = None,
        tried: Collection[ServerState] = (),
    ) -> ServerState | None:
        """Return the server for a request.

        Args:
            now: The time in seconds.
            key: The request's key, for strategies that hash; equal keys get the same server.
            prefer: The origin of the server that the client sticks to, even while it drains.
            tried: Servers that got the request before.

        Returns:
            The server's state, with which the caller must call `begin`. None if no server may get
            the request.
        """
        if now >= self._stale_s:
            self._refresh(now)
        if prefer is not None:
            state = self.states.get(prefer)
            if state is not None and state not in tried and _usable(state):
                return state
        ready = self._ready
        if tried:
            ready = _without(ready, tried) or _without(self._spare, tried)
        if len(ready) > 1:
            return self._strategy.choose(ready, key)
        return ready[0] if ready else None

    def has_another(self, now: float, tried: Collection[ServerState]) -> bool:
        """Return whether `pick` would find a server that is not in `tried`."""
        if now >= self._stale_s:
            self._refresh(now)
        return bool(_without(self._ready, tried) or _without(self._spare, tried))

    def begin(self, state: ServerState) -> int:
        """Record the start of a request to a server; return the current term."""
        state.running += 1
        state.recent += 1
        if state.circuit.state is CircuitState.HALF_OPEN:
            self._changed()
        return state.term

    def responded(self, state: ServerState, term: int, now: float) -> None:
        """Record that the head of a good response has arrived, which ends a trial.

        A trial can't wait for the body, which may be endless. `ended` records how the body ends.

        Args:
            state: The server's state.
            term: The result of `begin`.
            now: The time in seconds.
        """
        if state.circuit.state is not CircuitState.HALF_OPEN or term != state.term:
            return
        state.circuit.succeeded()
        state.came_s = now
        self._changed()
        self._tell_better(f"{state.server.origin} serves again")

    def ended(self, state: ServerState, term: int, served: bool | None, now: float) -> None:
        """Record that the request has ended.

        A request that began before the server's last ejection is ignored. Otherwise a tunnel that
        is open for days could prevent the server's trial, or its end could decide the trial.

        Args:
            state: The server's state.
            term: The result of `begin`.
            served: Whether the server did its part; None if the request ended for another reason,
                such as a client that left.
            now: The time in seconds.
        """
        state.running -= 1
        if term != state.term:
            return
        state.recent -= 1
        circuit = state.circuit
        is_trial = circuit.state is CircuitState.HALF_OPEN
        if is_trial:
            self._changed()
        if served is None:
            return
        state.ended += 1
        if served:
            if is_trial:
                self.responded(state, term, now)
            circuit.failures = 0
            return
        state.failed += 1
        if circuit.failed(self._rules.eject.failures):
            self._eject(state, now, "its requests fail")

    def probed(self, state: ServerState, passed: bool, now: float, reason: str = "") -> None:
        """Record a probe's result.

        Args:
            state: The server's state.
            passed: Whether the probe found the server healthy.
            now: The time in seconds.
            reason: Why the probe failed, as text for the log.
        """
        check = self._rules.health
        assert check is not None, "there are no probes without a health check"
        if not state.health.probed(passed, rise=check.rise, fall=check.fall):
            return
        if passed:
            state.came_s = now
        state.reason = reason
        self._changed()
        why = f": {reason}" if reason else ""
        tell = self._tell_better if passed else self._tell
        tell(f"{state.server.origin} is {state.health.standing.value}{why}")

    # Changes of the pool.

    def _changed(self) -> None:
        """Compute the usable servers again before the next request, also in the heir."""
        self._stale_s = -_NEVER
        if self._heir is not None:
            self._heir._changed()

    def _refresh(self, now: float) -> None:
        """Compute which servers may get requests, and until when that is valid."""
        self._stale_s = _NEVER
        if len(self.states) >= MIN_SERVERS:
            if now >= self._count_until_s:
                self._eject_outliers(now)
            self._stale_s = self._count_until_s
        for state in self.states.values():
            self._look(state, now)
        serving = self._pool()
        if not any(_usable(state) for state in serving):
            _readmit(serving)
        usable = [state for state in serving if _usable(state)]
        primaries = [state for state in usable if not state.server.backup]
        backups = [state for state in usable if state.server.backup]
        self._ready = primaries or backups
        self._spare = backups if primaries else ()
        if self._heir is not None:
            # The heir changes the shared states without notifying this one. So compute anew for
            # each request; there are few left.
            self._stale_s = -_NEVER

    def _pool(self) -> list[ServerState]:
        return [state for state in self.states.values() if not state.server.drain]

    def _look(self, state: ServerState, now: float) -> None:
        circuit = state.circuit
        if circuit.state is CircuitState.OPEN:
            circuit.look(now)
            if circuit.state is CircuitState.OPEN:
                self._stale_s = min(self._stale_s, circuit.until_s)
            else:
                state.came_s = now
                self._tell_better(f"{state.server.origin} is on trial")
        changes_s = state.start(now, self._rules.slow_start_s)
        if changes_s is not None:
            self._stale_s = min(self._stale_s, changes_s)

    def _eject_outliers(self, now: float) -> None:
        self._count_until_s = now + INTERVAL_S
        states = self.states.values()
        counts = {state.server.origin: (state.ended, state.failed) for state in states}
        if self._rules.eject.failures:
            for origin in outliers(counts):
                if self.states[origin].circuit.state is CircuitState.CLOSED:
                    self._eject(self.states[origin], now, "it fails more than the others do")
        for state in states:
            state.ended = state.failed = 0

    def _eject(self, state: ServerState, now: float, reason: str) -> None:
        """Eject a server, unless too few would be left."""
        pool = self._pool()
        others = [each for each in pool if each is not state]
        out = sum(each.circuit.state is not CircuitState.CLOSED for each in others)
        rest = any(_usable(each) and each.circuit.state is CircuitState.CLOSED for each in others)
        if not rest or out + 1 > len(pool) // 2:
            return
        state.circuit.eject(now, self._rules.eject.time_s)
        state.term += 1
        state.recent = 0
        state.ejections += 1
        state.reason = reason
        self._changed()
        left_out_s = state.circuit.until_s - now
        self._tell(f"{state.server.origin} is left out for {left_out_s:g} s: {reason}")


def _same_place(one: Server, other: Server) -> bool:
    """Return whether two servers are equal except for weight, backup and drain."""
    return attrs.evolve(one, weight=1, backup=False, drain=False) == attrs.evolve(
        other, weight=1, backup=False, drain=False
    )


def _usable(state: ServerState) -> bool:
    """Return whether a server may get a request now; a server on trial gets one at a time."""
    if state.health.standing is Standing.DOWN:
        return False
    use = state.circuit.state
    return use is CircuitState.CLOSED or (use is CircuitState.HALF_OPEN and not state.recent)


def _readmit(states: Sequence[ServerState]) -> None:
    """Use ejected servers again, because there are no others."""
    for state in states:
        if state.health.standing is not Standing.DOWN:
            state.circuit.readmit()


def _readmit_excess(pool: Sequence[ServerState]) -> None:
    """Use some ejected servers again after the pool has shrunk, so that at most half are ejected.

    Those whose ejection ends first come back.
    """
    out = [state for state in pool if state.circuit.state is not CircuitState.CLOSED]
    out.sort(key=lambda state: state.circuit.until_s)
    for state in out[: max(len(out) - len(pool) // 2, 0)]:
        state.circuit.readmit()


def _without(
    states: Sequence[ServerState], tried: Collection[ServerState]
) -> Sequence[ServerState]:
    return [state for state in states if state not in tried]
