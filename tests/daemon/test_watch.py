"""Files that are watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.daemon.loading import Loader, Signature
from corsgate.daemon.watch import INTERVAL_S, PATIENCE, Signatures, Watcher


class FakeReloader:
    """Loads what the files are like at once, and is asked when."""

    def __init__(self, loader: Loader, now: dict[str, Signature]) -> None:
        self.triggers: list[str] = []
        self.loader, self.now = loader, now
        self.secret_files: Signatures = {}
        self.is_faulty = False

    def reload(self, trigger: str, *, secrets_only: bool = False) -> Deferred[None]:
        """Load them."""
        self.triggers.append(trigger)
        if not secrets_only:
            self.loader.files = dict(self.now)
        if not self.is_faulty:
            self.secret_files = {path: self.now[path] for path in self.secret_files}
        self.asked: Deferred[None] = Deferred()
        return self.asked


class WatcherTestCase(SynchronousTestCase):
    """A watcher of two files, one of them a secret's."""

    wanted = True

    def setUp(self) -> None:
        """Begin to watch."""
        self.clock = Clock()
        self.now: dict[str, Signature] = {"a.toml": (1, 1, 9), "password": (1, 1, 9)}
        loader = Loader("a.toml", None)
        loader.files = dict(self.now)
        self.reloader = FakeReloader(loader, self.now)
        reloader: Any = self.reloader
        self.checks = 0
        self.held: Deferred[None] | None = None
        self.watcher = Watcher(
            self.clock,
            loader,
            reloader,
            lambda: self.wanted,
            self.in_thread,
            lambda path: self.now[path],
        )
        self.watcher.startService()
        self.addCleanup(self.watcher.stopService)

    def in_thread(self, check: Callable[[], Signatures]) -> Deferred[Signatures]:
        """Check at once, or when `held` is called back."""
        self.checks += 1
        if self.held is not None:
            return self.held.addCallback(lambda _: check())
        return succeed(check())

    def looks(self, count: int) -> int:
        """Let it look so often; return how often it has reloaded by then."""
        for _ in range(count):
            self.clock.advance(INTERVAL_S)
        return len(self.reloader.triggers)


