"""Field blocks as requests: what is malformed, what is refused, what is served."""

from __future__ import annotations

from hpack import NeverIndexedHeaderTuple
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.errors import MalformedRequest
from corsgate.message.framing import CHUNKED
from corsgate.message.head import ResponseHead
from corsgate.message.headers import Header, HeaderList
from corsgate.server.http2.field_decoder import KeptBlock
from corsgate.server.http2.fields import (
    RequestBlocks,
    field_block,
    framed_block,
    read_request,
    read_trailers,
    response_block,
)
from corsgate.shortcuts import Shortcuts

M, S, A, P = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"a.test"),
    (b":path", b"/x?y"),
)
GET: HeaderList = [M, S, A, P]
OPTIONS = (b":method", b"OPTIONS")
CONNECT = (b":method", b"CONNECT")


def a(value: bytes) -> Header:
    """Return an :authority."""
    return b":authority", value


def p(value: bytes) -> Header:
    """Return a :path."""
    return b":path", value


MALFORMED: tuple[tuple[str, HeaderList], ...] = (
    ("nothing", []),
    ("no method", [S, A, P]),
    ("an empty method", [(b":method", b""), S, A, P]),
    ("a method with a space", [(b":method", b"GET /evil"), S, A, P]),
    ("a method with a line end", [(b":method", b"GET\r\n"), S, A, P]),
    ("no scheme", [M, A, P]),
    ("no path", [M, S, A]),
    ("an empty path", [M, S, A, p(b"")]),
    ("two paths", [*GET, p(b"/z")]),
    ("two methods", [M, M, S, A, P]),
    ("a status", [*GET, (b":status", b"200")]),
    ("an unknown pseudo-header field", [*GET, (b":x", b"y")]),
    ("a nameless pseudo-header field", [*GET, (b":", b"y")]),
    ("a protocol without CONNECT", [*GET, (b":protocol", b"websocket")]),
    ("a pseudo-header field behind another", [M, S, A, (b"x", b"y"), P]),
    ("a pseudo-header field behind a cookie", [M, S, A, (b"cookie", b"y"), P]),
    ("capitals", [*GET, (b"X-A", b"b")]),
    ("an empty name", [*GET, (b"", b"b")]),
    ("a space in a name", [*GET, (b"x a", b"b")]),
    ("a colon in a name", [*GET, (b"x:a", b"b")]),
    ("a name not ASCII", [*GET, (b"x\xe4", b"b")]),
    ("a line end in a name", [*GET, (b"x\r\na", b"b")]),
    ("a line end in a value", [*GET, (b"x", b"b\r\nevil: 1")]),
    ("a line feed in a value", [*GET, (b"x", b"b\nevil: 1")]),
    ("NUL in a value", [*GET, (b"x", b"b\0")]),
    ("a control character in a value", [*GET, (b"x", b"b\x01c")]),
    ("a line end in the path", [M, S, A, p(b"/ HTTP/1.1\r\nevil: 1")]),
    ("white space before a value", [*GET, (b"x", b" b")]),
    ("white space behind a value", [*GET, (b"x", b"b\t")]),
    ("connection", [*GET, (b"connection", b"close")]),
    ("keep-alive", [*GET, (b"keep-alive", b"1")]),
    ("proxy-connection", [*GET, (b"proxy-connection", b"close")]),
    ("transfer-encoding", [*GET, (b"transfer-encoding", b"chunked")]),
    ("upgrade", [*GET, (b"upgrade", b"websocket")]),
    ("te", [*GET, (b"te", b"gzip")]),
    ("te with more", [*GET, (b"te", b"trailers, gzip")]),
    ("two lengths", [*GET, (b"content-length", b"1"), (b"content-length", b"1")]),
    ("a list of lengths", [*GET, (b"content-length", b"1, 1")]),
    ("a signed length", [*GET, (b"content-length", b"+1")]),
    ("an empty length", [*GET, (b"content-length", b"")]),
    ("CONNECT with a path", [CONNECT, A, P]),
    ("CONNECT without an authority", [CONNECT]),
    ("an extended CONNECT without a path", [CONNECT, (b":protocol", b"websocket"), S, A]),
)

