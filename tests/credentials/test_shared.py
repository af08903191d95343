"""Tests of `corsgate.credentials.shared`."""

from __future__ import annotations

import gc

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.shared import Shared


class _Thing:
    pass


class SharedTests(SynchronousTestCase):
    def test_one_for_each_key(self) -> None:
        """Equal keys have the same object, and others another one."""
        shared = Shared()
        first = shared.of(("a", 1), _Thing)
        self.assertIs(shared.of(("a", 1), _Thing), first)
        self.assertIsNot(shared.of(("a", 2), _Thing), first)

    def test_end(self) -> None:
        """The end waits for what must not be cut off, also where that fails."""
        shared = Shared()
        self.successResultOf(shared.ended())
        first: Deferred[str] = Deferred()
        second: Deferred[str] = Deferred()
        shared.await_at_end(first)
        shared.await_at_end(second)
        ended = shared.ended()
        first.callback("result")
        self.assertEqual(self.successResultOf(first), "result")
        self.assertNoResult(ended)
        second.errback(ValueError())
        self.failureResultOf(second, ValueError)
        self.successResultOf(ended)
        self.successResultOf(shared.ended())

    def test_unused_is_forgotten(self) -> None:
        """What nobody uses any more is made anew."""
        shared = Shared()
        made: list[int] = []

        def make() -> _Thing:
            made.append(1)
            return _Thing()

        shared.of("a", make)
        gc.collect()
        kept = shared.of("a", make)
        self.assertEqual(len(made), 2)
        self.assertIs(shared.of("a", make), kept)
        self.assertEqual(len(made), 2)
