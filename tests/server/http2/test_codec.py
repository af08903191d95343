"""`Codec`: a stream that h2 has not seen is as one that it has."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.errors import ConnectionFault
from corsgate.message.headers import HeaderList
from corsgate.server.http2.codec import FIRST_WINDOW, Codec
from corsgate.server.http2.field_encoder import FieldEncoder
from corsgate.server.http2.frames import (
    END_HEADERS,
    END_STREAM,
    MAX_FRAME_BYTES,
    PADDED,
    PREFACE,
    PRIORITY,
    Code,
    Frame,
    FrameReader,
    Kind,
    frame_bytes,
)
from corsgate.server.request import GateRequest
from corsgate.shortcuts import Shortcuts
from tests.server.http2.client import PSEUDO, Http2Client
from tests.server.http2.test_connection_anything import FRAMES, GOOD
from tests.server.support import answer

GET: HeaderList = [*PSEUDO, (b":path", b"/")]
OK: HeaderList = [(b":status", b"200"), (b"x", b"1")]
WHOLE = END_STREAM | END_HEADERS
BLOCK = FieldEncoder().encode(GET)
WINDOWS = st.builds(
    lambda number, size: frame_bytes(Kind.WINDOW_UPDATE, 0, number, size.to_bytes(4)),
    st.sampled_from(range(1, 20, 2)),
    st.sampled_from([1, 20_000, 2**30, 2**31 - 65536, 2**31 - 65535, 2**31]),
)
REQUESTS = st.builds(
    frame_bytes,
    st.just(Kind.HEADERS),
    st.just(WHOLE),
    st.sampled_from(range(1, 20, 2)),
    st.just(BLOCK),
)
# A block in two pieces, which may come in two reads, or not at all.
PIECES = st.builds(
    lambda number, ends: frame_bytes(
        Kind.CONTINUATION if ends else Kind.HEADERS,
        END_HEADERS if ends else END_STREAM,
        number,
        BLOCK[3:] if ends else BLOCK[:3],
    ),
    st.sampled_from([15, 17]),
    st.booleans(),
)


def frames_of(data: bytes) -> list[Frame]:
    """Return the frames in what was sent."""
    return list(FrameReader().feed(PREFACE + data))


def head(number: int, flags: int = WHOLE, payload: bytes = BLOCK) -> Frame:
    """Return a request's HEADERS."""
    (frame,) = frames_of(frame_bytes(Kind.HEADERS, flags, number, payload))
    return frame


class DataTests(SynchronousTestCase):
    """Pieces of bodies that h2 doesn't get."""

    def setUp(self) -> None:
        """Open streams: 1 is open, 3 has ended, 5 was reset, and 7 has sent its response."""
        self.codec = codec = Codec(Limits())
        for flags, number in ((END_HEADERS, 1), (WHOLE, 3), (END_HEADERS, 5), (END_HEADERS, 7)):
            codec.receive(head(number, flags))
        codec.reset(5, Code.CANCEL, give_up=True)
        codec.send_block(7, OK, end=True)

    def data(self, number: int, size: int, flags: int = 0) -> Frame:
        """Return a DATA frame."""
        (frame,) = frames_of(frame_bytes(Kind.DATA, flags, number, bytes(size)))
        return frame

    def test_takes(self) -> None:
        """A piece changes the windows as it does in h2, which goes on from there."""
        for number in (1, 7):
            self.setUp()
            windows = []
            for takes in (True, False):
                frame = self.data(number, 1000)
                if takes:
                    self.assertTrue(self.codec.takes_data(frame))
                else:
                    self.codec.receive(frame)
                h2 = self.codec._h2
                windows.append(
                    (h2.inbound_flow_control_window, h2.remote_flow_control_window(number))
                )
            (shared, own), after = windows
            self.assertEqual(after, (shared - 1000, own - 1000))
            self.assertEqual(own, self.codec.stream_window - 1000)
            self.codec.receive(self.data(number, 1, END_STREAM))

    def test_for_h2(self) -> None:
        """Anything else is for h2, which judges it."""
        for frame in (
            self.data(1, 10, END_STREAM),
            self.data(1, 10, PADDED),
            self.data(3, 10),
            self.data(5, 10),
            self.data(9, 10),
            self.data(0, 10),
            head(1),
        ):
            self.assertFalse(self.codec.takes_data(frame), frame)

    def test_windows(self) -> None:
        """No window may be exceeded; h2 has the error for that."""
        for number in (1, 7):
            self.setUp()
            left = self.codec.stream_window
            while left >= MAX_FRAME_BYTES:
                self.assertTrue(self.codec.takes_data(self.data(number, MAX_FRAME_BYTES)))
                left -= MAX_FRAME_BYTES
            self.assertFalse(self.codec.takes_data(self.data(number, left + 1)))
            with self.assertRaises(ConnectionFault) as caught:
                self.codec.receive(self.data(number, left + 1))
            self.assertEqual(caught.exception.code, 3)

    def test_shared_window(self) -> None:
        """The connection's window is not exceeded either."""
        while self.codec.takes_data(self.data(1, MAX_FRAME_BYTES)):
            self.codec.credit_stream(1, MAX_FRAME_BYTES)
        with self.assertRaises(ConnectionFault) as caught:
            self.codec.receive(self.data(1, MAX_FRAME_BYTES))
        self.assertEqual(caught.exception.code, 3)


