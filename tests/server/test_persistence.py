"""Whether a connection stays open behind a response, and what the response says of that."""

from __future__ import annotations

from typing import cast

import attrs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.server.persistence import persistence, stays_open
from corsgate.server.request import GateRequest
from corsgate.server.request_body import RequestBody

CLOSE = b"Connection: close\r\n"


@attrs.define(kw_only=True)
class Request:
    """What is asked of a request."""

    persistent: bool = True
    clientproto: bytes = b"HTTP/1.1"
    body: RequestBody | None = None


def awaited() -> RequestBody:
    """Return a body that its client holds back until it is asked for it."""
    body = RequestBody(9, 9, lambda: None)
    body.expect_continue(lambda: None)
    return body


def failed() -> RequestBody:
    """Return a body that will never be complete."""
    body = RequestBody(9, 9, lambda: None)
    body.fail(Failure(ZeroDivisionError()))
    return body


class PersistenceTests(SynchronousTestCase):
    def test_line(self) -> None:
        """Closing is said to everyone, staying open to those who expect the end."""
        for delimited, draining, request, line in (
            (True, False, Request(), b""),
            (True, False, Request(clientproto=b"HTTP/1.0"), b"Connection: keep-alive\r\n"),
            (True, False, Request(body=RequestBody(9, 9, lambda: None)), b""),
            (True, False, Request(persistent=False), CLOSE),
            (False, False, Request(), CLOSE),
            (False, False, Request(clientproto=b"HTTP/1.0"), CLOSE),
            (True, True, Request(), CLOSE),
            (True, False, Request(body=awaited()), CLOSE),
            (True, False, Request(body=failed()), CLOSE),
        ):
            made = cast(GateRequest, request)
            said = persistence(made, delimited=delimited, draining=draining)
            self.assertEqual(said, line, request)
            self.assertEqual(stays_open(made, draining=draining), line != CLOSE, request)

    def test_drains_after_the_head(self) -> None:
        """A gate that begins to drain behind the head closes behind the body."""
        made = cast(GateRequest, Request())
        self.assertEqual(persistence(made, delimited=True, draining=False), b"")
        self.assertFalse(stays_open(made, draining=True))
