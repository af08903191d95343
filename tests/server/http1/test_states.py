"""What may follow what on a client's connection, and in its parser."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.server.http1.states import NEXT_PHASES, NEXT_STATES, Phase, State


class PhaseTests(SynchronousTestCase):
    """The phases of a connection."""

    def test_complete(self) -> None:
        """Every phase is in the table; any can end in LOST, and nothing follows that."""
        self.assertEqual(set(NEXT_PHASES), set(Phase))
        for phase, following in NEXT_PHASES.items():
            self.assertEqual(Phase.LOST in following, phase is not Phase.LOST)

    def test_no_way_back(self) -> None:
        """From CLOSING on no request is served, as comparing phases by their order takes it."""
        for phase, following in NEXT_PHASES.items():
            if phase >= Phase.CLOSING:
                self.assertTrue(all(each >= Phase.CLOSING for each in following), phase)

    def test_tunnel(self) -> None:
        """A connection becomes a tunnel while a request is served, and at no other time."""
        before = [phase for phase, following in NEXT_PHASES.items() if Phase.TUNNEL in following]
        self.assertEqual(before, [Phase.RESPONDING])


class StateTests(SynchronousTestCase):
    """The states of a parser."""

    def test_complete(self) -> None:
        """Every state is in the table; any can end, and then nothing more is read."""
        self.assertEqual(set(NEXT_STATES), set(State))
        for following in NEXT_STATES.values():
            self.assertIn(State.ENDED, following)
        self.assertEqual(NEXT_STATES[State.ENDED], (State.ENDED,))

    def test_bodies_have_heads(self) -> None:
        """A body, and an offer to switch, come behind a head."""
        for state in (State.BODY, State.OFFERED):
            before = [each for each, following in NEXT_STATES.items() if state in following]
            self.assertEqual(before, [State.HEAD])
