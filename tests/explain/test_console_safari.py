"""Safari's console messages."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.block_causes import Cause
from corsgate.explain.console import read_message
from tests.explain.console_messages import console_messages

REASON = "Method PATCH is not allowed by Access-Control-Allow-Methods."
CALLED = "Fetch API cannot load http://localhost:5555/v1 due to access control checks."


class SafariTests(SynchronousTestCase):
    """What Safari and WebKit's other browsers print."""

    def test_seen(self) -> None:
        """The messages that a real WebKit printed are Safari's, unless others print them too."""
        seen = [said for said in console_messages() if said.seen and "WebKit" in said.place]
        self.assertGreater(len(seen), 30)
        for said in seen:
            self.assertIn(read_message(said.text).browser, ("safari", ""), said.text)

    def test_reason_and_url_are_two_lines(self) -> None:
        """The line with the reason has no URL; the next one has it."""
        both = read_message(f"{REASON}\n{CALLED}")
        self.assertEqual((both.cause, both.method), (Cause.METHOD, "PATCH"))
        self.assertEqual(str(both.url), "http://localhost:5555/v1")
        alone = read_message(REASON)
        self.assertEqual((alone.cause, alone.url), (Cause.METHOD, None))
        self.assertIs(read_message(CALLED).cause, Cause.UNSPECIFIC)

    def test_status(self) -> None:
        """The status of the response is read."""
        said = "Origin http://a.example is not allowed by Access-Control-Allow-Origin. Status code:"
        found = read_message(f"{said} 403")
        self.assertEqual((found.origin, found.status), ("http://a.example", 403))
