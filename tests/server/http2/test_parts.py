"""The parts of HTTP/2 that decide without a connection: frames, allowances, the send queue."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import ConnectionFault
from corsgate.message.headers import HeaderList
from corsgate.server.http2.flood_limits import IDLE_FRAMES, RESETS, Allowance, FloodLimits
from corsgate.server.http2.frames import PREFACE, Code, Frame, FrameReader, Kind
from corsgate.server.http2.send_queue import MAX_HEADS, Block, Piece, SendQueue


def frame(kind: int, flags: int = 0, stream_id: int = 0, payload: bytes = b"") -> bytes:
    """Return a frame's bytes."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream_id.to_bytes(4) + payload


def seen(kind: int, flags: int = 0, size: int = 0) -> Frame:
    """Return a frame as it was read."""
    return Frame(kind, flags, 1, size, b"")


GREETING = seen(Kind.SETTINGS)


class FrameTests(SynchronousTestCase):
    """`FrameReader`."""

    @given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=6), st.data())
    def test_split(self, sent: list[tuple[int, bytes]], data: st.DataObject) -> None:
        """However the bytes are split, the frames are the same."""
        text = PREFACE + b"".join(frame(kind, 5, 7, payload) for kind, payload in sent)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=9)))
        reader, got = FrameReader(), list[Frame]()
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            got += reader.feed(text[start:end])
        self.assertEqual([(each.kind, each.raw[9:]) for each in got], sent)
        self.assertEqual(
            {(each.flags, each.stream_id) for each in got}, {(5, 7)} if sent else set()
        )
        self.assertFalse(reader.partial)

    def test_reserved_bit(self) -> None:
        """The bit before a stream's number is ignored (RFC 9113 4.1)."""
        (got,) = FrameReader().feed(PREFACE + frame(6, 0, 2**31 + 5))
        self.assertEqual(got.stream_id, 5)

    def test_no_http2(self) -> None:
        """Anything but the preface is refused by its first wrong byte."""
        for data in (b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nSX"):
            with self.assertRaises(ConnectionFault) as caught:
                list(FrameReader().feed(data))
            self.assertEqual(caught.exception.code, Code.PROTOCOL_ERROR)

    def test_too_large(self) -> None:
        """A frame that is too large is refused by its header, before it is there."""
        reader = FrameReader()
        list(reader.feed(PREFACE))
        self.assertEqual(len(list(reader.feed(frame(0, payload=bytes(16384))))), 1)
        with self.assertRaises(ConnectionFault) as caught:
            list(reader.feed((16385).to_bytes(3) + bytes(6)))
        self.assertEqual(caught.exception.code, Code.FRAME_SIZE_ERROR)


class ConductTests(SynchronousTestCase):
    """`FloodLimits` and `Allowance`."""

    def test_allowance(self) -> None:
        """A burst, then so many per second, and never more than a burst saved."""
        allowance = Allowance(3, 2)
        self.assertEqual([allowance.spend(10) for _ in range(4)], [True, True, True, False])
        self.assertEqual([allowance.spend(11) for _ in range(3)], [True, True, False])
        self.assertEqual([allowance.spend(99) for _ in range(4)], [True, True, True, False])
        allowance.earn(1.5)
        self.assertEqual([allowance.spend(99) for _ in range(2)], [True, False])

    def assert_fault(self, flood_limits: FloodLimits, code: int, *frames: Frame) -> None:
        """Assert that the last of the frames is one too many."""
        for each in frames[:-1]:
            flood_limits.frame_came(each, 0)
        with self.assertRaises(ConnectionFault) as caught:
            flood_limits.frame_came(frames[-1], 0)
        self.assertEqual(caught.exception.code, code)

    def test_greeting(self) -> None:
        """The first frame is SETTINGS, and no acknowledgement."""
        for first in (seen(Kind.HEADERS, 5), seen(Kind.SETTINGS, 1), seen(Kind.PING)):
            flood_limits = FloodLimits(100)
            self.assert_fault(flood_limits, Code.PROTOCOL_ERROR, first)
            self.assertFalse(flood_limits.greeted)

    def test_floods(self) -> None:
        """Frames that bring nothing are so many at once, whatever their kind."""
        many = int(IDLE_FRAMES)
        for kind in (2, 3, 4, 6, 8, 99):
            frames = [GREETING] + [seen(kind)] * many
            self.assert_fault(FloodLimits(100), Code.ENHANCE_YOUR_CALM, *frames)

    def test_resets(self) -> None:
        """So many streams are reset at once; more after a while."""
        flood_limits = FloodLimits(100)
        for _ in range(int(RESETS)):
            flood_limits.reset(0)
        self.assertRaises(ConnectionFault, flood_limits.reset, 0)
        flood_limits.reset(1)

    def test_earned(self) -> None:
        """A client that downloads may open windows as it goes."""
        flood_limits = FloodLimits(100)
        flood_limits.frame_came(GREETING, 0)
        for _ in range(int(IDLE_FRAMES) * 3):
            flood_limits.sent(16384)
            flood_limits.frame_came(seen(Kind.WINDOW_UPDATE), 0)
            flood_limits.frame_came(seen(Kind.WINDOW_UPDATE), 0)
        with self.assertRaises(ConnectionFault):
            for _ in range(int(IDLE_FRAMES) + 10):
                # A window of a byte at a time earns next to nothing.
                flood_limits.sent(1)
                flood_limits.frame_came(seen(Kind.WINDOW_UPDATE), 0)

    def test_answered(self) -> None:
        """However small the responses, each allows for what clients do for one."""
        flood_limits = FloodLimits(100)
        flood_limits.frame_came(GREETING, 0)
        for _ in range(int(IDLE_FRAMES) * 3):
            flood_limits.answered()
            for kind in (Kind.PRIORITY, Kind.WINDOW_UPDATE, Kind.WINDOW_UPDATE):
                flood_limits.frame_came(seen(kind), 0)

    def test_blocks(self) -> None:
        """A field block has a bound, and nothing comes between its frames."""
        head, more = seen(Kind.HEADERS, 0, 60), seen(Kind.CONTINUATION, 0, 40)
        flood_limits = FloodLimits(100)
        flood_limits.frame_came(GREETING, 0)
        flood_limits.frame_came(head, 0)
        self.assertTrue(flood_limits.in_block)
        flood_limits.frame_came(seen(Kind.CONTINUATION, 4, 40), 0)
        self.assertFalse(flood_limits.in_block)
        self.assert_fault(
            flood_limits, Code.ENHANCE_YOUR_CALM, head, more, seen(Kind.CONTINUATION, 4, 1)
        )
        for between in (Kind.DATA, Kind.PING, Kind.GOAWAY, Kind.HEADERS):
            self.assert_fault(FloodLimits(100), Code.PROTOCOL_ERROR, GREETING, head, seen(between))


HEAD: HeaderList = [(b":status", b"200")]
TRAILERS: HeaderList = [(b"x", b"y")]


class OutboxTests(SynchronousTestCase):
    """`SendQueue`."""

    def everything(self, send_queue: SendQueue, room: int) -> list[tuple[object, bool]]:
        """Return what is taken with so much room each time."""
        got: list[tuple[object, bool]] = []
        while (item := send_queue.take(room)) is not None:
            got.append((item.fields if isinstance(item, Block) else item.data, item.end))
        return got

    def test_order(self) -> None:
        """Heads, body, trailers; the last of them ends the stream."""
        for data, trailers, expected in (
            (b"", [], [(HEAD, True)]),
            (b"abc", [], [(HEAD, False), (b"ab", False), (b"c", True)]),
            (b"abc", TRAILERS, [(HEAD, False), (b"ab", False), (b"c", False), (TRAILERS, True)]),
            (b"", TRAILERS, [(HEAD, False), (TRAILERS, True)]),
        ):
            send_queue = SendQueue()
            self.assertFalse(send_queue.waiting)
            send_queue.put_head(HEAD)
            send_queue.put(data)
            self.assertEqual(send_queue.pending, len(data))
            send_queue.end(trailers)
            send_queue.put(b"late")
            send_queue.end([(b"late", b"")])
            self.assertTrue(send_queue.waiting)
            self.assertEqual(self.everything(send_queue, 2), expected)
            self.assertEqual(
                (send_queue.waiting, send_queue.sent, send_queue.pending), (False, True, 0)
            )

    def test_end_alone(self) -> None:
        """Where all has been taken the end comes by itself, even without room."""
        send_queue = SendQueue()
        send_queue.put_head(HEAD)
        send_queue.put(b"a")
        self.assertEqual(len(self.everything(send_queue, 9)), 2)
        self.assertFalse(send_queue.sent)
        send_queue.end()
        self.assertEqual(self.everything(send_queue, 0), [(b"", True)])

    def test_length(self) -> None:
        """A body whose length was told ends with it; before that it is short."""
        for length, pieces, short, last in (
            (0, [], False, (HEAD, True)),
            (3, [], True, (HEAD, False)),
            (3, [b"ab"], True, (b"ab", False)),
            (3, [b"ab", b"c", b"late"], False, (b"c", True)),
            (3, [b"abcd", b"late"], False, (b"abcd", True)),
            (None, [b"ab"], False, (b"ab", False)),
        ):
            send_queue = SendQueue()
            send_queue.put_head(HEAD, length)
            for piece in pieces:
                send_queue.put(piece)
            self.assertEqual(send_queue.short, short, pieces)
            self.assertEqual(self.everything(send_queue, 9)[-1], last)

    def test_no_room(self) -> None:
        """Heads need no room; the body waits for it."""
        send_queue = SendQueue()
        send_queue.put_interim(HEAD)
        send_queue.put_head(HEAD)
        send_queue.put(b"a")
        send_queue.end()
        self.assertEqual(self.everything(send_queue, 0), [(HEAD, False)] * 2)
        self.assertTrue(send_queue.waiting)
        last = send_queue.take(1)
        assert isinstance(last, Piece)
        self.assertEqual((last.data, last.end), (b"a", True))

    def test_interim_flood(self) -> None:
        """Of interim heads that nobody takes so many wait, and the final one."""
        send_queue = SendQueue()
        for _ in range(99):
            send_queue.put_interim(HEAD)
        send_queue.put_head(TRAILERS)
        got = self.everything(send_queue, 0)
        self.assertEqual((len(got), got[-1]), (MAX_HEADS + 1, (TRAILERS, False)))
