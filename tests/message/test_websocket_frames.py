"""Frames end where the websockets package says, however the stream is split."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader

from corsgate.message.websocket_frames import (
    GOING_AWAY,
    FrameTracker,
    close_frame,
    read_header,
)

_DATA = (Opcode.CONT, Opcode.TEXT, Opcode.BINARY)
_CONTROL = (Opcode.PING, Opcode.PONG)
_SIZES = st.sampled_from((0, 1, 125, 126, 127, 300, 0xFFFF, 0x10000, 0x10001))


FRAMES = st.lists(
    st.builds(
        lambda size, opcode, fin: Frame(opcode, bytes(size), fin=fin),
        _SIZES,
        st.sampled_from(_DATA),
        st.booleans(),
    )
    | st.builds(Frame, st.sampled_from(_CONTROL), st.binary(max_size=125)),
    max_size=6,
)
"""Whole messages, fragments and control frames in between."""


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Return the data in pieces, cut at these places."""
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(ends)]


PLACES = st.lists(st.integers(min_value=0, max_value=400_000), max_size=12)


class BoundaryTests(SynchronousTestCase):
    @given(frames=FRAMES, places=PLACES, masked=st.booleans())
    def test_same_however_split(self, frames: list[Frame], places: list[int], masked: bool) -> None:
        """A tracker is at a boundary exactly behind a frame, wherever the reads end."""
        wire, ends = b"", {0}
        for frame in frames:
            wire += frame.serialize(mask=masked)
            ends.add(len(wire))
        tracker, at = FrameTracker(masked=masked), 0
        for piece in cut(wire, places):
            self.assertEqual(tracker.feed(piece), len(piece))
            at += len(piece)
            self.assertEqual(tracker.at_boundary, at in ends, at)
        self.assertFalse(tracker.broken or tracker.closed)

    @given(frames=FRAMES.filter(bool), places=PLACES, masked=st.booleans())
    def test_stops_behind_each_frame(
        self, frames: list[Frame], places: list[int], masked: bool
    ) -> None:
        """Asked to stop, it stops behind each frame between messages, and only there."""
        wire, ends, in_message = b"", [], False
        for frame in frames:
            wire += frame.serialize(mask=masked)
            if frame.opcode in _DATA:
                in_message = not frame.fin
            if not in_message:
                ends.append(len(wire))
        tracker, at, found = FrameTracker(masked=masked), 0, []
        for piece in cut(wire, places):
            while piece:
                used = tracker.feed(piece, stop=True)
                self.assertGreater(used, 0)
                at, piece = at + used, piece[used:]
                if tracker.between_messages:
                    found.append(at)
        self.assertEqual(found, ends)

    @given(wire=st.binary(max_size=200), places=PLACES, masked=st.booleans())
    def test_any_bytes(self, wire: bytes, places: list[int], masked: bool) -> None:
        """Rubbish raises nothing, and means the same however it is split."""
        whole, split = FrameTracker(masked=masked), FrameTracker(masked=masked)
        whole.feed(wire)
        for piece in cut(wire, places):
            split.feed(piece)
        for name in ("broken", "closed", "at_boundary"):
            self.assertEqual(getattr(whole, name), getattr(split, name), name)

    def test_compressed(self) -> None:
        """A frame whose first bit is reserved for an extension is one like any other."""
        wire = bytearray(Frame(Opcode.TEXT, b"x").serialize(mask=True))
        wire[0] |= 0x40
        tracker = FrameTracker(masked=True)
        tracker.feed(bytes(wire))
        self.assertTrue(tracker.at_boundary)

    def test_half_a_header(self) -> None:
        """Within a header, of whatever length, is no boundary."""
        for size, masked in ((1, False), (1, True), (126, True), (0x10000, True)):
            wire = Frame(Opcode.BINARY, bytes(size)).serialize(mask=masked)
            tracker = FrameTracker(masked=masked)
            for at in range(len(wire) - size):
                tracker.feed(wire[at : at + 1])
                self.assertFalse(tracker.at_boundary)
            tracker.feed(bytes(size))
            self.assertTrue(tracker.at_boundary)


class CloseTests(SynchronousTestCase):
    def test_seen(self) -> None:
        """Behind a Close frame no other may begin, whatever comes."""
        for masked in (False, True):
            wire = Frame(Opcode.CLOSE, Close(1000, "bye").serialize()).serialize(mask=masked)
            tracker = FrameTracker(masked=masked)
            tracker.feed(wire[:-1])
            self.assertFalse(tracker.closed)
            tracker.feed(wire[-1:] + b"\x81")
            self.assertTrue(tracker.closed)
            tracker.feed(b"rubbish")
            self.assertFalse(tracker.at_boundary or tracker.broken)

    def test_empty(self) -> None:
        """One without a status counts too."""
        tracker = FrameTracker(masked=False)
        tracker.feed(Frame(Opcode.CLOSE, b"").serialize(mask=False))
        self.assertTrue(tracker.closed)

    def test_made(self) -> None:
        """The websockets package reads the gate's own Close frames, masked or not."""
        for mask in (b"", b"\x12\x34\x56\x78"):
            wire = close_frame(GOING_AWAY, mask)
            reader = StreamReader()
            reader.feed_data(wire)
            reading = Frame.parse(reader.read_exact, mask=bool(mask))
            with self.assertRaises(StopIteration) as ended:
                next(reading)
            frame = ended.exception.value
            self.assertEqual((frame.opcode, frame.fin), (Opcode.CLOSE, True))
            self.assertEqual(Close.parse(frame.data), Close(1001, ""))
            tracker = FrameTracker(masked=bool(mask))
            tracker.feed(wire)
            self.assertTrue(tracker.closed)


class MalformedTests(SynchronousTestCase):
    """What is malformed is never taken for a boundary again."""

    def test_broken(self) -> None:
        """Each fault of a header ends the tracking for good."""
        for wire, masked in (
            (b"\x81\x81", False),  # masked, from a server
            (b"\x81\x01", True),  # not masked, from a client
            (b"\x89\x7e\x00\x80", False),  # a long Ping
            (b"\x09\x00", False),  # a Ping in fragments
            (b"\x82\x7e\x00\x7d", False),  # 125 in two bytes
            (b"\x82\x7f" + (0xFFFF).to_bytes(8), False),  # two bytes' worth in eight
            (b"\x82\x7f\x80" + bytes(7), False),  # the reserved bit
        ):
            for stop in (False, True):
                tracker = FrameTracker(masked=masked)
                self.assertEqual(tracker.feed(wire, stop=stop), len(wire))
                self.assertTrue(tracker.broken, wire)
                tracker.feed(Frame(Opcode.TEXT, b"x").serialize(mask=masked))
                self.assertFalse(tracker.at_boundary)

    def test_longest(self) -> None:
        """The greatest length is well-formed, and a frame that never ends has no boundary."""
        header = b"\x82\x7f\x7f" + b"\xff" * 7
        self.assertEqual(read_header(header, masked=False), (10, 2**63 - 1))
        tracker = FrameTracker(masked=False)
        tracker.feed(header + bytes(1000))
        self.assertFalse(tracker.at_boundary or tracker.broken)
