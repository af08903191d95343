"""Which server of an upstream a request goes to, and which ones after that."""

from __future__ import annotations

from collections.abc import Sequence

from corsgate.config.model import Server


class RoundRobin:
    """Servers in turn, each as often as its weight says, spread evenly.

    This is nginx's smooth weighted round robin: on each turn every server gains its weight, the
    richest is chosen, and it pays what all gained. Weights 5, 1, 1 make A A B A C A A, so that
    no server gets its whole share at once. It is told nothing about time or health: it has one
    owner, which asks once per request.
    """

    def __init__(self, servers: Sequence[Server]) -> None:
        """Start a rotation.

        Args:
            servers: At least one; the order breaks ties.

        Raises:
            ValueError: There is no server.
        """
        if not servers:
            raise ValueError("no server to choose from; give at least one")
        # Each possible answer is made here, so that a request only picks one of them.
        self._orders = tuple((*servers[i:], *servers[:i]) for i in range(len(servers)))
        self._weights = tuple(server.weight for server in servers)
        self._total = sum(self._weights)
        self._credits = [0] * len(servers)

    def order(self) -> tuple[Server, ...]:
        """Answer the servers to try for one request, in turn, and move the rotation on.

        Returns:
            Every server once: the next in rotation first, then those that follow it in the
            configuration.
        """
        if len(self._orders) == 1:
            return self._orders[0]
        credits = self._credits
        chosen = 0
        for index, weight in enumerate(self._weights):
            credits[index] += weight
            if credits[index] > credits[chosen]:
                chosen = index
        credits[chosen] -= self._total
        return self._orders[chosen]
