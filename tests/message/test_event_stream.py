"""Events end with an empty line, whichever way lines end and reads are split."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.event_stream import EventTracker

STREAMS = st.lists(st.sampled_from((b"\r", b"\n", b"\r\n", b"data: x", b":")), max_size=12).map(
    b"".join
)


def ends(stream: bytes) -> set[int]:
    """Return where events may end, by reading a stream byte by byte as the standard says."""
    found, line, carriage = {0}, b"", False
    for at, byte in enumerate(stream, 1):
        is_second = carriage and byte == 10
        carriage = byte == 13
        if is_second:
            # It belongs to the end of the line before it.
            if at - 1 in found:
                found.add(at)
        elif byte in b"\r\n":
            if not line:
                found.add(at)
            line = b""
        else:
            line += bytes((byte,))
    return found


class EventTests(SynchronousTestCase):
    @given(stream=STREAMS)
    def test_boundaries(self, stream: bytes) -> None:
        """A stream is between two events behind an empty line, and nowhere else."""
        tracker, found = EventTracker(), {0}
        self.assertTrue(tracker.at_boundary)
        for at in range(len(stream)):
            tracker.feed(stream[at : at + 1])
            if tracker.at_boundary:
                found.add(at + 1)
        self.assertEqual(found, ends(stream))

    @given(stream=STREAMS, at=st.integers(min_value=0, max_value=40))
    def test_first_end(self, stream: bytes, at: int) -> None:
        """The end that is found in what follows is the first, with all of its line's end."""
        at %= len(stream) + 1
        tracker = EventTracker()
        tracker.feed(stream[:at])
        if at == len(stream):
            return
        found = tracker.first_end(stream[at:])
        later = sorted(end for end in ends(stream) if end > at)
        if not later:
            self.assertEqual(found, -1)
            return
        (first, *_), carriage = later, stream[later[0] - 1 :][:2] == b"\r\n"
        self.assertEqual(at + found, first + carriage)

    def test_any_size(self) -> None:
        """Pieces of any size are followed, empty ones too."""
        for piece, bound in ((b"", True), (b"data: 1\n\n", True), (b"data: 2\n", False)):
            tracker = EventTracker()
            tracker.feed(b"data: 0\n\n" * 1000)
            tracker.feed(piece)
            self.assertEqual(tracker.at_boundary, bound)