class UnseenTests(SynchronousTestCase):
    """Streams that h2 has not seen."""

    def setUp(self) -> None:
        """Open a first stream, which h2 sees, as it does the client's settings."""
        self.codec = Codec(Limits())
        self.receive(Kind.SETTINGS)
        self.assertFalse(self.codec.opens(head(1)))
        self.codec.receive(head(1))
        self.codec.take()

    def receive(self, kind: int, flags: int = 0, number: int = 0, payload: bytes = b"") -> None:
        """Have a frame come."""
        (frame,) = frames_of(frame_bytes(kind, flags, number, payload))
        self.codec.receive(frame)

    def test_opens(self) -> None:
        """A request that has ended needs no more of h2 than a number."""
        self.assertTrue(self.codec.opens(head(3)))
        self.assertEqual((self.codec.fields, self.codec.last_id), (GET, 3))
        self.assertEqual(list(self.codec._h2.streams), [1])

    def test_for_h2(self) -> None:
        """What h2 has to judge is for it: any other frame, and what is out of order."""
        self.assertTrue(self.codec.opens(head(5)))
        for frame in (
            head(7, END_HEADERS),
            head(7, END_STREAM),
            head(7, WHOLE | PADDED, b"\x00" + BLOCK),
            head(4),
            head(3),
            head(5),
            head(7, WHOLE | PRIORITY, bytes(4)),
            head(7, WHOLE | PRIORITY, b"\x80\x00\x00\x07\x00" + BLOCK),
            *frames_of(frame_bytes(Kind.DATA, WHOLE, 7, b"")),
        ):
            self.assertFalse(self.codec.opens(frame), frame)
        self.assertTrue(self.codec.opens(head(7, WHOLE | PRIORITY, b"\x80\0\0\0\xff" + BLOCK)))
        self.assertEqual(self.codec.fields, GET)

    def test_whole(self) -> None:
        """A response leaves as a head and the one piece of its body, or as a head alone."""
        for number, body, kinds in ((3, b"x", [Kind.HEADERS, Kind.DATA]), (5, b"", [Kind.HEADERS])):
            self.codec.opens(head(number))
            self.assertTrue(self.codec.send_whole(number, OK, body))
            sent = frames_of(self.codec.take())
            self.assertEqual([frame.kind for frame in sent], kinds)
            ends = [bool(frame.flags & END_STREAM) for frame in sent]
            self.assertEqual(ends, [False] * (len(kinds) - 1) + [True])
            self.assertEqual(sent[-1].raw[9:] if body else b"", body)
        self.assertEqual(self.codec._h2.outbound_flow_control_window, FIRST_WINDOW - 1)
        self.assertFalse(self.codec.send_whole(5, OK, b""))

    def test_no_room(self) -> None:
        """What its client does not take now is not sent as a whole."""
        self.codec.opens(head(3))
        self.assertFalse(self.codec.send_whole(3, OK, bytes(MAX_FRAME_BYTES + 1)))
        self.assertFalse(self.codec.send_whole(1, OK, b"seen"))
        self.receive(Kind.SETTINGS, 0, 0, b"\x00\x04" + (10).to_bytes(4))
        self.codec.opens(head(5))
        self.assertFalse(self.codec.send_whole(5, OK, bytes(11)))
        self.assertTrue(self.codec.send_whole(5, OK, bytes(10)))
        self.receive(Kind.SETTINGS, 0, 0, b"\x00\x04" + (2**20).to_bytes(4))
        numbers = range(7, 21, 2)
        sent = []
        for number in numbers:
            self.codec.opens(head(number))
            sent.append(self.codec.send_whole(number, OK, bytes(MAX_FRAME_BYTES)))
        # The connection's window has room for less than four.
        self.assertEqual(sent, [True] * 3 + [False] * 4)

    def test_large_head(self) -> None:
        """A head of any size leaves, in as many frames as it takes."""
        self.codec.opens(head(3))
        large: HeaderList = [*OK, (b"large", b"\xff" * 40_000)]
        self.assertTrue(self.codec.send_whole(3, large, b"x"))
        sent = frames_of(self.codec.take())
        kinds = [Kind.HEADERS, Kind.CONTINUATION, Kind.CONTINUATION, Kind.DATA]
        self.assertEqual([frame.kind for frame in sent], kinds)
        self.assertEqual([frame.flags for frame in sent], [0, 0, END_HEADERS, END_STREAM])

    def test_shown(self) -> None:
        """Whatever else happens on a stream, h2 sees it then, in its order."""
        numbers = [3, 5, 7, 9]
        for number in numbers:
            self.codec.opens(head(number))
        self.codec.send_block(7, OK, end=False)
        self.assertEqual(self.codec.room(7), MAX_FRAME_BYTES)
        self.receive(Kind.PRIORITY, 0, 5, bytes(5))
        self.codec.reset(3, Code.CANCEL, give_up=False)
        self.codec.send_data(7, b"x", end=True)
        self.assertEqual(self.codec.last_id, 9)
        self.assertEqual(sorted(self.codec._h2.streams), [1, 3, 5, 7])
        self.assertFalse(self.codec.is_shut(9))
        self.assertEqual(self.codec.last_id, 9)
        kinds = [Kind.HEADERS, Kind.RST_STREAM, Kind.DATA]
        self.assertEqual([frame.kind for frame in frames_of(self.codec.take())], kinds)

    def test_in_block(self) -> None:
        """A response may begin while another request's field block comes in pieces."""
        for number in (3, 5):
            self.codec.opens(head(number))
        begun, ended = head(7, END_STREAM, BLOCK[:3]), (Kind.CONTINUATION, END_HEADERS, 7)
        self.assertFalse(self.codec.opens(begun))
        self.codec.receive(begun)
        self.codec.send_block(5, OK, end=False)
        self.codec.reset(3, Code.CANCEL, give_up=False)
        self.receive(*ended, BLOCK[3:])
        self.assertEqual((self.codec.fields, self.codec.last_id), (GET, 7))
        self.codec.send_data(5, b"x", end=True)
        kinds = [Kind.HEADERS, Kind.RST_STREAM, Kind.DATA]
        self.assertEqual([frame.kind for frame in frames_of(self.codec.take())], kinds)

    def test_window(self) -> None:
        """A window that is opened once needs no h2; it counts as soon as h2 sees the stream."""
        for sizes, seen in (([7], False), ([7, 8], True), ([0], None), ([2**31 - 1], True)):
            self.setUp()
            self.codec.opens(head(3))
            window = FIRST_WINDOW + sum(sizes)
            if seen is None:
                with self.assertRaises(ConnectionFault):
                    self.receive(Kind.WINDOW_UPDATE, 0, 3, bytes(4))
                continue
            for size in sizes:
                self.receive(Kind.WINDOW_UPDATE, 0, 3, size.to_bytes(4))
            self.assertEqual(3 in self.codec._h2.streams, seen, sizes)
            if window < 2**31:
                self.assertFalse(self.codec.is_shut(3))
                stream = self.codec._h2.streams[3]
                self.assertEqual(stream.outbound_flow_control_window, window)

    def test_pieces(self) -> None:
        """A body's pieces count against both windows."""
        self.codec.opens(head(3))
        self.codec.send_block(3, OK, end=False)
        for size in (1, 0, 100):
            self.codec.send_data(3, memoryview(bytes(size)), end=False)
        self.codec.send_data(3, b"x", end=True)
        kinds = [(frame.kind, frame.flags) for frame in frames_of(self.codec.take())]
        pieces = [(Kind.DATA, 0)] * 3
        self.assertEqual(kinds, [(Kind.HEADERS, 4), *pieces, (Kind.DATA, END_STREAM)])
        h2 = self.codec._h2
        self.assertEqual(h2.outbound_flow_control_window, FIRST_WINDOW - 102)
        self.assertEqual(h2.streams[3].outbound_flow_control_window, FIRST_WINDOW - 102)

    def test_late(self) -> None:
        """What comes for a stream that has ended is judged as h2 does (RFC 9113 5.1)."""
        for kind, payload, code in (
            (Kind.HEADERS, BLOCK, 5),
            (Kind.WINDOW_UPDATE, (1).to_bytes(4), None),
            (Kind.RST_STREAM, (8).to_bytes(4), None),
            (Kind.PRIORITY, bytes(5), None),
        ):
            self.setUp()
            self.codec.opens(head(3))
            self.codec.send_whole(3, OK, b"x")
            if code is None:
                self.receive(kind, END_HEADERS, 3, payload)
                continue
            with self.assertRaises(ConnectionFault) as caught:
                self.receive(kind, END_HEADERS, 3, payload)
            self.assertEqual(caught.exception.code, code)

    def test_bounded(self) -> None:
        """Of thousands of streams little is left, whichever way they went."""
        for number in range(3, 8003, 4):
            self.codec.opens(head(number))
            self.codec.send_whole(number, OK, b"")
            self.codec.opens(head(number + 2))
            self.codec.send_block(number + 2, OK, end=True)
        h2 = self.codec._h2
        self.assertLess(len(h2.streams), 20)
        self.assertLessEqual(len(h2._closed_streams), 256)
        self.assertLessEqual(len(self.codec._ended), 256)
        self.codec.rest()
        self.assertFalse(self.codec._ended)