class WatcherTests(WatcherTestCase):
    """`Watcher` with ``watch = true``."""

    def test_unchanged(self) -> None:
        """Files that stay as they are cause nothing."""
        self.assertEqual(self.looks(5), 0)

    def test_changed(self) -> None:
        """A change counts once it looks the same twice, of a file that is named too."""
        for path in self.now:
            before = len(self.reloader.triggers)
            self.now[path] = (2, 1, 9)
            self.assertEqual(self.looks(1), before)
            self.now[path] = (3, 1, 9)
            self.assertEqual(self.looks(1), before)
            self.assertEqual(self.looks(1), before + 1)
            self.reloader.asked.callback(None)
            self.assertEqual(self.looks(3), before + 1)

    def test_missing(self) -> None:
        """A file that an editor replaces may be missing for a moment."""
        self.now["a.toml"] = None
        self.looks(1)
        self.now["a.toml"] = (1, 1, 9)
        self.assertEqual(self.looks(2), 0)

    def test_busy(self) -> None:
        """It waits for the reload that it has asked for."""
        self.now["a.toml"] = (2, 1, 9)
        self.assertEqual(self.looks(2), 1)
        self.now["a.toml"] = (3, 1, 9)
        self.assertEqual(self.looks(5), 1)
        self.reloader.asked.callback(None)
        self.assertEqual(self.looks(2), 2)

    def test_unwanted(self) -> None:
        """It does nothing unless the configuration in force wants it."""
        self.wanted = False
        self.now["a.toml"] = (2, 1, 9)
        self.assertEqual(self.looks(3), 0)
        self.wanted = True
        self.assertEqual(self.looks(2), 1)

    def test_stopped(self) -> None:
        """It ends."""
        self.watcher.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SecretTests(WatcherTestCase):
    """`Watcher` without ``watch = true``, and files of secrets."""

    wanted = False

    def setUp(self) -> None:
        """Begin to watch the secret."""
        super().setUp()
        self.reloader.secret_files = {"password": (1, 1, 9)}

    def test_secret(self) -> None:
        """A change of a secret counts once it looks the same twice."""
        self.now["password"] = (2, 1, 9)
        self.assertEqual(self.looks(1), 0)
        self.now["password"] = (3, 1, 9)
        self.assertEqual(self.looks(1), 0)
        self.assertEqual(self.looks(1), 1)
        self.assertEqual(self.reloader.triggers, ["a secret has changed"])
        self.reloader.asked.callback(None)
        self.assertEqual(self.looks(3), 1)

    def test_only_secrets(self) -> None:
        """A changed configuration is left alone."""
        self.now["a.toml"] = (2, 1, 9)
        self.assertEqual(self.looks(9), 0)

    def test_nothing_to_watch(self) -> None:
        """Without files of secrets, no thread is started."""
        self.reloader.secret_files = {}
        self.looks(3)
        self.assertEqual(self.checks, 0)

    def test_missing_for_a_moment(self) -> None:
        """A secret that is missing or empty for less than `PATIENCE` checks is no fault."""
        for gone in (None, (2, 1, 0)):
            self.now["password"] = gone
            self.assertEqual(self.looks(PATIENCE - 1), 0)
            self.now["password"] = (1, 1, 9)
            self.assertEqual(self.looks(2), 0)
        self.now["password"] = None
        self.assertEqual(self.looks(PATIENCE), 1)

    def test_faulty(self) -> None:
        """A fault is tried once, until the file changes again."""
        self.reloader.is_faulty = True
        self.now["password"] = (2, 1, 9)
        self.assertEqual(self.looks(2), 1)
        self.reloader.asked.callback(None)
        self.assertEqual(self.looks(9), 1)
        self.reloader.is_faulty = False
        self.now["password"] = (3, 1, 9)
        self.assertEqual(self.looks(2), 2)

    def test_faulty_and_restored(self) -> None:
        """The same fault after the old content is a change again."""
        self.reloader.is_faulty = True
        for times in (1, 2):
            self.now["password"] = (2, 1, 9)
            self.assertEqual(self.looks(2), times)
            self.reloader.asked.callback(None)
            self.now["password"] = (1, 1, 9)
            self.looks(2)

    def test_beside_a_faulty_configuration(self) -> None:
        """With ``watch = true`` too, a configuration that can't be loaded keeps no secret back."""
        self.wanted = True
        self.reloader.is_faulty = True
        self.now["a.toml"] = self.now["password"] = (2, 1, 9)
        self.assertEqual(self.looks(2), 1)
        self.reloader.is_faulty = False
        self.reloader.asked.callback(None)
        self.assertEqual(self.looks(2), 2)
        self.assertEqual(self.reloader.triggers, ["a file has changed", "a secret has changed"])

    def test_a_check_that_hangs(self) -> None:
        """A file system that does not respond keeps one thread busy, not more."""
        self.held = Deferred()
        self.looks(5)
        self.assertEqual(self.checks, 1)
        self.held.callback(None)
        self.held = None
        self.now["password"] = (2, 1, 9)
        self.assertEqual(self.looks(2), 1)

    def test_a_check_that_fails(self) -> None:
        """It is logged, and the next one is made."""
        self.watcher._in_thread = lambda check: fail(ZeroDivisionError())
        self.looks(2)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_stopped_while_checking(self) -> None:
        """What a check finds after the end reloads nothing."""
        self.now["password"] = (2, 1, 9)
        self.looks(1)
        self.held = Deferred()
        self.looks(1)
        self.watcher.stopService()
        self.held.callback(None)
        self.assertEqual(self.reloader.triggers, [])
        self.watcher.startService()
