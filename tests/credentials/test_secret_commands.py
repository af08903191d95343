"""Commands that are run again after a rejection."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.command import Command
from corsgate.config.model.secret import Secret
from corsgate.credentials.secret_commands import INTERVAL_S, SecretCommands
from corsgate.errors import BadValue

COMMAND = Command(arguments=("pass", "show", "box"))
OLD = Secret("old-secret", COMMAND)


class SecretCommandsTests(SynchronousTestCase):
    """`SecretCommands`."""

    def setUp(self) -> None:
        """Have commands that end when the test says so."""
        self.clock = Clock()
        self.clock.advance(1000)
        self.runs: list[Deferred[bytes]] = []
        self.commands = SecretCommands(self.clock.seconds, self.run_command)

    def run_command(self, command: Command) -> Deferred[bytes]:
        """Begin to run a command."""
        self.runs.append(Deferred())
        return self.runs[-1]

    def newer(self, secret: Secret = OLD, since_s: float = 0.0) -> Deferred[str | None]:
        """Begin to look for another secret."""
        return Deferred.fromCoroutine(self.commands.newer(secret, since_s))

    def test_changed(self) -> None:
        """Another secret is returned."""
        found = self.newer()
        self.assertNoResult(found)
        self.runs[0].callback(b"new-secret\nnotes\n")
        self.assertEqual(self.successResultOf(found), "new-secret")

    def test_unchanged(self) -> None:
        """The same secret is none, and the command is not run again so soon."""
        found = self.newer()
        self.runs[0].callback(b"old-secret\n")
        self.assertIsNone(self.successResultOf(found))
        self.clock.advance(INTERVAL_S - 0.1)
        self.assertIsNone(self.successResultOf(self.newer()))
        self.assertEqual(len(self.runs), 1)
        self.clock.advance(0.2)
        found = self.newer()
        self.runs[1].callback(b"new-secret\n")
        self.assertEqual(self.successResultOf(found), "new-secret")

    def test_shared(self) -> None:
        """However many wait, the command is run once; one that leaves does not stop it."""
        found = [self.newer() for _ in range(64)]
        self.assertEqual(len(self.runs), 1)
        found[0].cancel()
        self.failureResultOf(found[0], CancelledError)
        self.runs[0].callback(b"new-secret")
        self.assertEqual({self.successResultOf(each) for each in found[1:]}, {"new-secret"})

    def test_another_upstream(self) -> None:
        """A secret that another upstream has found is used without a run, if it is newer."""
        self.newer()
        self.runs[0].callback(b"new-secret")
        self.assertEqual(self.successResultOf(self.newer()), "new-secret")
        # This one came from a reload after that run.
        since_s = self.clock.seconds() + 1
        self.clock.advance(2)
        reloaded = Secret("third-secret", COMMAND)
        self.assertIsNone(self.successResultOf(self.newer(reloaded, since_s)))
        self.assertEqual(len(self.runs), 1)

    def test_each_command(self) -> None:
        """Another command is another matter."""
        self.newer()
        self.newer(Secret("x", Command(arguments=("pass", "show", "other"))))
        self.assertEqual(len(self.runs), 2)

    def test_failures(self) -> None:
        """A failure is logged once, without the secret, and no longer once it works again."""
        with capturedLogs() as events:
            for output in (b"", b"", BadValue("it failed", ""), b"\xffhunter2", b"old-secret", b""):
                found = self.newer()
                if isinstance(output, bytes):
                    self.runs[-1].callback(output)
                else:
                    self.runs[-1].errback(output)
                self.assertIsNone(self.successResultOf(found))
                self.clock.advance(INTERVAL_S + 1)
        lines = [str(each["log_format"]).format(**each) for each in events]
        self.assertEqual(len(self.runs), 6)
        self.assertEqual(len(lines), 4, lines)
        self.assertNotIn("hunter2", str(lines))

    def test_bugs(self) -> None:
        """Any other exception is logged, and keeps nobody waiting."""
        found = self.newer()
        self.runs[0].errback(ZeroDivisionError())
        self.assertIsNone(self.successResultOf(found))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_not_shown(self) -> None:
        """What it keeps is not in its repr."""
        self.newer()
        self.runs[0].callback(b"new-secret")
        kept: Any = self.commands
        self.assertNotIn("new-secret", f"{kept._reruns!r} {kept!r}")
