"""Responses that are not well-formed: what each one means, or that it has no one meaning."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from corsgate.errors import BadUpstreamResponse
from corsgate.message.headers import HeaderList
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.upstream.lenient_parser import LenientParser
from corsgate.upstream.parser import Ending
from corsgate.upstream.repairs import Repair
from tests.upstream.parsing import CHUNKS, CL, EARLY, OK, TE, TEN, UPGRADE, by_bytes

LF_OK = b"HTTP/1.0 200 OK\n"
X = (b"X", b"1")
FIVE = (b"Content-Length", b"5")
CHUNKED = (b"Transfer-Encoding", b"chunked")


@attrs.frozen(kw_only=True)
class Found:
    """What came out of a connection's bytes, up to its end.

    Attributes:
        status: The final head's status; None where there was none.
        reason: Its reason.
        headers: Its fields.
        body: The body.
        whole: Whether the response came whole.
        reusable: Whether the connection may be used again.
        repairs: What was put right.
        informed: The status of each interim response.
        trailers: What was behind the body.
        tail: What was behind a switch.
    """

    status: int | None = None
    reason: bytes = b""
    headers: HeaderList = attrs.Factory(list)
    body: bytes = b""
    whole: bool = True
    reusable: bool = False
    repairs: frozenset[Repair] = frozenset()
    informed: tuple[int, ...] = ()
    trailers: HeaderList = attrs.Factory(list)
    tail: bytes = b""


def take(
    reads: Iterable[bytes],
    method: bytes = b"GET",
    *,
    upgrade: bool = False,
    shortcuts: Shortcuts = ALL,
    ending: Ending = Ending.CLOSED,
    before: Iterable[tuple[bytes, bytes]] = (),
) -> Found:
    """Return what a lenient parser makes of these reads, and of the connection's end.

    Args:
        reads: What is read.
        method: The request's.
        upgrade: Whether the request offers to switch protocols.
        shortcuts: Which ones are taken.
        ending: How the connection ends.
        before: The methods and responses that the connection has carried before, well-formed.
    """
    repairs: set[Repair] = set()
    informed: list[int] = []
    parser = LenientParser(
        lambda head: informed.append(head.status), shortcuts, lambda each, _: repairs.add(each)
    )
    for earlier, raw in before:
        parser.expect(earlier, upgrade=False)
        parser.feed(raw)
        assert parser.complete, raw
        assert parser.reusable, raw
    informed.clear()
    parser.expect(method, upgrade=upgrade)
    body = tail = b""
    failed = False
    for data in reads:
        try:
            tail += parser.feed(data)
        except BadUpstreamResponse:
            failed = True
        body += parser.body
        if failed or (parser.complete and parser.has_surplus):
            break
    if not failed and not parser.complete and not parser.switched:
        failed = parser.finish(ending) is not None
    head = parser.head
    return Found(
        status=None if head is None else head.status,
        reason=b"" if head is None else head.reason,
        headers=[] if head is None else head.headers,
        body=body,
        whole=parser.complete or parser.switched,
        reusable=parser.complete and parser.reusable and not parser.has_surplus,
        repairs=frozenset(repairs),
        informed=tuple(informed),
        trailers=list(parser.trailers) if parser.complete else [],
        tail=tail,
    )


def fine(headers: HeaderList, *repairs: Repair, **changes: Any) -> Found:
    """Return what is found of a response that was put right, apart from some changes."""
    repaired = frozenset(repairs)
    found = Found(status=200, reason=b"OK", headers=headers, body=b"hello", repairs=repaired)
    return attrs.evolve(found, **changes)


FORMS: tuple[tuple[bytes, Found], ...] = (
    # Bare LF, all through or where the head ends.
    (LF_OK + b"X: 1\n\nhello", fine([X], Repair.BARE_LF)),
    (OK + b"X: 1\n\nhello", fine([X], Repair.BARE_LF)),
    (OK + b"X: 1\r\n\nhello", fine([X], Repair.BARE_LF)),
    (OK + b"X: 1\n\r\nhello", fine([X], Repair.BARE_LF)),
    (b"HTTP/1.1 200 OK\nX: 1\r\nContent-Length: 5\r\n\r\nhello", fine([X, FIVE], Repair.BARE_LF)),
    (b"HTTP/1.1 200 OK\n\nhello", fine([], Repair.BARE_LF)),
    # Empty lines before it.
    (b"\r\n" + OK + CL + b"\r\nhello", fine([FIVE], Repair.EMPTY_LINE)),
    (b"\n\r\n" + OK + CL + b"\r\nhello", fine([FIVE], Repair.EMPTY_LINE)),
    (b"\n" + LF_OK + b"\nhello", fine([], Repair.EMPTY_LINE, Repair.BARE_LF)),
    # Chunks.
    (OK + TE + b"\r\n5   \r\nhello\r\n0\r\n\r\n", fine([CHUNKED], Repair.CHUNK_LINE)),
    (OK + TE + b"\r\n5\t\r\nhello\r\n0 \r\n\r\n", fine([CHUNKED], Repair.CHUNK_LINE)),
    (OK + TE + b"\r\n5 ; x\r\nhello\r\n0\r\n\r\n", fine([CHUNKED], Repair.CHUNK_LINE)),
    (OK + TE + b"\r\n5; x=y\r\nhello\r\n0;\r\n\r\n", fine([CHUNKED], Repair.CHUNK_LINE)),
    (OK + TE + b"\r\n5\nhello\n0\n\n", fine([CHUNKED], Repair.CHUNK_LF)),
    (OK + TE + b"\r\n2\r\nhe\n3\nllo\r\n0\r\n\r\n", fine([CHUNKED], Repair.CHUNK_LF)),
    (OK + TE + b"\r\n2\r\nhe\r\n3\r\nllo\r\n0\n\r\n", fine([CHUNKED], Repair.CHUNK_LF)),
    (
        OK + TE + b"\r\n5 \nhello\r\n0\r\n\n",
        fine([CHUNKED], Repair.CHUNK_LF, Repair.CHUNK_LINE),
    ),
    (
        b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n",
        fine([CHUNKED], Repair.CHUNK_LF, Repair.BARE_LF),
    ),
    # Lengths.
    (OK + CL + TE + b"\r\n" + CHUNKS + b"\r\n", fine([CHUNKED], Repair.LENGTH_WITH_CHUNKED)),
    (
        OK + TE + b"Content-Length: 15\r\n\r\n" + CHUNKS + b"\r\n",
        fine([CHUNKED], Repair.LENGTH_WITH_CHUNKED),
    ),
    (OK + CL + CL + b"\r\nhello", fine([FIVE], Repair.REPEATED_LENGTH)),
    (OK + b"content-length: 5,5 , 5\r\n\r\nhello", fine([FIVE], Repair.REPEATED_LENGTH)),
    # Values, names and lines.
    (
        OK + b"X: a\x01b\x1fc\x7f\r\n" + CL + b"\r\nhello",
        fine([(b"X", b"a b c"), FIVE], Repair.CONTROL),
    ),
    (
        b"HTTP/1.1 200 O\x02K\r\n" + CL + b"\r\nhello",
        fine([FIVE], Repair.CONTROL, reason=b"O K"),
    ),
    (OK + b"X : 1\r\n" + CL + b"\r\nhello", fine([X, FIVE], Repair.SPACED_NAME)),
    (OK + b"X \t : 1\r\nContent-Length : 5\r\n\r\nhello", fine([X, FIVE], Repair.SPACED_NAME)),
    (
        OK + b"Transfer-Encoding\t: chunked\r\n\r\n" + CHUNKS + b"\r\n",
        fine([CHUNKED], Repair.SPACED_NAME),
    ),
    (
        OK + b"X: 1;\r\n\tmore \r\n  yet\r\n" + CL + b"\r\nhello",
        fine([(b"X", b"1; more yet"), FIVE], Repair.FOLDED),
    ),
    (OK + b"X:\r\n 1\r\n \r\n" + CL + b"\r\nhello", fine([X, FIVE], Repair.FOLDED)),
    (
        OK + b"No colon\r\nX: 1\r\n: 1\r\nY (z): 2\r\n\xff: 3\r\n" + CL + b"\r\nhello",
        fine([X, FIVE], Repair.BAD_LINE),
    ),
    # Codings.
    (OK + b"Transfer-Encoding: identity\r\n" + CL + b"\r\nhello", fine([FIVE], Repair.IDENTITY)),
    (OK + b"Transfer-Encoding: Identity\r\n\r\nhello", fine([], Repair.IDENTITY)),
    (
        OK + b"Transfer-Encoding: identity, chunked\r\n\r\n" + CHUNKS + b"\r\n",
        fine([CHUNKED], Repair.IDENTITY),
    ),
    (OK + TE + TE + b"\r\n" + CHUNKS + b"\r\n", fine([CHUNKED], Repair.REPEATED_CHUNKED)),
    (
        OK + b"Transfer-Encoding: chunked, Chunked\r\n\r\n" + CHUNKS + b"\r\n",
        fine([CHUNKED], Repair.REPEATED_CHUNKED),
    ),
    # Status lines.
    (b"HTTP/2 200 OK\r\n" + CL + b"\r\nhello", fine([FIVE], Repair.VERSION)),
    (b"HTTP/2.0 200 OK\r\n" + CL + b"\r\nhello", fine([FIVE], Repair.VERSION)),
    (b"HTTP/1.2 200 OK\r\n" + CL + b"\r\nhello", fine([FIVE], Repair.VERSION)),
    (b"HTTP/2 200\r\n" + CL + b"\r\nhello", fine([FIVE], Repair.VERSION, reason=b"")),
    (b"HTTP/1.1  200 OK\r\n" + CL + b"\r\nhello", fine([FIVE], Repair.STATUS_LINE)),
    (b"HTTP/1.1 200  OK\r\n" + CL + b"\r\nhello", fine([FIVE], Repair.STATUS_LINE)),
    (b"HTTP/1.1\t200\tOK\r\n" + CL + b"\r\nhello", fine([FIVE], Repair.STATUS_LINE)),
    (
        b"HTTP/1.1 600 OK\r\n" + CL + b"\r\nhello",
        fine([FIVE], Repair.STATUS, status=600),
    ),
    (
        b"HTTP/1.0 999 No\r\n\r\nhello",
        fine([], Repair.STATUS, status=999, reason=b"No"),
    ),
)

OTHER_FORMS: tuple[tuple[bytes, bytes, Found], ...] = (
    # Responses without a body, whatever else is odd.
    (b"HEAD", LF_OK + b"Content-Length: 5\n\n", fine([FIVE], Repair.BARE_LF, body=b"")),
    (b"HEAD", OK + CL + TE + b"\r\n", fine([CHUNKED], Repair.LENGTH_WITH_CHUNKED, body=b"")),
    (
        b"HEAD",
        b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        fine([FIVE], Repair.BARE_LF, body=b""),
    ),
    (b"GET", b"HTTP/1.1 204 OK\n\n", fine([], Repair.BARE_LF, body=b"", status=204)),
    (
        b"GET",
        b"HTTP/1.1 304 OK\nContent-Length: 5\n\n",
        fine(
            [FIVE],
            Repair.BARE_LF,
            body=b"",
            status=304,
        ),
    ),
    (
        b"GET",
        b"HTTP/1.1 304 OK\r\nContent-Length: 5, 5\r\n\r\n",
        fine(
            [FIVE],
            Repair.REPEATED_LENGTH,
            body=b"",
            status=304,
        ),
    ),
    # Interim responses: before one, as one, behind one; each is passed on once.
    (b"GET", EARLY + LF_OK + b"\nhello", fine([], Repair.BARE_LF, informed=(103,))),
    (
        b"GET",
        EARLY + b"HTTP/1.1 102 P\n\n" + EARLY + OK + CL + b"\r\nhello",
        fine([FIVE], Repair.BARE_LF, informed=(103, 102, 103)),
    ),
    (
        b"GET",
        b"HTTP/1.1 100 C\nContent-Length: 5\n\n\r\n" + OK + CL + CL + b"\r\nhello",
        fine([FIVE], Repair.BARE_LF, Repair.EMPTY_LINE, Repair.REPEATED_LENGTH, informed=(100,)),
    ),
    (
        b"GET",
        EARLY + b"\r\n" + EARLY + OK + CL + b"\r\nhello",
        fine([FIVE], Repair.EMPTY_LINE, informed=(103, 103)),
    ),
    # Trailers.
    (
        b"GET",
        OK + TE + b"\r\n" + CHUNKS + b"Y : 2\r\nno colon\r\nZ: a\x01b\r\n c\r\n\r\n",
        fine(
            [CHUNKED],
            Repair.SPACED_NAME,
            Repair.BAD_LINE,
            Repair.CONTROL,
            Repair.FOLDED,
            trailers=[(b"Y", b"2"), (b"Z", b"a b c")],
        ),
    ),
    (
        b"GET",
        OK + TE + b"\r\n" + CHUNKS + b"Y: 2\n\n",
        fine([CHUNKED], Repair.CHUNK_LF, trailers=[(b"Y", b"2")]),
    ),
    (
        b"GET",
        OK + TE + b"\r\n" + CHUNKS + CL + b"\r\n",
        fine([CHUNKED], Repair.LENGTH_WITH_CHUNKED, trailers=[FIVE]),
    ),
)

# No head is passed on.
AMBIGUOUS_HEADS = (
    b"<html>",
    b"hello\r\n\r\n",
    b"\x16\x03\x01",
    b"http/1.1 200 OK\r\n\r\n",
    b"HTTPS/1.1 200 OK\r\n\r\n",
    b"ICE/1.0 200 OK\n\n",
    b"\r\r\n" + OK + CL + b"\r\nhello",
    b"\r" + OK + CL + b"\r\nhello",
    b"x" + OK + CL + b"\r\nhello",
    b"HTTP/0.9 200 OK\n\n",
    b"HTTP/0.9 200 OK\r\n\r\n",
    b"HTTP/3 200 OK\r\n\r\n",
    b"HTTP/1 200 OK\r\n\r\n",
    b"HTTP/1.10 200 OK\r\n\r\n",
    b"HTTP/1.1 99 X\n\n",
    b"HTTP/1.1 099 X\n\n",
    b"HTTP/1.1 1000 X\n\n",
    b"HTTP/1.1 200OK\n\n",
    b"HTTP/1.1 -200 OK\n\n",
    b"HTTP/1.1 200 O\x00K\r\n\r\n",
    b"HTTP/1.1 200 O\rK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\r\n\r\n",
    OK + b"X: a\x00b\r\n" + CL + b"\r\nhello",
    OK + b"X: a\rb\r\n" + CL + b"\r\nhello",
    OK + b"X: a\r\r\n" + CL + b"\r\nhello",
    OK + b"X\x00: a\r\n\r\n",
    OK + b"no colon\x00\r\n\r\n",
    # Lengths.
    OK + b"Content-Length: 5\r\nContent-Length: 4\r\n\r\nhello",
    OK + b"Content-Length: 5, 4\r\n\r\nhello",
    OK + b"Content-Length: 5, 05\r\n\r\nhello",
    OK + b"Content-Length: 5,\r\n\r\nhello",
    OK + b"Content-Length: 5 5\r\n\r\nhello",
    OK + b"Content-Length:\r\n\r\nhello",
    OK + b"Content-Length: -5\r\n\r\nhello",
    OK + b"Content-Length: +5\r\n\r\nhello",
    OK + b"Content-Length: 0x5\r\n\r\nhello",
    OK + b"Content-Length: five\n\nhello",
    OK + b"Content-Length: " + b"9" * 21 + b"\n\nhello",
    OK + b"Content-Length: 5\x01\r\n\r\nhello",
    OK + b"Content-Length: 5\r\n \r\n\r\nhello",
    OK + b"Content-Length:\r\n 5\r\n\r\nhello",
    OK + b"Content-Length: 5\r\nContent-Length : 6\r\n\r\nhello",
    OK + TE + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + CHUNKS + b"\r\n",
    OK + TE + b"Content-Length: -1\r\n\r\n" + CHUNKS + b"\r\n",
    TEN + TE + CL + b"\r\n" + CHUNKS + b"\r\n",
    b"HTTP/1.1 304 N\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    # Codings.
    OK + b"Transfer-Encoding: gzip\r\n\r\n",
    OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS + b"\r\n",
    OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
    OK + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKS + b"\r\n",
    OK + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS + b"\r\n",
    OK + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKS + b"\r\n",
    OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKS + b"\r\n",
    OK + b"Transfer-Encoding:\r\n\r\n",
    OK + b"Transfer-Encoding: chunked;q=1\r\n\r\n" + CHUNKS + b"\r\n",
    # What resembles a framing field, and would be dropped or joined.
    OK + b"Content Length: 5\r\n\r\nhello",
    OK + b"Content-Length 5\r\n\r\nhello",
    OK + b"Content-Length=5\r\n\r\nhello",
    OK + b"Content-Length\x0b: 5\r\n\r\nhello",
    OK + b"Content-Len\x80th: 5\r\n\r\nhello",
    OK + b"\x7fontent-Length: 5\r\n\r\nhello",
    OK + b"Transfer-Enc\x00ding: chunked\r\n\r\n" + CHUNKS + b"\r\n",
    OK + b"Tr\x80nsfer-Encoding: chunked\r\n\r\n" + CHUNKS + b"\r\n",
    OK + b"content\xadlength: 5\r\n\r\nhello",
    OK + b"Transfer-Encoding\x0b: chunked\r\n\r\n" + CHUNKS + b"\r\n",
    OK + b"Transfer Encoding: chunked\r\n\r\n" + CHUNKS + b"\r\n",
    OK + b"(Transfer-Encoding): chunked\r\n\r\n" + CHUNKS + b"\r\n",
    OK + b"X: 1\r\n Content-Length: 5\r\n\r\nhello",
    OK + b"X: 1\r\n\tTransfer-Encoding : chunked\r\n\r\n" + CHUNKS + b"\r\n",
    # Lines folded to what is no field.
    OK + b" X: 1\r\n\r\n",
    OK + b"no colon\r\n : 1\r\n\r\n",
    OK + b"Content-Length\r\n : 5\r\n\r\nhello",
    # An unrequested switch.
    b"HTTP/1.1 101 S\n\n",
    b"HTTP/1.0 101 S\r\n" + UPGRADE + b"\r\nabc",
)

# The head passes, and as much of the body as is certain; then it is cut short.
AMBIGUOUS_BODIES = (
    (b"\r\n5x\r\nhello\r\n0\r\n\r\n", b""),
    (b"\r\n5\r\nhello\r\n5x\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"\r\n5\r\nhellox\r\n0\r\n\r\n", b"hello"),
    (b"\r\n6\r\nhello\r\n0\r\n\r\n", b"hello\r"),
    (b"\r\n6\r\nhello\r\n0\n\n", b"hello\r"),
    (b"\r\n3\nhel\n3\r\nlo\r\n0\n\n", b"hello\r"),
    (b"\r\n5\r\nhello", b"hello"),
    (b"\r\n5\r\nhello\r\n", b"hello"),
    (b"\r\n5\r\nhello\r\n0\r\n", b"hello"),
    (b"\r\n6\r\nhello", b"hello"),
    (b"\r\n -5\r\nhello\r\n0\r\n\r\n", b""),
    (b"\r\n-5\r\nhello\r\n0\r\n\r\n", b""),
    (b"\r\n0x5\r\nhello\r\n0\r\n\r\n", b""),
    (b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b""),
    (b"\r\n5\rhello\r\n0\r\n\r\n", b""),
    (b"\r\n5\r\r\nhello\r\n0\r\n\r\n", b""),
    (b"\r\n5 5\r\nhello\r\n0\r\n\r\n", b""),
    (b"\r\n5;a\nb\r\nhello\r\n0\r\n\r\n", b""),
    (b"\r\n5;a\x00\r\nhello\r\n0\r\n\r\n", b""),
    (b"\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", b""),
    (b"\r\n5\r\nhello\r\n0\r\nContent Length: 5\r\n\r\n", b"hello"),
    (b"\r\n5\r\nhello\r\n0\r\n X: 5\r\n\r\n", b"hello"),
    (b"\r\n5\r\nhello\r\n0\r\nX: a\x00\r\n\r\n", b"hello"),
    (b"\r\n5\r\nhello\r\n0\r\nX: a\rb\r\n\r\n", b"hello"),
)


def splits(raw: bytes) -> tuple[list[bytes], ...]:
    """Return bytes in one piece, one by one, and with their head apart."""
    end = raw.find(b"\n\n") + 2 or raw.find(b"\r\n\r\n") + 4
    return [raw], by_bytes(raw), [raw[:end], raw[end:]]
