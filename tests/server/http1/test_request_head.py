"""Requests made of what llhttp says of a head: the quick look says what the close one does."""

from __future__ import annotations

import contextlib
from typing import Any

import httptools
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.errors import TargetError
from corsgate.message.headers import HeadNames
from corsgate.server.http1.last_request import PLAIN_LINE
from corsgate.server.http1.request_head import CollectedHead
from corsgate.server.http1.request_line import RequestLine
from corsgate.shortcuts import ALL, Shortcuts

FIELDS = (
    b"Host: a.test",
    b"host: b.test:80",
    b"Host: a b",
    b"Host:",
    b"Accept: */*",
    b"X:  1 ",
    b"X: 2\t",
    b"Content-Length: 5",
    b"Content-Length: 005",
    b"Connection: keep-alive",
    b"Connection: Keep-Alive",
    b"Connection: close",
    b"Connection: x",
    b"Proxy-Connection: close",
    b"TE: trailers",
    b"Expect: 100-continue",
    b"Upgrade: x",
    b"Transfer-Encoding: chunked",
)
LIMITS = Limits(max_headers=6, max_target_bytes=64)
LINE = b"PUT /a?b HTTP/1.1\r\n"


def collect(raw: bytes, shortcuts: Shortcuts = ALL) -> tuple[CollectedHead, Any]:
    """Return what is collected of a head, and the parser that has read it."""
    head = CollectedHead(LIMITS, shortcuts)
    head.begin()
    parser: Any = httptools.HttpRequestParser(head)
    with contextlib.suppress(httptools.HttpParserUpgrade):
        parser.feed_data(raw)
    head.is_trimmed = b" \r\n" not in raw and b"\t\r\n" not in raw
    return head, parser


def told(raw: bytes, *, quick: bool) -> object:
    """Return all that is made of a head, or why none is."""
    line: Any = RequestLine()
    line.take(raw)
    try:
        head, parser = collect(raw)
        request = head.make(parser, (PLAIN_LINE.match(raw) if quick else None) or line, len(raw))
    except (TargetError, httptools.HttpParserError) as error:
        return type(error), str(error)
    return (
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


class MakeTests(SynchronousTestCase):
    @given(st.lists(st.sampled_from(FIELDS), max_size=8))
    def test_no_difference(self, fields: list[bytes]) -> None:
        """Whatever the fields are, the quick look comes to what the close one comes to."""
        raw = LINE + b"".join(field + b"\r\n" for field in fields) + b"\r\n"
        self.assertEqual(told(raw, quick=True), told(raw, quick=False))

    def test_limits(self) -> None:
        """A target and a head of the largest size pass, and those of a byte more don't."""
        for size in (64, 65):
            raw = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * (size - 1))
            self.assertEqual(told(raw, quick=True), told(raw, quick=False))
            head, parser = collect(raw)
            line = PLAIN_LINE.match(raw)
            assert line is not None
            refusal = head.make(parser, line, len(raw)).refusal
            self.assertEqual(refusal and refusal.status, None if size == 64 else 414)

    def test_names(self) -> None:
        """The names of a plain head are known to who asks for them later, shared or not."""
        raw = LINE + b"Host: a.test\r\nX: 1\r\n\r\n"
        line = PLAIN_LINE.match(raw)
        assert line is not None
        made = []
        for shortcuts in (ALL, ALL, Shortcuts(head_names=False)):
            head, parser = collect(raw, shortcuts)
            made.append(head.make(parser, line, len(raw)).head.names)
        first, second, third = made
        assert isinstance(third, HeadNames)
        self.assertEqual(third.lowered, (b"host", b"x"))
        self.assertIs(first, second)
        self.assertIsNot(first, third)

    def test_partial(self) -> None:
        """A head that has not ended gives what has come of it, within the bound on fields."""
        head, _ = collect(LINE + b"X: 1 \r\n" * 9)
        made = head.so_far(b"-")
        self.assertEqual((made.method, made.target), (b"-", b"/a?b"))
        self.assertEqual(made.headers, [(b"X", b"1")] * 6)
        refusal = head.excess(0)
        self.assertEqual(refusal and refusal.status, 431)

    def test_begins_anew(self) -> None:
        """Nothing of one head goes into the next one."""
        head, _ = collect(LINE + b"X: 1\r\n" * 9)
        head.drop_surplus()
        head.begin()
        self.assertEqual(head.so_far(b"GET").headers, [])
        self.assertEqual(head.so_far(b"GET").target, b"/")
        self.assertIsNone(head.excess(0))