REFUSED: tuple[tuple[int, HeaderList], ...] = (
    (400, [M, S, P]),
    (400, [M, S, a(b""), P]),
    (400, [M, S, a(b"user@a.test"), P]),
    (400, [M, S, a(b"a.test, b.test"), P]),
    (400, [M, S, a(b"a.test:99999"), P]),
    (400, [*GET, (b"host", b"b.test")]),
    (400, [*GET, (b"host", b"a.test"), (b"host", b"a.test")]),
    (400, [*GET, (b"host", b"")]),
    (400, [M, S, P, (b"host", b"a.test"), (b"host", b"a.test")]),
    (400, [M, S, A, p(b"x")]),
    (400, [M, S, A, p(b"https://a.test/x")]),
    (400, [M, S, A, p(b"*")]),
    (400, [OPTIONS, S, A, p(b"*x")]),
    (400, [M, (b":scheme", b"ftp"), A, P]),
    (501, [CONNECT, A]),
    (501, [CONNECT, (b":protocol", b"websocket"), S, A, P]),
)

# Those that a page is to read, since there may be a route.
ROUTABLE: tuple[tuple[int, HeaderList], ...] = (
    (400, [M, S, A, p(b"/x#y")]),
    (400, [M, S, A, p(b"/x y")]),
    (400, [M, S, A, p(b"/\xc3\xa4")]),
    (501, [(b":method", b"connect"), S, A, P]),
    (501, [(b":method", b"M" * 65), S, A, P]),
    (414, [M, S, A, p(b"/" + b"x" * 8192)]),
    (431, [*GET, *[(b"x", b"y")] * 101]),
    (431, [*GET, (b"x", b"y" * 33000)]),
)

SERVED: tuple[tuple[HeaderList, bytes, bytes], ...] = (
    (GET, b"a.test", b"/x?y"),
    ([P, A, S, M], b"a.test", b"/x?y"),
    ([M, (b":scheme", b"http"), A, P], b"a.test", b"/x?y"),
    ([M, S, P, (b"host", b"b.test:8443")], b"b.test:8443", b"/x?y"),
    ([M, S, a(b"A.test"), P, (b"host", b"a.TEST")], b"A.test", b"/x?y"),
    ([M, S, a(b"[::1]:443"), P], b"[::1]:443", b"/x?y"),
    ([OPTIONS, S, A, p(b"*")], b"a.test", b"*"),
    ([OPTIONS, S, A, p(b"/")], b"a.test", b"/"),
    ([M, S, A, p(b"//x/../%2e?")], b"a.test", b"//x/../%2e?"),
    ([(b":method", b"PURGE"), S, A, P, (b"te", b"Trailers")], b"a.test", b"/x?y"),
    # What no script may send is refused by the route, as over HTTP/1.1.
    *(
        ([(b":method", method), S, A, P], b"a.test", b"/x?y")
        for method in (b"LIST", b"patch", b"get", b"PRI", b"TRACK", b"trace", b"M" * 64)
    ),
    ([*GET, (b"x", b"\xe4"), (b"y", b"a\tb"), (b"z", b"")], b"a.test", b"/x?y"),
)


