"""A body in chunks: what it is, where it ends, and what of it was put right."""

from __future__ import annotations

from itertools import pairwise

import httptools
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadUpstreamResponse
from corsgate.message.headers import HeaderList
from corsgate.upstream.chunk_reader import ChunkReader
from corsgate.upstream.repairs import Repair

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BAD = "bad"

# What a body in chunks, and what looks like one, is made of.
PARTS = st.sampled_from(
    b'5|\r\n|\n|hello|0|;|a|=|"| |\\|b c|X: 1|\r|1|x|A|\t|\x01|\x80|:|\x00'.split(b"|")
    + b"Content-Length: 5|FFFFFFFFFFFFFFFF|5\r\nhello\r\n|0\r\n\r\n|0\r\nX: 1\r\n\r\n".split(b"|")
    + b';a=b\r\nhello\r\n|5;a="b"'.split(b"|")
)
BODIES = st.lists(PARTS, min_size=1, max_size=10).map(b"".join)


class Llhttp:
    """What llhttp makes of a body in chunks that comes in one piece."""

    def __init__(self, raw: bytes) -> None:
        self.body = b""
        self.trailers: HeaderList = []
        self.complete = self.is_bad = False
        try:
            parser = httptools.HttpResponseParser(self)
            parser.feed_data(HEAD)
            self.trailers.clear()
            parser.feed_data(raw)
        except httptools.HttpParserError:
            # What stands behind the body is the next response to it.
            self.is_bad = not self.complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field; those that matter are in the trailer."""
        if not self.complete:
            self.trailers.append((name, value.rstrip(b" \t")))

    def on_body(self, data: bytes) -> None:
        """Take a part of the body."""
        self.body += data

    def on_message_complete(self) -> None:
        """Take the end."""
        self.complete = True


def read(*reads: bytes) -> tuple[bytes, bool, str | None, HeaderList, set[Repair], bytes]:
    """Return what is read: body, whether it is whole, its fault, trailers, repairs, the rest."""
    reader, body, fault, rest = ChunkReader(), b"", None, b""
    for data in reads:
        if reader.complete:
            rest += data
            continue
        try:
            reader.feed(data)
        except BadUpstreamResponse:
            fault = BAD
        body += reader.body
        rest += reader.rest
        if fault is not None:
            break
    return body, reader.complete, fault, reader.trailers, set(reader.repairs), rest


class ChunkReaderTests(SynchronousTestCase):
    def test_rest(self) -> None:
        """What stands behind the body is left."""
        self.assertEqual(
            read(b"5\r\nhello\r\n0\r\nX: 1\r\n\r\nHTTP/1.1"),
            (b"hello", True, None, [(b"X", b"1")], set(), b"HTTP/1.1"),
        )

    def test_at_once(self) -> None:
        """What can't become a chunk is rejected before its line ends."""
        for raw in (b"x", b"\r", b" 5", b"5\r\nhellox", b"5\r\nhello\rx", b"1\r\na\r\n\r"):
            self.assertEqual(read(raw)[2], BAD, raw)
            self.assertEqual(read(*[raw[at : at + 1] for at in range(len(raw))])[2], BAD, raw)

    def test_body_before_a_fault(self) -> None:
        """What came before a fault is passed on."""
        self.assertEqual(read(b"5\r\nhello\r\n3\r\nabcd\r\n")[:3], (b"helloabc", False, BAD))

    def test_ends_with_cr(self) -> None:
        """A chunk may end with CR, where no bare LF behind it makes that the line's."""
        for raw, body in (
            (b"2\r\na\r\r\n0\r\n\r\n", b"a\r"),
            (b"2\na\r\n0\n\n", b"a\r"),
            (b"1\na\n2\nb\r\n0\n\n", b"ab\r"),
        ):
            for reads in ([raw], [raw[at : at + 1] for at in range(len(raw))]):
                self.assertEqual(read(*reads)[:3], (body, True, None), raw)

    def test_large(self) -> None:
        """A chunk may have a size of 64 bits, and no more; leading zeros don't matter."""
        for size, fault in ((b"F" * 16, None), (b"0" * 99 + b"A", None), (b"1" + b"0" * 16, BAD)):
            self.assertEqual(read(size + b"\r\nhello")[2], fault, size)

    def test_passes_large_reads_on(self) -> None:
        """A read within a chunk is passed on as it is, without a copy."""
        reader, data = ChunkReader(), b"x" * 1000
        reader.feed(b"FFFF\r\n")
        reader.feed(data)
        self.assertIs(reader.body, data)

    @given(BODIES)
    def test_like_llhttp(self, raw: bytes) -> None:
        """What llhttp takes is read as it reads it; of what it rejects, nothing passes unmarked."""
        theirs = Llhttp(raw)
        body, complete, fault, trailers, repairs, _ = read(raw)
        if theirs.is_bad:
            self.assertTrue(fault == BAD or repairs or not complete, raw)
            return
        self.assertEqual((body, complete, fault), (theirs.body, theirs.complete, None), raw)
        if complete:
            self.assertEqual(trailers, theirs.trailers, raw)
        # It doesn't look at the first byte of an extension.
        self.assertTrue(not repairs or b";;" in raw, raw)

    @given(BODIES, st.data())
    def test_any_split(self, raw: bytes, data: st.DataObject) -> None:
        """Reads may fall anywhere."""
        cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=8))
        reads = [raw[a:b] for a, b in pairwise([0, *sorted(cuts), len(raw)]) if a != b]
        whole, split = read(raw), read(*reads)
        if whole[2] is None:
            self.assertEqual(split, whole)
        else:
            # A fault is seen no later, but perhaps earlier than a repair in the same line.
            self.assertEqual(split[:3], whole[:3])
