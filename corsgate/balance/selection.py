"""Choose the server for a request: one class for each balancing strategy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Protocol

from corsgate.balance.hashing import digest, score
from corsgate.balance.state import ServerState

SCANNED = 10
"""With more servers than this, `LeastRequests` compares only two of them."""


class Strategy(Protocol):
    """A balancing strategy; its one owner calls it once per attempt."""

    def choose(self, ready: Sequence[ServerState], key: bytes) -> ServerState:
        """Return the server for a request.

        Args:
            ready: The servers that may get it, at least one.
            key: The request's key, which only `Hash` uses.
        """


class RoundRobin:
    """Chooses servers in turn, in proportion to their shares.

    This is nginx's smooth weighted round robin. On each turn every server gains its share in
    credit; the one with the most credit is chosen and pays what all gained. Shares 5, 1, 1 give
    A A B A C A A, so that no server gets all its turns at once. The credit is part of a server's
    state, so that the order survives when other servers come and go.
    """

    def choose(self, ready: Sequence[ServerState], key: bytes) -> ServerState:
        """Return the server whose turn it is, and advance the turns."""
        chosen = ready[0]
        total = 0.0
        for state in ready:
            share = state.share
            state.credit += share
            total += share
            if state.credit > chosen.credit:
                chosen = state
        chosen.credit -= total
        return chosen


class LeastRequests:
    """Chooses the server with the fewest running requests for its share; equals take turns.

    With more than `SCANNED` servers, it chooses the better of two random ones, which balances
    almost as well.

    Args:
        chance: Returns uniform random numbers in [0, 1).
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._turns = RoundRobin()
        self._two = RandomTwo(chance)

    def choose(self, ready: Sequence[ServerState], key: bytes) -> ServerState:
        """Return the least busy server."""
        if len(ready) > SCANNED:
            return self._two.choose(ready, key)
        loads = [state.running / state.share for state in ready]
        least = min(loads)
        equals = [state for state, load in zip(ready, loads, strict=True) if load == least]
        return equals[0] if len(equals) == 1 else self._turns.choose(equals, key)


class RandomTwo:
    """Chooses the less busy of two random servers, drawn by their shares.

    So independent gates don't all choose the same server (Mitzenmacher, "The power of two choices
    in randomized load balancing", 2001).

    Args:
        chance: Returns uniform random numbers in [0, 1).
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance

    def choose(self, ready: Sequence[ServerState], key: bytes) -> ServerState:
        """Return the less busy of two random servers; the first if both are equally busy."""
        first = self._draw(ready)
        if len(ready) == 1:
            return first
        second = self._draw([state for state in ready if state is not first])
        busier = first.running / first.share > second.running / second.share
        return second if busier else first

    def _draw(self, ready: Sequence[ServerState]) -> ServerState:
        ends = list(accumulate(state.share for state in ready))
        drawn = self._chance() * ends[-1]
        for state, end in zip(ready, ends, strict=True):
            if drawn < end:
                return state
        return ready[-1]  # Rounding may lose a tiny share.


class Hash:
    """Chooses the server of a key; a server that comes or goes moves only its own keys."""

    def choose(self, ready: Sequence[ServerState], key: bytes) -> ServerState:
        """Return the key's server."""
        hashed = digest(key)
        return max(ready, key=lambda state: score(hashed, state.digest, state.share))


def strategy_of(name: str, chance: Callable[[], float]) -> Strategy:
    """Return the strategy for the key ``balance`` of a configuration.

    Args:
        name: One of `corsgate.config.model.balancing.BALANCES`.
        chance: Returns uniform random numbers in [0, 1).
    """
    match name:
        case "least_requests":
            return LeastRequests(chance)
        case "random_two":
            return RandomTwo(chance)
        case "hash":
            return Hash()
    return RoundRobin()
