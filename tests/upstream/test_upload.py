"""A body on its way to a server: in how many writes, how fast, and how it ends."""

from __future__ import annotations

from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from corsgate.upstream.body import KeptBody
from corsgate.upstream.upload import Upload, take_whole
from tests.server.support import Body, Wire

HEAD = b"PUT / HTTP/1.1\r\n\r\n"


class WritesWire(Wire):
    """A transport that keeps its writes apart."""

    def __init__(self) -> None:
        super().__init__(lenient=True)
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keep one."""
        self.writes.append(data)


class UploadTests(SynchronousTestCase):
    def begin(self, body: Body | KeptBody) -> Upload:
        """Begin to send a body."""
        self.wire = WritesWire()
        self.touched = 0
        self.ended: list[Failure | None] = []
        upload = Upload(HEAD, body, self.wire, self)
        upload.start()
        return upload

    def touch(self) -> None:
        """Count."""
        self.touched += 1

    def upload_ended(self, failure: Failure | None) -> None:
        """Note it."""
        self.ended.append(failure)

    def test_interfaces(self) -> None:
        """It is a consumer to the body, and a producer to the transport."""
        upload = self.begin(Body(4))
        verifyObject(IConsumer, upload)
        verifyObject(IPushProducer, upload)

    def test_together(self) -> None:
        """A body that is there leaves with its head, in one write."""
        self.begin(KeptBody(b"abc"))
        self.assertEqual((self.wire.writes, self.ended), ([HEAD + b"abc"], [None]))
        self.assertIsNone(self.wire.producer)

    def test_head_first(self) -> None:
        """The head doesn't wait for a body that doesn't come."""
        body = Body(6)
        self.begin(body)
        for piece in (b"abc", b"", b"def"):
            body.send(piece)
        self.assertEqual(self.wire.writes, [HEAD, b"abc", b"def"])
        self.assertEqual(self.ended, [])
        body.done.callback(None)
        self.assertEqual(self.ended, [None])

    def test_chunks(self) -> None:
        """A body of unknown length is chunked, its trailers at the end."""
        body = Body()
        body.trailers = [(b"X", b"1")]  # type: ignore[attr-defined]  # as a streamed body has them
        self.begin(body)
        body.send(b"hello")
        body.done.callback(None)
        self.assertEqual(self.wire.writes, [HEAD, b"5\r\nhello\r\n", b"0\r\nX: 1\r\n\r\n"])

    def test_pace(self) -> None:
        """A server that doesn't keep up holds the body."""
        body = Body(6)
        upload = self.begin(body)
        self.wire.pacing.pauseProducing()
        self.assertTrue(upload.held)
        self.wire.pacing.resumeProducing()
        self.assertFalse(upload.held)
        self.assertEqual((body.calls, self.touched), (["pause", "resume"], 2))

    def test_stopped(self) -> None:
        """Stopped, it sends no more, and whoever it is for hears of no end."""
        body = Body(6)
        upload = self.begin(body)
        upload.stop()
        upload.stop()
        body.send(b"abc")
        body.done.callback(None)
        self.assertEqual((self.wire.writes, self.ended, body.calls), ([HEAD], [], ["stop"]))
        self.assertIsNone(self.wire.producer)

    def test_broken(self) -> None:
        """A body that breaks off is told of, and gets no end that would make it look whole."""
        body, reason = Body(), Failure(ValueError("gone"))
        self.begin(body)
        body.send(b"abc")
        body.done.errback(reason)
        self.assertEqual(self.wire.writes, [HEAD, b"3\r\nabc\r\n"])
        self.assertEqual([failure.value for failure in self.ended if failure], [reason.value])

    def test_take_whole(self) -> None:
        """A body that is here is taken as a whole; one that doesn't say so isn't."""
        self.assertEqual(take_whole(KeptBody(b"abc")), b"abc")
        self.assertIsNone(take_whole(Body(3)))
