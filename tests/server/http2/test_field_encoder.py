"""Field blocks as they are written."""

from __future__ import annotations

from hpack import Decoder, NeverIndexedHeaderTuple
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.headers import HeaderList
from corsgate.server.http2.field_decoder import TABLE_BYTES
from corsgate.server.http2.field_encoder import FieldEncoder

OK: HeaderList = [
    (b":status", b"200"),
    (b"content-type", b"application/json"),
    (b"access-control-allow-origin", b"https://app.example.test"),
    (b"vary", b"Origin"),
    (b"date", b"Sun, 06 Nov 1994 08:49:37 GMT"),
    (b"content-length", b"1024"),
]
LATER = [*OK[:4], (b"date", b"Sun, 06 Nov 1994 08:49:38 GMT"), OK[5]]
COOKIE = NeverIndexedHeaderTuple(b"set-cookie", b"session=1")

NAMES = st.sampled_from([b"a", b"etag", b"vary", b"date", b"x-long", b":status", b"x-request-id"])
VALUES = st.sampled_from([b"", b"1", b"200", b"Origin", b"\xff\x00", b"\xfe" * 300, b"y" * 2100])
FIELDS = st.tuples(NAMES, VALUES) | st.just(COOKIE)
BLOCKS = st.lists(FIELDS, max_size=8)


def read(decoder: Decoder, block: bytes) -> HeaderList:
    """Return a block's fields."""
    return [(name, value) for name, value in decoder.decode(block, raw=True)]


class EncoderTests(SynchronousTestCase):
    """`FieldEncoder`."""

    @given(st.lists(BLOCKS | st.sampled_from([None, 0, 70, 300, TABLE_BYTES]), max_size=12))
    def test_same(self, steps: list[HeaderList | int | None]) -> None:
        """A client reads what was written, which is the same whatever is remembered."""
        remembering, forgetting = FieldEncoder(), FieldEncoder(remembers=False)
        client = Decoder()
        client.max_header_list_size = 2**20
        for step in steps:
            for encoder in (remembering, forgetting):
                if step is None:
                    encoder.forget()
                elif isinstance(step, int):
                    encoder.header_table_size = step
            if isinstance(step, list):
                block = remembering.encode(step)
                self.assertEqual(forgetting.encode(step), block)
                self.assertEqual(read(client, block), step)
            elif step is not None:
                client.max_allowed_table_size = step

    def test_request_id(self) -> None:
        """A request's id is never put into the table, and does not keep others from it."""
        encoder, client = FieldEncoder(), Decoder()
        sizes = []
        for number in range(8):
            fields = [*OK[:3], (b"x-request-id", b"%032x" % number), *OK[3:]]
            block = encoder.encode(fields)
            self.assertEqual(read(client, block), fields)
            sizes.append(len(block))
        self.assertNotIn(b"x-request-id", [name for name, _ in client.header_table.dynamic_entries])
        self.assertLess(sizes[-1], 90)
        self.assertEqual(len(set(sizes[2:])), 1)
        long = [(b":status", b"200"), (b"x-request-id", b"x" * 200)]
        self.assertEqual(read(client, encoder.encode(long)), long)

    def test_large(self) -> None:
        """A table is never larger than was agreed on, however much there is to put into it."""
        encoder, client = FieldEncoder(), Decoder()
        client.max_header_list_size = 2**20
        for turn in range(3):
            fields = [(b"x-%d" % each, b"%d" % each * 90) for each in range(60)]
            fields.append((b"turn", b"%d" % turn))
            self.assertEqual(read(client, encoder.encode(fields)), fields)
            self.assertLessEqual(client.header_table._current_size, TABLE_BYTES)

    def test_sizes(self) -> None:
        """Once they have come twice, the constant fields take a byte or two each."""
        encoder = FieldEncoder()
        first, joins, indexed = encoder.encode(OK), encoder.encode(OK), encoder.encode(LATER)
        self.assertLessEqual(len(joins), len(first))
        self.assertEqual(encoder.encode(LATER), indexed)
        # A status, three indices, a date and a length.
        self.assertLessEqual(len(indexed), 4 + 26 + 6)
        self.assertLess(len(first), sum(len(name) + len(value) for name, value in OK))

    def test_volatile(self) -> None:
        """What is another one each time takes no place in the client's table."""
        encoder, client = FieldEncoder(), Decoder()
        for turn in range(3):
            for length in (b"1", b"2"):
                read(client, encoder.encode([(b"content-length", length), (b"n", b"%d" % turn)]))
        self.assertEqual({name for name, _ in client.header_table.dynamic_entries}, {b"n"})

    def test_resources(self) -> None:
        """What only some resources have in common takes at most half of the table."""
        encoder, client = FieldEncoder(), Decoder()
        for _ in range(3):
            for number in range(200):
                tag = b"\xff%d" % number
                read(client, encoder.encode([(b":status", b"200"), (b"etag", tag)]))
                read(client, encoder.encode([(b":status", b"200"), (b"etag", tag)]))
        size = client.header_table._current_size
        self.assertTrue(TABLE_BYTES // 2 - 100 < size <= TABLE_BYTES // 2, size)

    def test_secret(self) -> None:
        """A cookie is marked as never to be indexed, and is nowhere afterwards."""
        encoder, client = FieldEncoder(), Decoder()
        for _ in range(3):
            (field,) = client.decode(encoder.encode([COOKIE]), raw=True)
            self.assertIsInstance(field, NeverIndexedHeaderTuple)
        self.assertEqual((encoder._written, encoder._table), ({}, {}))
        self.assertFalse(client.header_table.dynamic_entries)

    def test_bounded(self) -> None:
        """However much differs, what is remembered is bounded, and gone when it rests."""
        encoder = FieldEncoder()
        for turn in range(2000):
            encoder.encode([(b"x", b"%d" % turn * 40), (b"etag", b"%d" % turn)])
            self.assertLess(sum(map(len, encoder._written.values())), 20_000)
        encoder.forget()
        self.assertEqual(encoder._written, {})
