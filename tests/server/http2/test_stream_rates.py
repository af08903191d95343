"""How fast bodies move over HTTP/2, and for how long they stall."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.errors import BodyTimedOut
from corsgate.message.head import ResponseHead
from tests.server.http2.client import INITIAL_WINDOW_SIZE, Http2Client
from tests.server.support import Receiver, answer

OK = ResponseHead(status=200, reason=b"", headers=[])
WINDOW = 65536
LIMITS = Limits(
    max_buffered_bytes=WINDOW, client_body_timeout_s=20, min_upload_rate=0, min_download_rate=0
)
RATES = Limits(
    max_buffered_bytes=WINDOW, min_upload_rate=100, min_download_rate=100, min_rate_grace_s=5
)


class RateTests(SynchronousTestCase):
    """Bodies have a least rate, in which all streams of a connection share."""

    def upload(self, client: Http2Client) -> tuple[int, Receiver]:
        """Return a stream whose body is awaited, and what takes it."""
        number = client.request(method=b"PUT", end=False)
        body, receiver = client.requests[-1].body, Receiver()
        assert body is not None
        body.start(receiver)
        return number, receiver

    def download(self, client: Http2Client, size: int) -> int:
        """Return a stream whose response is there."""
        number = client.request()
        answer(client.requests[-1], bytes(size))
        return number

    def test_upload(self) -> None:
        """A byte now and then is too slow, and so are padding and empty frames."""
        for drip in (b"\x00\x00\x01\x00\x00@x", b"\x00\x00\x00\x00\x00@"):
            client = Http2Client(RATES)
            number, receiver = self.upload(client)
            for _ in range(4):
                client.raw(drip.replace(b"@", number.to_bytes(4)))
                client.wait(1)
            self.assertEqual(receiver.failures, [])
            client.wait(2)
            self.assertEqual([type(each) for each in receiver.failures], [BodyTimedOut])

    def test_padding(self) -> None:
        """Padding puts no deadline off, though it uses up the window."""
        client = Http2Client(LIMITS)
        number, receiver = self.upload(client)
        padded = b"\x00\x01\x00\x00\x08" + number.to_bytes(4) + b"\xff" + bytes(255)
        for _ in range(19):
            client.raw(padded * 20)
            client.wait(1)
        self.assertEqual(receiver.failures, [])
        client.raw(padded)
        client.wait(2)
        self.assertEqual([type(each) for each in receiver.failures], [BodyTimedOut])

    def test_uploads_share(self) -> None:
        """Many uploads over a slow way are fast enough where all together are."""
        client = Http2Client(RATES)
        uploads = [self.upload(client) for _ in range(10)]
        for _ in range(20):
            for number, _ in uploads:
                client.data(number, bytes(10))
            client.wait(1)
        self.assertEqual([receiver.failures for _, receiver in uploads], [[]] * 10)
        client.wait(10)
        self.assertEqual([len(receiver.failures) for _, receiver in uploads], [1] * 10)

    def test_no_window(self) -> None:
        """A response for which there never is a window is cut after the grace."""
        client = Http2Client(RATES, settings={INITIAL_WINDOW_SIZE: 0})
        number = self.download(client, 1)
        client.wait(4)
        client.read()
        self.assertIsNone(client.answers[number].reset)
        client.wait(2)
        client.read()
        self.assertEqual(client.answers[number].reset, 8)
        self.assertTrue(client.open)

    def test_kept_shut(self) -> None:
        """What other streams take does not help one whose own window is kept shut."""
        client = Http2Client(RATES, settings={INITIAL_WINDOW_SIZE: 10})
        stuck, steady = (self.download(client, 30_000) for _ in range(2))
        for _ in range(10):
            client.window(steady, 1000)
            client.wait(1)
        client.read()
        self.assertEqual((client.answers[stuck].reset, client.answers[steady].reset), (8, None))

    def test_downloads_share(self) -> None:
        """A stream that waits for its turn has what the others take."""
        client = Http2Client(RATES, settings={INITIAL_WINDOW_SIZE: 2**20})
        first = self.download(client, 60_000)
        waiting = self.download(client, 10_000)
        client.wait(250)
        client.read()
        self.assertIsNone(client.answers[waiting].reset)
        client.window(0, 10_000)
        self.assertTrue(client.answers[first].ended and client.answers[waiting].ended)

    def test_event_stream(self) -> None:
        """A stream that has nothing to send is not taken slowly, nor one that is taken at once."""
        client = Http2Client(RATES)
        number = client.request()
        (request,) = client.requests
        request.begin(OK, None)
        for _ in range(10):
            request.write(b"event")
            client.wait(100)
            self.assertEqual(request.channel.stalled_s(client.clock.seconds()), 0)
        client.read()
        self.assertIsNone(client.answers[number].reset)

    def test_stalled(self) -> None:
        """A stream stalls while its client has to send, or to take, and at no other time."""
        client = Http2Client(LIMITS, settings={INITIAL_WINDOW_SIZE: 0})

        def stalled() -> list[float]:
            return [
                round(each.channel.stalled_s(client.clock.seconds())) for each in client.requests
            ]

        number, _ = self.upload(client)
        client.request()
        client.wait(3)
        self.assertEqual(stalled(), [3, 0])
        client.data(number, bytes(16 * 1024 * 2))
        self.assertEqual(stalled(), [1, 0])
        body = client.requests[0].body
        assert body is not None
        body.pause()
        # The window has doubled.
        client.data(number, bytes(2 * WINDOW))
        client.wait(5)
        self.assertEqual(stalled(), [0, 0])
        client.requests[1].begin(OK, None)
        client.requests[1].write(b"x")
        client.wait(5)
        self.assertEqual(stalled(), [0, 5])

    def test_common(self) -> None:
        """A request that is answered at once waits for nothing, and keeps no account."""
        client = Http2Client(RATES)
        client.request()
        stream: Any = client.requests[0].channel
        answer(client.requests[0], bytes(1000))
        self.assertIsNone(stream._timeouts)
