"""Helpers of the balancing tests: servers, pools, and reproducible chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from corsgate.balance.balancer import Balancer
from corsgate.balance.state import ServerState
from corsgate.config.model.balancing import Balancing
from corsgate.config.model.values import Server


def servers(*weights: int) -> list[Server]:
    """Return servers a, b, c... of these weights."""
    return [
        Server(scheme="http", host=f"{chr(ord('a') + i)}.test", port=80, weight=weight)
        for i, weight in enumerate(weights)
    ]


def states(*weights: int) -> list[ServerState]:
    """Return the states of servers a, b, c... of these weights."""
    return [ServerState.of(server, 0.0) for server in servers(*weights)]


def letter(state: ServerState | None) -> str:
    """Return a server's letter; ``-`` for none."""
    return "-" if state is None else state.server.host[0]


def chance() -> Callable[[], float]:
    """Return random numbers that are the same in each run."""
    return Random(7).random


class Pool:
    """A balancer and a clock, driven by letters.

    Args:
        pool: The servers.
        rules: How to balance.

    Attributes:
        now: The time in seconds.
        said: The messages of the balancer.
        better: Those of them that are good news.
    """

    def __init__(self, pool: Sequence[Server], rules: Balancing | None = None) -> None:
        self.now = 0.0
        self.said: list[str] = []
        self.better: list[str] = []

        def better(what: str) -> None:
            self.said.append(what)
            self.better.append(what)

        self.balancer = Balancer(
            pool,
            rules or Balancing(),
            chance(),
            self.now,
            self.said.append,
            tell_better=better,
        )

    def state(self, name: str) -> ServerState:
        """Return a server's state."""
        return self.balancer.states[f"http://{name}.test"]

    def picks(self, count: int, **how: object) -> str:
        """Return the letters of this many picks, which begin no request."""
        return "".join(
            letter(self.balancer.pick(self.now, **how))  # type: ignore[arg-type]  # as they come
            for _ in range(count)
        )

    def end(self, name: str, served: bool | None, times: int = 1) -> None:
        """Begin and end this many requests at a server, one after the other."""
        for _ in range(times):
            term = self.balancer.begin(self.state(name))
            if served:
                self.balancer.responded(self.state(name), term, self.now)
            self.balancer.ended(self.state(name), term, served, self.now)

    def probe(self, name: str, *results: bool) -> None:
        """Report the results of probes of a server."""
        for result in results:
            reason = "" if result else "it answers 500"
            self.balancer.probed(self.state(name), result, self.now, reason)
