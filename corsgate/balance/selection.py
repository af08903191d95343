"""Which of the servers that may get a request gets it: one class for each way to balance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Protocol

from corsgate.balance.hashing import digest, score
from corsgate.balance.state import ServerState

SCANNED = 10
"""Of more servers than this, `LeastRequests` looks at two alone."""


class Strategy(Protocol):
    """A way to balance; it has one owner, which asks once per attempt."""

    def choose(self, ready: Sequence[ServerState], key: bytes) -> ServerState:
        """Return the server for a request.

        Args:
            ready: The servers that may get it, at least one.
            key: What belongs together, for the policy that goes by it.
        """


class RoundRobin:
    """Servers in turn, each as often as its share says, spread evenly.

    This is nginx's smooth weighted round robin: on each turn every server gains its share, the
    richest is chosen, and it pays what all gained. Shares 5, 1, 1 make A A B A C A A, so that
    no server gets all its turns at once. What each has gained is part of its state, so that
    turns go on where other servers come and go.
    """

    def choose(self, ready: Sequence[ServerState], key: bytes) -> ServerState:
        """Return the server whose turn it is, and move the turns on."""
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
    """The server with the fewest running requests for its share; in turn among equals.

    Past `SCANNED` servers, the better of two drawn ones, which is all but as even.

    Args:
        chance: Answers numbers from 0 up to 1, all as likely.
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
    """The less busy of two servers drawn by their shares.

    Two gates that know nothing of each other don't run into the same server with it
    (Mitzenmacher, "The power of two choices in randomized load balancing", 2001).

    Args:
        chance: Answers numbers from 0 up to 1, all as likely.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance

    def choose(self, ready: Sequence[ServerState], key: bytes) -> ServerState:
        """Return the less busy of two drawn servers; the first where both are as busy."""
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
        return ready[-1]  # A share that is next to nothing may be lost in rounding.


class Hash:
    """The server that a key belongs to; a server that comes or goes moves only its own keys."""

    def choose(self, ready: Sequence[ServerState], key: bytes) -> ServerState:
        """Return the key's server."""
        hashed = digest(key)
        return max(ready, key=lambda state: score(hashed, state.digest, state.share))


def strategy_of(name: str, chance: Callable[[], float]) -> Strategy:
    """Return the policy that a configuration's ``balance`` names.

    Args:
        name: One of `corsgate.config.model.balancing.BALANCES`.
        chance: Answers numbers from 0 up to 1, all as likely.
    """
    match name:
        case "least_requests":
            return LeastRequests(chance)
        case "random_two":
            return RandomTwo(chance)
        case "hash":
            return Hash()
    return RoundRobin()
