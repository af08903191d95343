"""Responses that leave as a whole."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.head import ResponseHead
from corsgate.server.http2.frames import MAX_FRAME_BYTES
from corsgate.server.http2.stream import Http2Stream
from corsgate.server.request import GateRequest
from tests.server.http2.client import INITIAL_WINDOW_SIZE, Http2Client

FIELDS = [(b"Content-Type", b"text/plain"), (b"Content-Length", b"99"), (b"Date", b"then")]
OK = ResponseHead(status=200, reason=b"OK", headers=FIELDS)


def write_whole(
    request: GateRequest, body: bytes, head: ResponseHead = OK, *, announced: bool = True
) -> None:
    """Write a whole response, and end it."""
    stream = request.channel
    assert isinstance(stream, Http2Stream)
    request.startedWriting = 1
    request.code = head.status
    bodiless = request.method == b"HEAD" or head.status in (204, 304)
    stream.write_whole(head, len(body) if announced else None, body, bodiless=bodiless)
    request.finish()


class WholeTests(SynchronousTestCase):
    """`Http2Stream.write_whole`."""

    def written(self, client: Http2Client) -> list[bytes]:
        """Return a list to which all that is written from now on is added."""
        writes: list[bytes] = []
        write = client.wire.write

        def record(data: bytes) -> None:
            writes.append(data)
            write(data)

        vars(client.wire)["write"] = record
        return writes

    def test_one_write(self) -> None:
        """Head and body leave in one write, with the length that the gate knows."""
        client = Http2Client()
        for turn in range(3):
            number = client.request()
            writes = self.written(client)
            write_whole(client.requests[-1], b"body")
            client.read()
            answer = client.answers[number]
            self.assertEqual((answer.status, answer.body, answer.ended), (200, b"body", True))
            expected = [(b"content-type", b"text/plain"), (b"date", b"then")]
            self.assertEqual(answer.headers, [*expected, (b"content-length", b"4")])
            # The first stream of a connection is sent by h2, in two frames as well.
            self.assertEqual((len(writes), answer.frames), (1, 1), turn)
        self.assertEqual(client.connection._streams, {})
        self.assertEqual(len(client.recorded), 3)

    def test_not_announced(self) -> None:
        """A length that the client is not told changes nothing else; trailers come last."""
        client = Http2Client()
        client.request()
        for body, trailers, frames in (
            (b"body", [], 1),
            (b"body", [(b"x", b"1")], 1),
            (b"", [], 0),
            (b"", [(b"x", b"1")], 0),
        ):
            number = client.request()
            client.requests[-1].trailers = trailers
            write_whole(client.requests[-1], body, announced=False)
            client.read()
            answer = client.answers[number]
            self.assertEqual(
                (answer.body, answer.trailers, answer.ended), (body, trailers or None, True)
            )
            self.assertEqual(answer.frames, frames)
            self.assertNotIn(b"content-length", answer.fields)
        self.assertEqual(list(client.connection._streams), [1])

    def test_bodiless(self) -> None:
        """Without a body the head ends the stream; a length is left out where it has no place."""
        no_content = ResponseHead(status=204, reason=b"", headers=[])
        not_modified = ResponseHead(status=304, reason=b"", headers=[])
        client = Http2Client()
        client.request()
        for method, head, body, length in (
            (b"GET", OK, b"", [b"0"]),
            (b"HEAD", OK, b"body", [b"4"]),
            (b"OPTIONS", no_content, b"", None),
            (b"GET", not_modified, b"body", [b"4"]),
        ):
            number = client.request(method=method)
            write_whole(client.requests[-1], body, head)
            client.read()
            answer = client.answers[number]
            self.assertEqual((answer.status, answer.body, answer.frames), (head.status, b"", 0))
            self.assertTrue(answer.ended)
            self.assertEqual(answer.fields.get(b"content-length"), length)

    def test_no_window(self) -> None:
        """What the client does not take yet waits, and leaves in pieces."""
        client = Http2Client(settings={INITIAL_WINDOW_SIZE: 3})
        client.request()
        number = client.request()
        write_whole(client.requests[-1], b"body")
        client.read()
        answer = client.answers[number]
        self.assertEqual((answer.status, answer.body, answer.ended), (200, b"bod", False))
        client.window(number, 1)
        self.assertEqual((answer.body, answer.ended), (b"body", True))

    def test_large(self) -> None:
        """A body of more than a frame leaves as the client takes it."""
        client = Http2Client()
        client.request()
        number = client.request()
        write_whole(client.requests[-1], bytes(MAX_FRAME_BYTES + 1))
        client.read()
        answer = client.answers[number]
        self.assertEqual((len(answer.body), answer.ended), (MAX_FRAME_BYTES + 1, True))
        self.assertEqual(answer.frames, 2)

    def test_paused(self) -> None:
        """A connection whose client does not keep up is given no more."""
        client = Http2Client()
        client.request()
        number = client.request()
        client.wire.pacing.pauseProducing()
        write_whole(client.requests[-1], b"body")
        client.read()
        self.assertEqual(client.answers[number].status, 0)
        client.wire.pacing.resumeProducing()
        client.read()
        self.assertEqual(client.answers[number].body, b"body")

    def test_behind_interim(self) -> None:
        """An interim head that waits comes first."""
        client = Http2Client()
        client.request()
        number = client.request()
        client.wire.pacing.pauseProducing()
        client.requests[-1].inform(ResponseHead(status=103, reason=b"", headers=[(b"Link", b"x")]))
        write_whole(client.requests[-1], b"body")
        client.wire.pacing.resumeProducing()
        client.read()
        answer = client.answers[number]
        self.assertEqual(answer.interim, [(103, [(b"link", b"x")])])
        self.assertEqual((answer.status, answer.body, answer.ended), (200, b"body", True))

    def test_with_upload(self) -> None:
        """A client that still sends its request has the response, and then may end."""
        client = Http2Client()
        number = client.request(method=b"PUT", end=False)
        write_whole(client.requests[-1], b"body")
        client.read()
        self.assertEqual(client.answers[number].body, b"body")
        client.data(number, b"late", end=True)
        self.assertEqual(client.connection._streams, {})
        self.assertIsNone(client.answers[number].reset)