class RequestTests(SynchronousTestCase):
    """`read_request`."""

    def test_malformed(self) -> None:
        """What RFC 9113 calls malformed is no request at all."""
        for name, fields in MALFORMED:
            self.assertRaises(MalformedRequest, read_request, fields, Limits(), ended=False)
            self.assertTrue(name)

    def test_refused(self) -> None:
        """What HTTP/1.1 would refuse is refused by the same status."""
        for status, fields in (*REFUSED, *ROUTABLE):
            read = read_request(fields, Limits(), ended=True)
            assert read.refusal is not None, fields
            self.assertEqual(read.refusal.status, status, fields)
            self.assertEqual(read.refusal.routable, (status, fields) in ROUTABLE, fields)
            if read.refusal.routable:
                self.assertEqual(read.authority, b"a.test")

    def test_served(self) -> None:
        """What is good is passed as it came, Host first."""
        for fields, authority, target in SERVED:
            read = read_request(fields, Limits(), ended=True)
            self.assertIsNone(read.refusal, fields)
            self.assertEqual((read.authority, read.head.target), (authority, target))
            self.assertEqual(read.head.headers[0], (b"host", authority))
            self.assertEqual(read.index[b"host"], [authority])
            others = [each for each in fields if each[0][:1] != b":" and each[0] != b"host"]
            self.assertEqual(read.head.headers[1:], others)
            self.assertEqual((read.version, read.length, read.offers), ("2", None, ()))

    def test_bound(self) -> None:
        """A head of just the size allowed is served."""
        limits = Limits(max_head_bytes=256, max_headers=2)
        room = 256 - len(b"/x?y") - len(b"a") - 4
        for size, status in ((room, None), (room + 1, 431)):
            read = read_request([*GET, (b"a", b"b" * size)], limits, ended=True)
            self.assertEqual(read.refusal and read.refusal.status, status)
        read = read_request([*GET, *[(b"a", b"")] * 2], limits, ended=True)
        self.assertIsNone(read.refusal)

    def test_cookies(self) -> None:
        """Crumbs are one cookie again, other fields as many as they were."""
        fields = [*GET, (b"cookie", b"a=1"), (b"x", b"1"), (b"cookie", b"b=2"), (b"x", b"2")]
        read = read_request(fields, Limits(), ended=True)
        self.assertEqual(read.index[b"cookie"], [b"a=1; b=2"])
        self.assertEqual(read.index[b"x"], [b"1", b"2"])

    def test_length(self) -> None:
        """A body has the length that was told, or one that its end tells."""
        for fields, ended, length in (
            ([], True, None),
            ([], False, CHUNKED),
            ([(b"content-length", b"0")], True, 0),
            ([(b"content-length", b"007")], False, 7),
        ):
            read = read_request([*GET, *fields], Limits(), ended=ended)
            self.assertEqual(read.length, length)
        stated = [*GET, (b"content-length", b"7")]
        self.assertRaises(MalformedRequest, read_request, stated, Limits(), ended=True)

    @given(st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9))), st.booleans())
    def test_anything(self, fields: HeaderList, ended: bool) -> None:
        """Whatever comes is a request or malformed, and none has a line end in it."""
        try:
            read = read_request([*GET, *fields], Limits(), ended=ended)
        except MalformedRequest:
            return
        text = read.head.to_bytes()
        self.assertEqual(text.count(b"\n"), len(read.head.headers) + 2)


PATHS = (b"/", b"/x", b"/x y", b"", b"*", b"/#", b"/\n", b" /", b"x", b"/" + b"y" * 150)


