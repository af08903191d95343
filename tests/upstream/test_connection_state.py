"""What may follow what on a connection."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.upstream.connection_state import FOLLOWS, UNDER_WAY, USABLE, State
from tests.server.support import LEFT
from tests.upstream.connection_case import EMPTY, OK, ConnectionTestCase


class TableTests(SynchronousTestCase):
    def test_complete(self) -> None:
        """Every state is in the table; any can end, and from the end nothing follows."""
        self.assertEqual(set(FOLLOWS), set(State))
        for state in State:
            self.assertEqual(State.GONE in FOLLOWS[state], state is not State.GONE)

    def test_of_no_use(self) -> None:
        """What is of no more use to the pool never becomes so again."""
        for state in set(State) - set(USABLE):
            self.assertEqual(set(FOLLOWS[state]) & set(USABLE), set())

    def test_cut(self) -> None:
        """Whatever is of use can be cut."""
        for state in USABLE:
            self.assertIn(State.CUT, FOLLOWS[state])


class StateTests(ConnectionTestCase):
    """The states of one connection after another."""

    def test_exchange(self) -> None:
        """A response that comes in pieces goes through them all."""
        seen = [self.connection.state]
        asked = self.ask()
        seen.append(self.connection.state)
        self.connection.dataReceived(OK + b"Content-Length: 5\r\n\r\nhe")
        response = self.successResultOf(asked)
        seen.append(self.connection.state)
        self.collect(response)
        seen.append(self.connection.state)
        self.connection.dataReceived(b"llo")
        seen.append(self.connection.state)
        self.assertEqual(seen, [State.IDLE, State.ASKED, State.HELD, State.RESPONDING, State.IDLE])

    def test_one_at_a_time(self) -> None:
        """No request is sent while one is under way, nor on what closes or is cut."""
        self.ask()
        self.assertIn(self.connection.state, UNDER_WAY)
        self.assertRaises(AssertionError, self.ask)
        self.setUp()
        self.connection.close()
        self.assertEqual(self.connection.state, State.CLOSING)
        self.assertRaises(AssertionError, self.ask)
        self.setUp()
        self.connection.dataReceived(EMPTY)
        self.assertEqual(self.connection.state, State.CUT)
        self.assertRaises(AssertionError, self.ask)

    def test_gone(self) -> None:
        """Its end is the end."""
        self.connection.connectionLost(LEFT)
        self.assertEqual((self.connection.state, self.connection.lost), (State.GONE, True))
        self.connection.close()
        self.assertEqual(self.connection.state, State.GONE)
        self.assertTrue(self.wire.open)
