"""What the admin listener reads of the gate."""

from __future__ import annotations

from unittest.mock import patch

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.admin.view import is_usable, not_after_s, server_state, unready
from corsgate.balance.circuit import CircuitState
from corsgate.balance.health import Standing
from corsgate.balance.state import ServerState
from corsgate.config.model.values import Server
from corsgate.gate.service import GateService
from tests.admin.support import ADMIN, AdminTestCase, view_of
from tests.certificates import Authority

SERVER = Server(scheme="http", host="a", port=1)


class StateTests(SynchronousTestCase):
    """The states of a server."""

    def test_states(self) -> None:
        """A drained server is draining, whatever else; probes count before the circuit."""
        for drain, standing, circuit, word, usable in (
            (False, Standing.UNKNOWN, CircuitState.CLOSED, "up", True),
            (False, Standing.UP, CircuitState.CLOSED, "up", True),
            (False, Standing.UP, CircuitState.OPEN, "ejected", False),
            (False, Standing.UP, CircuitState.HALF_OPEN, "half_open", True),
            (False, Standing.DOWN, CircuitState.OPEN, "down", False),
            (True, Standing.UP, CircuitState.CLOSED, "draining", False),
        ):
            state = ServerState.of(attrs.evolve(SERVER, drain=drain), 0.0)
            state.health.standing, state.circuit.state = standing, circuit
            self.assertEqual((server_state(state), is_usable(state)), (word, usable))

    def test_not_after(self) -> None:
        """The end of a certificate, in seconds since 1970."""
        certified = Authority.make().issue("a.example").certified
        end = certified.chain[0].not_valid_after_utc
        self.assertEqual(not_after_s(certified), end.timestamp())


class ReadyTests(AdminTestCase):
    """`unready` and `View`."""

    async def test_ready(self) -> None:
        """A gate that listens, with a usable server in each upstream; else there are reasons."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        self.assertEqual(unready(gate.service), [])
        (state,) = gate.service.upstreams["a"].balancer.states.values()
        state.health.standing = Standing.DOWN
        self.assertEqual(unready(gate.service), ["upstream a: no server is usable"])
        with patch.object(GateService, "ports", []):
            self.assertEqual(unready(gate.service), ["the gate does not listen"])
        await gate.stop()
        self.assertEqual(unready(gate.service), ["the gate is draining"])

    async def test_keep_counters(self) -> None:
        """What is gone by discovery or a reload is forgotten."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        counters = gate.service.counters
        counters.route("/gone")
        counters.server("a", "http://gone")
        view_of(gate).keep_counters()
        self.assertEqual(list(counters.routes), ["/v1"])
        self.assertEqual(len(counters.servers), 1)
