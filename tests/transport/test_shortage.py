"""Connections to servers that fail for want of something of the gate's own."""

from __future__ import annotations

import errno
import os
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectBindError, ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.failure_causes import cause_of
from corsgate.balance.retry import nothing_sent
from corsgate.config.model.values import Limits, PoolLimits, Server
from corsgate.errors import ConnectFailed, OutOfDescriptors
from corsgate.transport.deadlines import Deadlines
from corsgate.transport.shortage import is_shortage, no_descriptor
from corsgate.upstream.pool import ServerPool


class FailingReactor(MemoryReactorClock):
    """A reactor whose first connections fail.

    Attributes:
        errors: What they fail with, in turn.
        tries: How many there were.
    """

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)
        self.tries = 0

    def connectTCP(self, *arguments: Any, **others: Any) -> Any:
        """Fail, or connect as ever."""
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return super().connectTCP(*arguments, **others)


class IsShortage(SynchronousTestCase):
    def test_codes(self) -> None:
        """It is told by its number, whichever exception carries that."""
        for code in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            text = os.strerror(code)
            for error in (OSError(code, text), ConnectBindError(code, text)):
                self.assertTrue(is_shortage(Failure(error)))
        refused = errno.ECONNREFUSED
        for other in (OSError(refused, ""), ConnectionRefusedError(refused), CancelledError()):
            self.assertFalse(is_shortage(Failure(other)))


class PoolTests(SynchronousTestCase):
    """What a pool does about it."""

    def take(self, *errors: Exception) -> Any:
        """Ask for a connection where the first tries fail in these ways."""
        self.reactor = FailingReactor(*errors)
        self.shortages: list[int] = []
        server = Server(scheme="http", host="10.0.0.1", port=80)
        self.pool = ServerPool(
            self.reactor,
            Deadlines(self.reactor),
            server,
            None,
            PoolLimits(),
            lambda: self.shortages.append(self.reactor.tries),
        )
        taken = self.pool.take(Limits())
        self.reactor.pump([0, 0, 0])
        return taken

    def test_tries_once_more(self) -> None:
        """What can be closed is closed, then the server is tried once more."""
        taken = self.take(no_descriptor())
        self.assertEqual((self.shortages, self.reactor.tries), ([1], 2))
        self.assertNoResult(taken)
        taken.addErrback(lambda _: None).cancel()

    def test_in_vain(self) -> None:
        """If that fails too, it is no fault of the server's, and the slot is free again."""
        taken = self.take(no_descriptor(), no_descriptor())
        error = self.failureResultOf(taken, OutOfDescriptors).value
        self.assertEqual((self.shortages, self.reactor.tries), ([1], 2))
        self.assertIsNone(cause_of(error))
        self.assertFalse(nothing_sent(error))
        self.assertEqual(self.pool.connections, 0)

    def test_refused(self) -> None:
        """A server that refuses is not tried again, and nothing is closed for it."""
        error = self.failureResultOf(self.take(ConnectionRefusedError(errno.ECONNREFUSED)))
        self.assertEqual((self.shortages, self.reactor.tries), ([], 1))
        self.assertEqual(cause_of(error.value), "connect")
        self.assertNotIsInstance(error.value, OutOfDescriptors)
        self.assertIsInstance(error.value, ConnectFailed)

    def test_cancelled_meanwhile(self) -> None:
        """A client that leaves before the second try has none made."""
        self.reactor = FailingReactor(no_descriptor())
        server = Server(scheme="http", host="10.0.0.1", port=80)
        pool = ServerPool(self.reactor, Deadlines(self.reactor), server, None, PoolLimits())
        taken = pool.take(Limits())
        taken.cancel()
        self.reactor.pump([0, 0, 0])
        self.failureResultOf(taken, CancelledError)
        self.assertEqual((self.reactor.tries, pool.connections), (1, 0))
        self.assertEqual(self.reactor.getDelayedCalls(), [])