class RecallTests(SynchronousTestCase):
    """`RequestBlocks`."""

    @given(
        st.lists(
            st.tuples(
                st.sampled_from([M, OPTIONS]),
                st.sampled_from(PATHS),
                st.lists(st.sampled_from([(b"a", b"1"), (b"b", b"2"), (b"B", b"")]), max_size=2),
                st.booleans(),
            ),
            max_size=6,
        )
    )
    def test_same(self, asked: list[tuple[Header, bytes, HeaderList, bool]]) -> None:
        """Whatever came before, a block is read as if it were the first."""
        limits = Limits(max_target_bytes=120, max_head_bytes=256)
        blocks = RequestBlocks(limits)
        for method, path, headers, ended in asked:
            fields = [method, S, A, p(path), *headers]
            try:
                expected = read_request(fields, limits, ended=ended)
            except MalformedRequest:
                self.assertRaises(MalformedRequest, blocks.read, fields, ended=ended)
                continue
            got = blocks.read(fields, ended=ended)
            for name in ("index", "version", "authority", "length", "refusal", "keep_alive"):
                self.assertEqual(getattr(got, name), getattr(expected, name))
            self.assertEqual(got.head.to_bytes(), expected.head.to_bytes())

    def test_at_hand(self) -> None:
        """What was worked out of the same fields is there for the next path, and no other's."""
        blocks = RequestBlocks(Limits())
        first = blocks.read(GET, ended=True)
        first.memo.refused_host = (b"known", None)
        for fields, known in (
            ([M, S, A, p(b"/other")], True),
            ([OPTIONS, S, A, p(b"/other")], False),
            ([M, S, a(b"b.test"), P], False),
            ([*GET, (b"origin", b"x")], False),
            (GET, False),
        ):
            self.assertEqual(
                blocks.read(fields, ended=True).memo.refused_host is not None, known, fields
            )

    def test_very_same(self) -> None:
        """A block that is remembered has the very same request, where nothing else goes into it."""
        limits = Limits(max_target_bytes=50)
        for fields, shortcuts, same in (
            (GET, Shortcuts(), True),
            (GET, Shortcuts(same_bytes=False), False),
            (GET, Shortcuts(same_fields=False), True),
            ([*GET, (b"content-length", b"0")], Shortcuts(), False),
            ([*GET, (b"expect", b"100-continue")], Shortcuts(), False),
            ([M, S, A, p(b"/" + b"y" * 60)], Shortcuts(), False),
        ):
            blocks, kept = RequestBlocks(limits, shortcuts), KeptBlock(fields)
            first = blocks.read(kept, ended=True)
            again = blocks.read(kept, ended=True)
            self.assertEqual(again is first, same, fields)
            self.assertEqual(again.head.to_bytes(), first.head.to_bytes())
            self.assertIsNot(blocks.read(list(fields), ended=True), first)

    def test_fields_off(self) -> None:
        """With that shortcut off, no request shares what was worked out of another's fields."""
        blocks = RequestBlocks(Limits(), Shortcuts(same_fields=False))
        first, other = (blocks.read([M, S, A, p(path)], ended=True) for path in (b"/a", b"/b"))
        self.assertIsNot(first.memo, other.memo)


class BlockTests(SynchronousTestCase):
    """Trailers, and what goes to a client."""

    def test_trailers(self) -> None:
        """Trailers are fields without pseudo-header fields."""
        self.assertEqual(read_trailers([(b"x", b"1")]), [(b"x", b"1")])
        for bad in ((b":path", b"/"), (b"X", b"1"), (b"connection", b"x"), (b"x", b"\n")):
            self.assertRaises(MalformedRequest, read_trailers, [(b"x", b"1"), bad])

    def test_response(self) -> None:
        """Names are lowered, HTTP/1.1's own fields gone, and no cookie is remembered."""
        fields = [(b"X-A", b" b "), (b"Keep-Alive", b"1"), (b"Set-Cookie", b"c"), (b"Upgrade", b"")]
        block = response_block(ResponseHead(status=200, reason=b"Fine", headers=fields))
        self.assertEqual(block, [(b":status", b"200"), (b"x-a", b"b"), (b"set-cookie", b"c")])
        self.assertIsInstance(block[2], NeverIndexedHeaderTuple)
        self.assertNotIsInstance(block[1], NeverIndexedHeaderTuple)
        self.assertEqual(field_block([(b"A", b"b")]), [(b"a", b"b")])

    def test_framed(self) -> None:
        """The length is the gate's word, and a Date is added where there is none."""
        length, date = (b"Content-Length", b"9"), (b"Date", b"then")
        for status, fields, told, expected in (
            (200, [length], 5, [(b"date", b"now"), (b"content-length", b"5")]),
            (200, [date, length], None, [(b"date", b"then")]),
            (204, [date], 0, [(b"date", b"then")]),
            (304, [date], 5, [(b"date", b"then"), (b"content-length", b"5")]),
        ):
            head = ResponseHead(status=status, reason=b"", headers=fields)
            self.assertEqual(framed_block(head, told, b"now")[1:], expected)
