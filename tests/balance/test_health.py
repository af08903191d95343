"""A server's standing by its probes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.health import Health, Standing


def after(results: str, rise: int = 2, fall: int = 3) -> str:
    """Return the standing after each result: ``+`` for a pass and ``-`` for a failure."""
    health = Health()
    shown = ""
    for result in results:
        health.probed(result == "+", rise=rise, fall=fall)
        shown += health.standing.value[0]
    return shown


class HealthTests(SynchronousTestCase):
    def test_begins_unknown(self) -> None:
        """Before any probe the standing is unknown."""
        self.assertIs(Health().standing, Standing.UNKNOWN)

    def test_table(self) -> None:
        """A change needs enough equal results in a row; any other result restarts the count."""
        table = {
            "+": "u",
            "---": "uud",
            "--+--": "uuuuu",
            "+---": "uuud",
            "---+": "uudd",
            "---++": "uuddu",
            "---+-+-++": "uuddddddu",
            "---++---": "uudduuud",
        }
        self.assertEqual({results: after(results) for results in table}, table)

    def test_at_once(self) -> None:
        """With a count of one, each result changes the standing."""
        self.assertEqual(after("-+-", rise=1, fall=1), "dud")

    def test_tells_changes(self) -> None:
        """Going down and coming up are reported; the first pass is not."""
        health = Health()
        told = [health.probed(each == "+", rise=2, fall=3) for each in "+---+++"]
        self.assertEqual(told, [False, False, False, True, False, True, False])

    @given(st.text("+-", max_size=40), st.integers(1, 4), st.integers(1, 4))
    def test_rows(self, results: str, rise: int, fall: int) -> None:
        """It is down exactly if the last long enough row was one of failures."""
        shown = after(results, rise, fall)
        down = False
        for end in range(1, len(results) + 1):
            so_far = results[:end]
            if so_far.endswith("-" * fall):
                down = True
            elif so_far.endswith("+" * rise):
                down = False
            self.assertEqual(shown[end - 1] == "d", down)
