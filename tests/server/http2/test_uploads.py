"""Bodies on their way from frames to streams."""

from __future__ import annotations

from hyperframe.frame import DataFrame, Frame, RstStreamFrame
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.server.http2.flood_limits import IDLE_FRAMES
from tests.server.http2.client import Http2Client
from tests.server.support import Receiver, answer

LIMITS = Limits(min_upload_rate=0)


class Pieces(Receiver):
    """Notes each call."""

    def __init__(self, noted: list[bytes]) -> None:
        super().__init__()
        self._noted = noted

    def body_data(self, data: bytes) -> None:
        """Note a piece."""
        super().body_data(data)
        self._noted.append(data)


class UploadsTests(SynchronousTestCase):
    """`Uploads`."""

    def setUp(self) -> None:
        """Begin two uploads."""
        self.noted: list[bytes] = []
        self.client = Http2Client(LIMITS)
        self.one, self.other = (self.client.request(method=b"PUT", end=False) for _ in range(2))
        for request in self.client.requests:
            assert request.body is not None
            request.body.start(Pieces(self.noted))

    def sent(self, *frames: Frame) -> list[bytes]:
        """Return the calls that frames in one read lead to."""
        self.noted.clear()
        self.client.send(*frames)
        return list(self.noted)

    def test_joined(self) -> None:
        """The pieces of a read are passed on in one call, together with no other read's."""
        pieces = [DataFrame(self.one, data) for data in (b"a" * 500, b"b", b"c")]
        self.assertEqual(self.sent(*pieces), [b"a" * 500 + b"bc"])
        self.assertEqual(self.sent(DataFrame(self.one, b"d")), [b"d"])

    def test_in_order(self) -> None:
        """Bodies of several streams, padding and ends keep their order."""
        frames = (
            DataFrame(self.one, b"a"),
            DataFrame(self.one, b"b"),
            DataFrame(self.other, b"1"),
            DataFrame(self.one, b"c"),
            DataFrame(self.one, b"d", pad_length=9, flags=["PADDED"]),
            DataFrame(self.one, b"e"),
            DataFrame(self.one, b"f", flags=["END_STREAM"]),
            DataFrame(self.other, b"2"),
        )
        self.assertEqual(self.sent(*frames), [b"ab", b"1", b"c", b"d", b"e", b"f", b"2"])
        body = self.client.requests[0].body
        self.assertTrue(body is not None and body.complete)

    def test_before_trailers(self) -> None:
        """What comes before trailers is passed on before the end."""
        trailers = self.client.head(self.one, [(b"x", b"y")])
        self.assertEqual(self.sent(DataFrame(self.one, b"a"), trailers), [b"a"])
        body = self.client.requests[0].body
        assert body is not None
        self.assertEqual((body.complete, body.trailers), (True, [(b"x", b"y")]))

    def test_before_a_reset(self) -> None:
        """So is what comes before a reset; a stream that is gone gets nothing."""
        frames = (DataFrame(self.one, b"a"), RstStreamFrame(self.one, 8))
        self.assertEqual(self.sent(*frames, DataFrame(self.other, b"1")), [b"a", b"1"])
        self.assertEqual(self.client.goaways, [])

    def test_too_long(self) -> None:
        """A body that is longer than its Content-Length is noticed within a read, too."""
        length = [(b"content-length", b"3")]
        number = self.client.request(method=b"PUT", headers=length, end=False)
        self.client.send(DataFrame(number, b"12"), DataFrame(number, b"34"), DataFrame(number, b""))
        self.assertEqual(self.client.answers[number].reset, 1)
        self.assertEqual(self.client.goaways, [])

    def test_flood(self) -> None:
        """Tiny pieces that nobody wants are counted one by one, however they come."""
        answer(self.client.requests[0])
        tiny, empty = DataFrame(self.one, b"x"), DataFrame(self.other, b"")
        for frame in (tiny, empty):
            self.client.send(*[frame] * int(IDLE_FRAMES * 0.45))
        self.assertEqual(self.client.goaways, [])
        self.client.send(*[tiny] * int(IDLE_FRAMES * 0.2))
        self.assertEqual([code for _, code in self.client.goaways], [11])
