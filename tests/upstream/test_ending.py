"""How a connection ended."""

from __future__ import annotations

from twisted.internet.error import (
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    TimeoutError,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.upstream.ending import ending_of
from corsgate.upstream.parser import Ending
from tests.server.support import Wire


class EndingTests(SynchronousTestCase):
    def test_endings(self) -> None:
        """Only a close ends a body; over TLS, one without close_notify is told from a reset."""
        plain, closed, cut = Wire(), Wire(), Wire()
        closed.closed_below = True  # type: ignore[attr-defined]  # a TLS transport's
        cut.closed_below = False  # type: ignore[attr-defined]
        for reason, transport, ending in (
            (ConnectionDone(), plain, Ending.CLOSED),
            (ConnectionDone(), cut, Ending.CLOSED),
            (ConnectionLost(), closed, Ending.UNSEALED),
            (ConnectionLost(), cut, Ending.CUT),
            (ConnectionLost(), plain, Ending.CUT),
            (ConnectionAborted(), closed, Ending.CUT),
            (TimeoutError(), plain, Ending.CUT),
            (ConnectionLost(), None, Ending.CUT),
        ):
            self.assertIs(ending_of(Failure(reason), transport), ending, reason)
