"""Probes and replies."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.adopt.probes import Reply, alike, clip
from tests.adopt.play import reply


class Probes(SynchronousTestCase):
    """What a box sends is shown safely."""

    def test_clip(self) -> None:
        """Escapes, line breaks and length can do no harm on a terminal or in a comment."""
        shown = clip(b"\x1b[31mred\r\nlisten = []\x00\x9b" + b"x" * 10_000)
        self.assertLessEqual(len(shown), 90)
        self.assertTrue(shown.isascii() and shown.isprintable(), shown)
        self.assertIn("\\x1b", shown)
        self.assertTrue(clip("J\u00e4s\u202e\ud800").isascii())

    def test_words(self) -> None:
        """Each outcome has one short line."""
        self.assertEqual(reply(200).words, "200")
        self.assertEqual(reply(401).words, "401, without a challenge")
        asked = reply(401, WWW_Authenticate='Basic realm="a\x1b[2Jb"').words
        self.assertEqual(asked, "401, without a challenge")
        self.assertEqual(reply(302, Location="/x").words, "302 to /x")
        self.assertEqual(
            Reply(failure="nothing listens on this port").words, "nothing listens on this port"
        )

    def test_alike(self) -> None:
        """Equal statuses and successes are alike; a refusal is not."""
        self.assertTrue(alike(reply(200), reply(304)))
        self.assertTrue(alike(reply(401), reply(401)))
        self.assertFalse(alike(reply(200), reply(403)))
        self.assertFalse(alike(reply(200), Reply(failure="reset")))
