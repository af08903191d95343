"""How a connection ended."""

from __future__ import annotations

from OpenSSL.SSL import Error as SSLError
from twisted.internet.error import (
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    TimeoutError,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadUpstreamResponse, ConnectionReset, UpstreamError
from corsgate.upstream.ending import ending_of, explained
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

    def test_explained(self) -> None:
        """Only a reset for want of a certificate is put better."""
        wanted = SSLError([("SSL routines", "", "tlsv13 alert certificate required")])
        other = SSLError([("SSL routines", "", "tlsv1 alert internal error")])
        reset, cut = ConnectionReset("closed"), BadUpstreamResponse("cut short")
        cases: tuple[tuple[UpstreamError, Exception, str], ...] = (
            (reset, other, "closed"),
            (reset, SSLError(), "closed"),
            (reset, ConnectionLost(), "closed"),
            (cut, wanted, "cut short"),
        )
        for error, reason, expected in cases:
            self.assertEqual(str(explained(error, Failure(reason))), expected)
        found = explained(reset, Failure(wanted))
        self.assertIsInstance(found, ConnectionReset)
        self.assertIn("set client_certificate", str(found))
