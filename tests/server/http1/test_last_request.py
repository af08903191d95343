"""A request whose fields are the last one's byte for byte, which are not parsed again."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.cors.names import KNOWN_METHODS
from corsgate.server.fields_memo import IMPARTIAL_FIELDS
from corsgate.server.http1.last_request import PLAIN_LINE
from corsgate.server.http1.parser import RequestParser
from corsgate.shortcuts import Shortcuts
from tests.server.http1.cases import H
from tests.server.http1.test_parser import Recorder, read

FIELDS = H + b"Origin: http://a.test\r\nX: 1\r\nX: 2 \r\n\r\n"

# Request lines and fields, of which some must not be taken for what came before.
LINES = (
    b"GET / HTTP/1.1\r\n",
    b"GET /a?b HTTP/1.1\r\n",
    b"POST /a HTTP/1.1\r\n",
    b"GET http://b.test/x HTTP/1.1\r\n",
    b"OPTIONS * HTTP/1.1\r\n",
    b"LIST /a HTTP/1.1\r\n",
    b"\r\nGET /a HTTP/1.1\r\n",
    b"GET / HTTP/1.0\r\n",
    b"GET / HTTP/2.0\r\n",
    b"GET / RTSP/1.1\r\n",
    b"GET /a b HTTP/1.1\r\n",
    b"GET /a#b HTTP/1.1\r\n",
    b"GET /a  HTTP/1.1\r\n",
    b"GET  /a HTTP/1.1\r\n",
    b"\nGET /a HTTP/1.1\r\n",
    b"\rGET /a HTTP/1.1\r\n",
    b"GET\t/a HTTP/1.1\r\n",
    b"OPTIONS /a RTSP/1.1\r\nX: OPTIONS /a HTTP/1.1\r\n",
    b"CONNECT b.test:443 HTTP/1.1\r\n",
    b"B@EW / HTTP/1.1\r\n",
    b"M" * 65 + b" / HTTP/1.1\r\n",
    b"GET /" + b"a" * 70 + b" HTTP/1.1\r\n",
    b"GET http://b.test/" + b"a" * 70 + b" HTTP/1.1\r\n",
    b"GET http://b.test/" + b"a" * 250 + b" HTTP/1.1\r\n",
)
BLOCKS = (
    FIELDS,
    H + b"\r\n",
    H + b"Content-Length: 0\r\n\r\n",
    H + b"Content-Length: 2\r\n\r\nhi",
    H + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    H + b"Connection: close\r\n\r\n",
    H + b"Connection: Upgrade\r\nUpgrade: x\r\n\r\n",
    H + b"Connection: keep-alive\r\n\r\n",
    H + H + b"\r\n",
    b"X: y\r\n\r\n",
    H + b"X: y\r\n" * 4 + b"\r\n",
    b"\r\n",
)
LIMITS = Limits(max_target_bytes=64, max_headers=5)


def told(sink: Recorder) -> list[tuple[object, ...]]:
    """Return all that requests say."""
    return [
        (
            request.head.method,
            request.head.target,
            request.head.headers,
            request.index,
            request.authority,
            request.version,
            request.length,
            request.keep_alive,
            request.offers,
            request.refusal,
        )
        for request in sink.requests
    ]


class RecallTests(SynchronousTestCase):
    def test_taken_again(self) -> None:
        """Another request line with the same fields makes another request of these."""
        first, second = read(*(line + FIELDS for line in LINES[:2])).requests
        self.assertEqual(second.head.target, b"/a?b")
        self.assertIs(second.index, first.index)
        self.assertIs(second.head.headers, first.head.headers)
        self.assertIs(second.memo, first.memo)

    def test_other_fields(self) -> None:
        """The smallest difference is one, and nothing that was worked out is taken over."""
        for other in (FIELDS.replace(b"2", b"3"), FIELDS.replace(b"2 ", b"2"), H + b"\r\n"):
            first, second = read(LINES[0] + FIELDS, LINES[0] + other).requests
            self.assertIsNot(second.index, first.index)
            self.assertIsNot(second.memo, first.memo)

    def test_absolute_form(self) -> None:
        """The host that a target names counts for its own request alone."""
        lines = (LINES[3], LINES[0], LINES[0], LINES[3], LINES[0])
        requests = read(*(line + FIELDS for line in lines)).requests
        hosts = [request.authority for request in requests]
        self.assertEqual(hosts, [b"b.test", b"a", b"a", b"b.test", b"a"])

    def test_refused(self) -> None:
        """A request line is looked at as strictly as ever, and ends all if it is bad."""
        statuses = (505, *(400,) * 9, 501, 400, 501, 414, 414, 414)
        for line, status in zip(LINES[8:], statuses, strict=True):
            sink = read(LINES[0] + FIELDS, line + FIELDS, LINES[0] + FIELDS, limits=LIMITS)
            self.assertEqual(len(sink.requests), 2, line)
            refusal = sink.requests[1].refusal
            self.assertEqual(refusal and refusal.status, status, line)

    def test_large(self) -> None:
        """A head that is too large is refused, though its fields were not too large before."""
        line, limits = b"GET /" + b"a" * 300 + b" HTTP/1.1\r\n", Limits(max_head_bytes=256)
        for reads in ((LINES[0] + FIELDS, line + FIELDS), (line + FIELDS,)):
            refusal = read(*reads, limits=limits).requests[-1].refusal
            self.assertEqual(refusal and refusal.status, 431)

    def test_same_bytes(self) -> None:
        """The very same request comes of the same bytes, with what is noted in it."""
        data = LINES[0] + FIELDS
        first, second, third = read(data, data, data + LINES[1] + FIELDS).requests[:3]
        self.assertIs(second, first)
        self.assertIs(third, first)

    def test_shortcuts_off(self) -> None:
        """With any shortcut off, the same is read; what it is about is then made anew."""
        parts = [line + block for line in LINES for block in BLOCKS[:4]]
        expected = [read(part, part, limits=LIMITS) for part in parts]
        for name in ("same_bytes", "same_fields", "memo", "head_names", "counted"):
            shortcuts = Shortcuts(**{name: False})
            for part, sink in zip(parts, expected, strict=True):
                without = read(part, part, limits=LIMITS, shortcuts=shortcuts)
                self.assertEqual(told(without), told(sink), (name, part))
                self.assertEqual(without.events, sink.events, (name, part))
        data, other = LINES[0] + FIELDS, LINES[1] + FIELDS
        for name, is_same, is_shared, has_memo in (
            ("same_bytes", False, True, True),
            ("same_fields", True, False, False),
            ("memo", False, True, False),
        ):
            requests = read(data, data, other, shortcuts=Shortcuts(**{name: False})).requests
            self.assertEqual(requests[1] is requests[0], is_same, name)
            self.assertEqual(requests[2].index is requests[1].index, is_shared, name)
            self.assertEqual(requests[2].memo is requests[1].memo, has_memo, name)

    def test_targets(self) -> None:
        """A line that is taken without llhttp has a target that llhttp takes, byte by byte."""
        for byte in range(256):
            line = b"GET /%c HTTP/1.1\r\n" % byte
            refusal = read(b"\r\n" + line + FIELDS).requests[0].refusal
            is_plain = PLAIN_LINE.match(line) is not None
            self.assertEqual(is_plain, refusal is None, byte)

    def test_methods(self) -> None:
        """So it is with the methods, except for the one whose target is no path."""
        for method in KNOWN_METHODS:
            line = b"%b /a HTTP/1.1\r\n" % method
            self.assertEqual(PLAIN_LINE.match(line) is not None, method != b"CONNECT", method)
        for method in (b"get", b"BREW", b"PRI", b"GETS", b""):
            line = method + b" /a HTTP/1.1\r\n"
            self.assertIsNone(PLAIN_LINE.match(line), method)
            # They pass all the same, if only they are tokens.
            refusal = read(line + FIELDS).requests[0].refusal
            self.assertEqual(refusal and refusal.status, None if method else 400, method)

    def test_behind_a_bare_cr(self) -> None:
        """A CR of its own before a request is not overlooked because the rest comes later."""
        sink = read(b"\r", LINES[0] + FIELDS)
        self.assertEqual([r.refusal and r.refusal.status for r in sink.requests], [400])

    def test_expecting(self) -> None:
        """A head that asks to be asked for its body is read anew each time."""
        data = LINES[0] + H + b"Expect: 100-continue\r\n\r\n"
        first, second = read(data, data).requests
        self.assertIsNot(second.index, first.index)

    @given(
        st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(BLOCKS)), min_size=2, max_size=6)
    )
    def test_no_difference(self, parts: list[tuple[bytes, bytes]]) -> None:
        """What is told is what a reader tells that gets the bytes in pieces and so recalls none."""
        raw = [line + block for line, block in parts]
        pieces = [piece for each in raw for piece in (each[:5], each[5:])]
        whole, split = read(*raw, limits=LIMITS), read(*pieces, limits=LIMITS)
        self.assertEqual(told(whole), told(split))
        self.assertEqual(whole.events, split.events)


class DecisionTests(SynchronousTestCase):
    """Requests that differ in fields which decide nothing share decisions."""

    def shared(self, *blocks: bytes, shortcuts: Shortcuts | None = None) -> list[bool]:
        """Return for each request after the first whether it has the decisions of the last one."""
        reads = [LINES[0] + H + block + b"\r\n" for block in blocks]
        requests = read(*reads, shortcuts=shortcuts or Shortcuts()).requests
        memos = [request.memo for request in requests]
        self.assertEqual(len(memos), len(blocks))
        pairs = pairwise(memos)
        self.assertEqual(len({id(memo.heads) for memo in memos}), len(memos))
        return [before.rulings is after.rulings for before, after in pairs]

    def test_impartial(self) -> None:
        """Only the values of the conditional fields may differ."""
        for name in IMPARTIAL_FIELDS:
            line = name.title() + b": %d\r\n"
            self.assertEqual(self.shared(line % 1, line % 2, line % 3), [True, True])

    def test_others(self) -> None:
        """Any other field that differs, comes or goes is decided anew."""
        etag = b"If-None-Match: 1\r\n"
        for before, after in (
            (b"Origin: http://a.test\r\n", b"Origin: http://b.test\r\n"),
            (b"Cookie: a\r\n", b"Cookie: b\r\n"),
            (b"Origin: http://a.test\r\n", b""),
            (b"", b"Origin: http://a.test\r\n"),
            (b"If: 1\r\n", b"If: 2\r\n"),
            (b"X: 1\r\nY: 2\r\n", b"Y: 2\r\nX: 1\r\n"),
            (b"X: 1\r\n", b"x: 1\r\n"),
        ):
            self.assertEqual(self.shared(etag + before, etag + after), [False], before)

    def test_shortcut_off(self) -> None:
        """Without the shortcut nothing is shared."""
        etag = b"If-None-Match: %d\r\n"
        off = Shortcuts(memo=False)
        self.assertEqual(self.shared(etag % 1, etag % 2, shortcuts=off), [False])

    def test_forgets(self) -> None:
        """An idle connection keeps no request, not even one that was only kept to compare."""
        for ending in (b"\r\n", b"Content-Length: 2\r\n\r\nhi", b"Con"):
            parser = RequestParser(Recorder(), LIMITS, Shortcuts())
            parser.feed(LINES[0] + H + b"\r\n")
            parser.feed(LINES[0] + H + b"X: 1\r\n" + ending)
            parser.forget()
            self.assertEqual((parser.last.request, parser.last._before), (None, None))
