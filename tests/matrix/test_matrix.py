"""Every call of the matrix in real browsers, through the real gate: each gets its verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import TimeoutError
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from tests.matrix.box import PASSWORD
from tests.matrix.browsers import Running, chromium, firefox
from tests.matrix.stage import CALLS, ROUND, Stage, faults, logged
from tests.peers import reactor
from tests.twistd import DaemonTestCase

PATIENCE_S = 90.0
"""Far more than a round takes."""


class Browsers(DaemonTestCase):
    """One round through all pages."""

    timeout = 120

    async def check(self, make: Callable[[Path], list[str]]) -> None:
        """Go through the matrix with a browser."""
        stage = Stage()
        for port in stage.ports:
            self.addCleanup(port.stopListening)
        daemon = self.configured(stage.config)
        stage.gate = await daemon.port()
        first = Path(self.mktemp()).absolute().with_suffix(".html")
        first.write_text(stage.html_of(ROUND[0].name, inside=False), "utf-8")
        browser = Running.start(make, first.as_uri())
        self.addCleanup(deferToThread, browser.end)
        done = stage.when(lambda: len(stage.origins) == len(ROUND))
        try:
            await done.addTimeout(PATIENCE_S, reactor)
        except TimeoutError:
            self.fail(f"only {list(stage.origins)} are done; the browser said:\n{browser.said}")
        await deferToThread(browser.end)
        # Its log is complete once it has ended.
        daemon.signal("TERM")
        await daemon.ended()
        expected = {page.name: stage.origin_of(page) for page in ROUND}
        self.assertEqual(stage.origins, {**expected, "sandbox": "null"})
        self.assertEqual(faults(stage, logged(daemon), CALLS), [])
        self.assertEqual(stage.seen.keys(), {call.name for call in CALLS})
        self.assertNotIn(PASSWORD, daemon.said)

    async def test_chromium(self) -> None:
        """Chromium lets each page see what the policy says, and no more."""
        await self.check(chromium)

    async def test_firefox(self) -> None:
        """So does Firefox."""
        await self.check(firefox)


class TableTests(SynchronousTestCase):
    """The matrix is what it is said to be."""

    def test_calls(self) -> None:
        """It has calls of all kinds, each named once, from allowed origins and from others."""
        names = [call.name for call in CALLS]
        self.assertEqual(len(names), len(set(names)))
        scripted_kinds = {"fetch", "xhr", "eventsource", "websocket"}
        others = {"img", "script", "form", "iframe", "frame", "object", "embed"}
        self.assertEqual({call.call for call in CALLS}, scripted_kinds | others)
        scripted = [call for call in CALLS if call.call in scripted_kinds]
        self.assertGreaterEqual(len(scripted), 40)
        for page in ROUND:
            self.assertTrue(page.calls, page.name)
