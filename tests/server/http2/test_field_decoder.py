"""Field blocks as they are read."""

from __future__ import annotations

from hpack import Decoder, Encoder, HPACKError, NeverIndexedHeaderTuple
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import ConnectionFault
from corsgate.message.headers import Header, HeaderList
from corsgate.server.http2.field_decoder import MAX_BLOCKS, TABLE_BYTES, FieldDecoder, KeptBlock
from corsgate.server.http2.frames import Code
from tests.server.http2.test_field_encoder import FIELDS

GET: HeaderList = [(b":method", b"GET"), (b":path", b"/a"), (b"origin", b"https://a.test")]
# What begins a field or a number, and what ends one, more often than by chance.
PIECES = st.sampled_from(
    [
        *(b"\x82", b"\xbe", b"\xc0", b"\x80", b"\xff", b"\x00", b"\x20", b"\x3f\x45"),
        *(b"\x40\x01a\x01b", b"\x7e\x02cd", b"\x7f\x00\x01x", b"\x10\x01s\x81\x1f"),
        *(b"\x04\x83\x10\x24\x3f", b"\x0f\x2f\x03efg", b"\x42\x7f\xc9\x01" + b"v" * 328),
        *(b"\xff\x80\x80\x80\x80\x80\x01", b"\x1f\xff\x00", b"\x3f\xe1\x1f"),
    ]
)
BLOCKS = st.lists(PIECES | st.binary(max_size=3), max_size=7).map(b"".join)


class DecoderTests(SynchronousTestCase):
    """`FieldDecoder`."""

    @given(
        st.lists(st.tuples(st.lists(FIELDS, max_size=4), st.booleans()), max_size=12),
        st.sampled_from([60, TABLE_BYTES]),
    )
    def test_same(self, blocks: list[tuple[HeaderList, bool]], size: int) -> None:
        """Whatever is remembered, a block is read as if nothing were."""
        client = Encoder()
        client.header_table_size = size
        remembering, forgetting = FieldDecoder(2**20), FieldDecoder(2**20, remembers=False)
        for fields, again in blocks:
            for _ in range(1 + again):
                block = client.encode(fields)
                for decoder in (remembering, forgetting):
                    list(decoder.decode(block))
                self.assertEqual(remembering.fields, forgetting.fields)
            self.assertFalse(isinstance(forgetting.fields, KeptBlock))

    def kept(self, decoder: FieldDecoder, block: bytes) -> bool:
        """Return whether a block is remembered once it has come."""
        decoder.decode(block)
        fields = decoder.fields
        decoder.decode(block)
        return decoder.fields is fields

    def test_kept(self) -> None:
        """A block is remembered from when it changes the table no more until that changes."""
        client, decoder = Encoder(), FieldDecoder(2**20)
        first, again = client.encode(GET), client.encode(GET)
        decoder.decode(first)
        self.assertNotIsInstance(decoder.fields, KeptBlock)
        self.assertTrue(self.kept(decoder, again))
        before = decoder.fields
        decoder.decode(client.encode([*GET, (b"x", b"1")]))
        decoder.decode(again)
        # The same bytes stand for other fields now: the newest entry has the first index.
        self.assertIsNot(decoder.fields, before)
        self.assertNotEqual(decoder.fields, GET)

    def test_resized(self) -> None:
        """A change of the table's size counts as a change of the table."""
        client, decoder = Encoder(), FieldDecoder(2**20)
        decoder.decode(client.encode(GET))
        block = client.encode(GET)
        self.assertTrue(self.kept(decoder, block))
        decoder.decode(b"\x20" + b"\x3f\xe1\x1f")
        with self.assertRaises(ConnectionFault) as caught:
            decoder.decode(block)
        self.assertEqual(caught.exception.code, Code.COMPRESSION_ERROR)

    def test_secrets(self) -> None:
        """A block with a field that is never to be indexed is not remembered."""
        client, decoder = Encoder(), FieldDecoder(2**20)
        plain: list[Header] = [(b":method", b"GET"), (b":path", b"/")]
        self.assertTrue(self.kept(decoder, client.encode(plain)))
        secret = [*plain, NeverIndexedHeaderTuple(b"authorization", b"Basic x")]
        self.assertFalse(self.kept(decoder, client.encode(secret)))

    def test_bounded(self) -> None:
        """So many blocks are remembered, each small even when it is decompressed."""
        decoder = FieldDecoder(2**20)
        for number in range(100):
            block = b"\x00\x01x\x03%03d" % number
            self.assertTrue(self.kept(decoder, block))
            self.assertLessEqual(len(decoder._kept), MAX_BLOCKS)
        decoder.forget()
        self.assertEqual(decoder._kept, {})
        self.assertFalse(self.kept(decoder, b"\x00\x01x\x7f\xf1\x0f" + bytes(2160)))
        # A bomb: a byte for each time that a large field is repeated.
        decoder.decode(b"\x40\x01x\x7f\x89\x06" + bytes(904))
        self.assertTrue(self.kept(decoder, b"\xbe"))
        self.assertFalse(self.kept(decoder, b"\xbe" * 4))

    def test_bomb(self) -> None:
        """A block that is larger than was agreed on ends the connection, however often it comes."""
        decoder = FieldDecoder(3000)
        decoder.decode(b"\x40\x01x\x7f\x89\x06" + bytes(904))
        for _ in range(2):
            with self.assertRaises(ConnectionFault) as caught:
                decoder.decode(b"\xbe" * 4)
            self.assertEqual(caught.exception.code, Code.ENHANCE_YOUR_CALM)

    @settings(max_examples=500)
    @given(st.lists(BLOCKS, max_size=6))
    def test_as_hpack(self, blocks: list[bytes]) -> None:
        """Whatever comes is read, and refused, as the library hpack does."""
        own, library = FieldDecoder(2000), Decoder(2000)
        for block in blocks:
            try:
                fields = list(library.decode(block, raw=True))
            except (HPACKError, IndexError):
                self.assertRaises(ConnectionFault, own.decode, block)
                return
            own.decode(block)
            self.assertEqual(own.fields, fields)
            self.assertEqual(own.table.dynamic_entries, library.header_table.dynamic_entries)
            self.assertEqual(own.table.maxsize, library.header_table.maxsize)

    def test_malformed(self) -> None:
        """What can't be read is a fault of the whole connection (RFC 9113 4.3)."""
        for block in (
            b"\x80",
            b"\xbe",
            b"\xff",
            b"\x40",
            b"\x00\x05ab",
            b"\x82\x20",
            b"\x3f\xe2\x1f",
        ):
            with self.assertRaises(ConnectionFault) as caught:
                FieldDecoder(2000).decode(block)
            self.assertEqual(caught.exception.code, Code.COMPRESSION_ERROR, block)
