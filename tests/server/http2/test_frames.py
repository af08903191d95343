"""A client's bytes cut into frames, and frames as they are sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import ConnectionFault
from corsgate.server.http2.frames import (
    MAX_WINDOW,
    PREFACE,
    Code,
    Frame,
    FrameReader,
    frame_bytes,
)


def frame(kind: int, flags: int = 0, stream_id: int = 0, payload: bytes = b"") -> bytes:
    """Return a frame's bytes."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream_id.to_bytes(4) + payload


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

    def test_later(self) -> None:
        """Whoever stops taking frames gets the others later, with what has come by then."""
        sent = [frame(kind, 0, 1, bytes([kind])) for kind in range(6)]
        reader = FrameReader()
        first = next(reader.feed(PREFACE + b"".join(sent[:3])))
        self.assertTrue(reader.partial)
        self.assertEqual(next(reader.feed(b"")).raw, sent[1])
        got = [first.raw, sent[1], *(each.raw for each in reader.feed(b"".join(sent[3:])))]
        self.assertEqual(got, sent)
        self.assertFalse(reader.partial)

    @given(
        st.integers(0, 255),
        st.integers(0, 255),
        st.integers(0, MAX_WINDOW),
        st.integers(0, 300) | st.just(16384),
    )
    def test_written(self, kind: int, flags: int, number: int, size: int) -> None:
        """What is written reads as the same."""
        for payload in (bytes(size), memoryview(bytes(size))):
            written = frame_bytes(kind, flags, number, payload)
            (got,) = FrameReader().feed(PREFACE + written)
            self.assertEqual(got, Frame(kind, flags, number, size, written))