class SameTests(SynchronousTestCase):
    """With and without what h2 is not shown."""

    @settings(max_examples=300)
    @given(
        st.lists(
            st.lists(
                REQUESTS | PIECES | WINDOWS | GOOD | FRAMES | st.integers(0, 40_000), max_size=4
            ),
            max_size=12,
        )
    )
    def test_same(self, steps: list[list[bytes | int]]) -> None:
        """The same bytes leave, whatever a client sends and whenever its requests are served."""
        sides = [Http2Client(shortcuts=Shortcuts(blocks=blocks)) for blocks in (True, False)]
        said: list[list[object]] = [[], []]
        for step in steps:
            for client, told in zip(sides, said, strict=True):
                for what in step:
                    if isinstance(what, int):
                        self.serve([each for each in client.requests if not each.gone], what)
                    else:
                        client.connection.dataReceived(what)
                    told.append(client.wire.take())
                client.clock.advance(0)
                told.append((client.open, len(client.requests), client.wire.take()))
        self.assertEqual(said[0], said[1])
        for client in sides:
            client.leave()
            self.assertTrue(client.deadlines.empty)

    def serve(self, waiting: list[GateRequest], size: int) -> None:
        """Answer the latest of the requests that wait."""
        if waiting:
            answer(waiting[-1], bytes(size if size > 20_000 else size % 50))
