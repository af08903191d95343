"""Calls in threads of their own."""

from __future__ import annotations

import signal
import threading

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import TestCase

from corsgate.transport.threads import call_in_thread
from tests.peers import reactor


class ThreadTests(TestCase):
    """`call_in_thread`."""

    timeout = 30

    async def test_result(self) -> None:
        """The result comes in the reactor's thread; the call was made in another, masked one."""

        def look(number: int) -> tuple[int, bool, bool]:
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            return number, threading.current_thread().daemon, signal.SIGTERM in blocked

        self.assertEqual(await call_in_thread(reactor, look, 5), (5, True, True))
        self.assertNotIn(signal.SIGTERM, signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    async def test_failure(self) -> None:
        """An exception is the failure of the Deferred."""
        with self.assertRaises(ZeroDivisionError):
            await call_in_thread(reactor, lambda: 1 // 0)

    async def test_cancelled(self) -> None:
        """A call that is no longer wanted goes on, and its result is dropped."""
        go, ended = threading.Event(), Deferred[None]()
        self.addCleanup(go.set)

        def work() -> None:
            go.wait()
            reactor.callFromThread(reactor.callLater, 0, ended.callback, None)

        found = call_in_thread(reactor, work)
        found.cancel()
        await self.assertFailure(found, CancelledError)
        go.set()
        await ended
