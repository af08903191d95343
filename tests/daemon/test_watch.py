"""Files that are watched."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.daemon.loading import Loader, Signature
from corsgate.daemon.watch import INTERVAL_S, Watcher


class FakeReloader:
    """Loads what the files are like at once, and is asked when."""

    def __init__(self, loader: Loader, now: dict[str, Signature]) -> None:
        self.triggers: list[str] = []
        self.loader, self.now = loader, now

    def reload(self, trigger: str) -> Deferred[None]:
        """Load them."""
        self.triggers.append(trigger)
        self.loader.files = dict(self.now)
        self.asked: Deferred[None] = Deferred()
        return self.asked


class WatcherTests(SynchronousTestCase):
    """`Watcher`."""

    def setUp(self) -> None:
        """Begin to watch two files."""
        self.clock, self.wanted = Clock(), True
        self.now: dict[str, Signature] = {"a.toml": (1,), "key.pem": (1,)}
        loader = Loader("a.toml", None)
        loader.files = dict(self.now)
        self.reloader = FakeReloader(loader, self.now)
        reloader: Any = self.reloader
        self.watcher = Watcher(
            self.clock, loader, reloader, lambda: self.wanted, lambda path: self.now[path]
        )
        self.watcher.startService()
        self.addCleanup(self.watcher.stopService)

    def looks(self, count: int) -> int:
        """Let it look so often; return how often it has reloaded by then."""
        for _ in range(count):
            self.clock.advance(INTERVAL_S)
        return len(self.reloader.triggers)

    def test_unchanged(self) -> None:
        """Files that stay as they are cause nothing."""
        self.assertEqual(self.looks(5), 0)

    def test_changed(self) -> None:
        """A change counts once it looks the same twice, of a file that is named too."""
        for path in self.now:
            before = len(self.reloader.triggers)
            self.now[path] = (2,)
            self.assertEqual(self.looks(1), before)
            self.now[path] = (3,)
            self.assertEqual(self.looks(1), before)
            self.assertEqual(self.looks(1), before + 1)
            self.reloader.asked.callback(None)
            self.assertEqual(self.looks(3), before + 1)

    def test_missing(self) -> None:
        """A file that an editor replaces may be missing for a moment."""
        self.now["a.toml"] = None
        self.looks(1)
        self.now["a.toml"] = (1,)
        self.assertEqual(self.looks(2), 0)

    def test_busy(self) -> None:
        """It waits for the reload that it has asked for."""
        self.now["a.toml"] = (2,)
        self.assertEqual(self.looks(2), 1)
        self.now["a.toml"] = (3,)
        self.assertEqual(self.looks(5), 1)
        self.reloader.asked.callback(None)
        self.assertEqual(self.looks(2), 2)

    def test_unwanted(self) -> None:
        """It does nothing unless the configuration in force wants it."""
        self.wanted = False
        self.now["a.toml"] = (2,)
        self.assertEqual(self.looks(3), 0)
        self.wanted = True
        self.assertEqual(self.looks(2), 1)

    def test_stopped(self) -> None:
        """It ends."""
        self.watcher.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
