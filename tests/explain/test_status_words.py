"""What statuses mean."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.status_words import status_words


class StatusTests(SynchronousTestCase):
    """`status_words`."""

    def test_errors(self) -> None:
        """Each error has one sentence that starts with its status."""
        for status in (*range(400, 452), *range(500, 512), 599):
            said = status_words(status)
            self.assertRegex(said, rf"\A{status}: [a-z].*\.\Z")
            self.assertLessEqual(len(said.split()), 25)
        self.assertIn("login", status_words(401))
        self.assertIn("failed", status_words(599))

    def test_others(self) -> None:
        """A success has no words."""
        self.assertEqual((status_words(200), status_words(304)), ("", ""))
