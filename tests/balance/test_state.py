"""What is known of a server, and how its share grows in a slow start."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.circuit import CircuitState
from corsgate.balance.hashing import digest
from corsgate.balance.health import Standing
from corsgate.balance.state import LEAST_SHARE, STEPS, ServerState
from corsgate.config.model.values import Server

SLOW_S = 20.0


def server(weight: int = 4, host: str = "a.test") -> Server:
    """Return a server of this weight."""
    return Server(scheme="http", host=host, port=80, weight=weight)


def starting(weight: int = 4, came_s: float = 100.0) -> ServerState:
    """Return the state of a server that starts slowly since a time."""
    state = ServerState.of(server(weight), 0.0)
    state.came_s = came_s
    return state


class NewTests(SynchronousTestCase):
    """`ServerState.of`."""

    def test_is_used_at_once(self) -> None:
        """A new server has its whole weight, no failures and no running requests."""
        state = ServerState.of(server(4), 50.0)
        self.assertEqual((state.share, state.running, state.credit), (4, 0, 0.0))
        self.assertIs(state.circuit.state, CircuitState.CLOSED)
        self.assertIs(state.health.standing, Standing.UNKNOWN)
        self.assertIsNone(state.came_s)

    def test_digest_is_that_of_the_origin(self) -> None:
        """Keys stay at a server whose weight changes, and differ between servers."""
        first, again = (ServerState.of(server(weight), 0.0) for weight in (1, 9))
        self.assertEqual(first.digest, digest(b"http://a.test"))
        self.assertEqual(first.digest, again.digest)
        self.assertNotEqual(first.digest, ServerState.of(server(host="b.test"), 0.0).digest)

    def test_servers_share_nothing(self) -> None:
        """The health and the failures of one server are not those of another."""
        one, other = (ServerState.of(server(), 0.0) for _ in range(2))
        one.health.probed(True, rise=1, fall=1)
        one.circuit.failed(9)
        self.assertIs(other.health.standing, Standing.UNKNOWN)
        self.assertEqual(other.circuit.failures, 0)


class SlowStartTests(SynchronousTestCase):
    """`ServerState.start`."""

    def test_share_grows_in_steps(self) -> None:
        """It begins with a tenth of the weight, and has all of it when the time is over."""
        for now, share, change_s in (
            (100.0, 0.4, 101.0),
            (100.9, 0.4, 101.0),
            (101.5, 0.58, 102.0),
            (110.5, 2.2, 111.0),
            (119.5, 3.82, 120.0),
            (120.0, 4.0, None),
            (999.0, 4.0, None),
        ):
            state = starting()
            found = state.start(now, SLOW_S)
            self.assertAlmostEqual(state.share, share, msg=str(now))
            self.assertEqual((now, found), (now, change_s))

    def test_end_is_remembered(self) -> None:
        """Once over, a slow start does not begin again, however long it is said to take."""
        state = starting()
        state.start(120.0, SLOW_S)
        self.assertIsNone(state.came_s)
        self.assertIsNone(state.start(121.0, 1000.0))
        self.assertEqual(state.share, 4)

    def test_server_that_did_not_come_back(self) -> None:
        """Without a slow start the share is the weight at once."""
        state = ServerState.of(server(4), 100.0)
        state.share = 0.0
        self.assertIsNone(state.start(100.0, SLOW_S))
        self.assertEqual(state.share, 4)

    def test_no_slow_start_is_configured(self) -> None:
        """With a time of 0 the share is the weight at once."""
        state = starting()
        self.assertIsNone(state.start(100.0, 0.0))
        self.assertEqual(state.share, 4)

    @given(st.integers(1, 100), st.floats(0.5, 600.0))
    def test_following_the_changes(self, weight: int, slow_s: float) -> None:
        """Asked again just after each change, it ends after few steps; the share never falls."""
        state = starting(weight, came_s=0.0)
        shares, now = [], 0.0
        change_s = state.start(now, slow_s)
        while change_s is not None:
            shares.append(state.share)
            self.assertGreaterEqual(change_s, now)
            now = change_s + 1e-6
            change_s = state.start(now, slow_s)
        shares.append(state.share)
        self.assertEqual(shares, sorted(shares))
        self.assertAlmostEqual(shares[0], weight * LEAST_SHARE)
        self.assertEqual(shares[-1], weight)
        self.assertLessEqual(len(shares), STEPS + 1)
