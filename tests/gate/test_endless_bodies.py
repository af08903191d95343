"""Bodies that may never end: which they are, and where a drain ends them."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.endless_bodies import (
    CUT,
    ENDED,
    EVENTS,
    PICTURES,
    EndlessBody,
    EventStream,
    endless_body,
    kind_of_body,
)
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import HeaderList, index_headers
from corsgate.server.request_log import RequestLog
from corsgate.transport.endless import EndlessExchanges, Fate, Stage

EVENT = b"data: 1\n\n"


class Asked:
    """A GateRequest as far as a body needs it.

    Attributes:
        written: What the client was sent.
        cuts: What the log said when it was cut off.
    """

    def __init__(self, method: bytes = b"GET", accept: bytes = EVENTS.encode()) -> None:
        fields: HeaderList = [(b"Accept", accept)] if accept else []
        self.head = RequestHead(method=method, target=b"/", headers=fields)
        self.index = index_headers(fields)
        self.log = RequestLog()
        self.gone = False
        self.written = b""
        self.cuts: list[str | None] = []
        self.channel = self.context = self
        self.reactor = Clock()
        self.endless = EndlessExchanges()

    def notifyFinish(self) -> Deferred[None]:
        """Never fire."""
        return Deferred()

    def write(self, data: bytes) -> None:
        """Note it."""
        self.written += data

    def abort(self) -> None:
        """Note it."""
        self.cuts.append(self.log.outcome)
        self.gone = True


def head(media: bytes = b"text/event-stream", *more: tuple[bytes, bytes]) -> ResponseHead:
    """Return an upstream's head."""
    return ResponseHead(status=200, reason=b"", headers=[(b"Content-Type", media), *more])


class KindTests(SynchronousTestCase):
    def test_kinds(self) -> None:
        """A body counts as endless only where its client can ask for it again."""
        for asked, came, kind in (
            (Asked(), head(), EVENTS),
            (Asked(), head(b"Text/Event-Stream; charset=utf-8"), EVENTS),
            (Asked(accept=b"application/json, text/event-stream"), head(), EVENTS),
            (Asked(accept=b"*/*"), head(), None),
            (Asked(accept=b""), head(), None),
            (Asked(b"POST"), head(), None),
            (Asked(), head(b"application/x-ndjson"), None),
            (Asked(), head(b"text/plain"), None),
            (Asked(accept=b"image/*"), head(b"multipart/x-mixed-replace;boundary=b"), PICTURES),
            (Asked(b"POST"), head(b"multipart/x-mixed-replace"), None),
            (Asked(), ResponseHead(status=200, reason=b"", headers=[]), None),
            (Asked(), ResponseHead(status=503, reason=b"", headers=head().headers), None),
        ):
            request: Any = asked
            self.assertEqual(kind_of_body(request, came), kind, (asked.head, came))

    def test_made(self) -> None:
        """What an encoding hides can only be cut; anything else is left alone."""
        gzip = (b"Content-Encoding", b"gzip")
        for came, made in (
            (head(), EventStream),
            (head(EVENTS.encode(), gzip), EndlessBody),
            (head(PICTURES.encode()), EndlessBody),
            (head(b"text/plain"), type(None)),
        ):
            asked: Any = Asked()
            body = endless_body(asked, came, lambda: None)
            self.assertIs(type(body), made)
            self.assertIs(asked.endless.of(asked), body)


class EventStreamTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Begin an event stream."""
        self.asked = Asked()
        self.ends = 0
        asked: Any = self.asked
        self.stream = EventStream(asked, self.end)

    def end(self) -> None:
        """Note the end."""
        self.ends += 1
        self.asked.gone = True

    def advance(self, stage: Stage = Stage.DRAINING) -> None:
        """Bring the drain to a stage."""
        self.stream.advance(stage)
        self.asked.reactor.advance(0)

    def assert_ended(self) -> None:
        """Assert that it has ended once, in good order."""
        self.assertEqual((self.ends, self.asked.cuts), (1, []))
        self.assertEqual((self.stream.fate, self.asked.log.outcome), (Fate.ENDED, ENDED))

    def test_between_events(self) -> None:
        """It ends at once where no event is under way."""
        for came in (b"", EVENT, EVENT + b":\n\n"):
            self.setUp()
            if came:
                self.stream.write(came)
            self.advance()
            self.assertEqual(self.asked.written, came)
            self.assert_ended()

    def test_within_an_event(self) -> None:
        """It ends behind the event that is under way, and not a byte later."""
        for at in range(1, len(EVENT)):
            self.setUp()
            self.stream.write(EVENT[:at])
            self.advance()
            self.assertEqual(self.ends, 0)
            self.stream.write(EVENT[at:] + EVENT)
            self.assertEqual(self.asked.written, EVENT)
            self.assert_ended()

    def test_byte_by_byte(self) -> None:
        """An event that comes in pieces is awaited."""
        self.stream.write(EVENT[:1])
        self.advance()
        for byte in EVENT[1:]:
            self.assertEqual(self.ends, 0)
            self.stream.write(bytes((byte,)))
        self.assertEqual(self.asked.written, EVENT)
        self.assert_ended()

    def test_begins_late(self) -> None:
        """One that begins in any stage ends at once; it isn't cut."""
        for stage in (Stage.DRAINING, Stage.ENDING, Stage.CUTTING):
            self.setUp()
            self.advance(stage)
            self.assert_ended()

    def test_never_ends(self) -> None:
        """An event that never ends is cut when the grace is over."""
        self.stream.write(b"data: 1\n")
        self.advance()
        self.stream.write(b"data: 2\n")
        self.assertEqual((self.ends, self.asked.cuts), (0, []))
        self.advance(Stage.ENDING)
        self.assertEqual((self.ends, self.asked.cuts, self.stream.fate), (0, [CUT], Fate.CUT))

    def test_gone(self) -> None:
        """One that has ended by itself is left alone."""
        self.stream.advance(Stage.DRAINING)
        self.asked.gone = True
        self.asked.reactor.advance(0)
        self.advance(Stage.CUTTING)
        self.assertEqual((self.ends, self.asked.cuts, self.stream.fate), (0, [], Fate.NONE))


class PictureTests(SynchronousTestCase):
    def test_cut(self) -> None:
        """A picture stream goes on until the grace is over, and is cut then."""
        asked: Any = Asked()
        body = EndlessBody(asked, "picture stream")
        body.advance(Stage.DRAINING)
        asked.reactor.advance(0)
        body.write(b"x")
        self.assertEqual((asked.written, asked.cuts), (b"x", []))
        body.advance(Stage.ENDING)
        asked.reactor.advance(0)
        self.assertEqual((asked.cuts, body.fate), ([CUT], Fate.CUT))
