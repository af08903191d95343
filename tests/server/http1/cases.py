"""Heads and bodies that are good, refused or broken, and what a reader is told of each."""

from __future__ import annotations

from corsgate.message.framing import CHUNKED

H = b"Host: a\r\n"
GET = b"GET / HTTP/1.1\r\n"
POST = b"POST / HTTP/1.1\r\n" + H
TE = b"Transfer-Encoding: chunked\r\n"
NEXT = b"GET /next HTTP/1.1\r\n" + H + b"\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"

Event = tuple[object, ...]


def get(target: bytes, *, keep_alive: bool = True) -> Event:
    """Return the event of a GET without a body."""
    return (b"GET", target, None, keep_alive)


GOOD: tuple[tuple[bytes, tuple[Event, ...]], ...] = (
    (GET + H + b"\r\n", (get(b"/"),)),
    (b"GET /a?b=%2F;&c HTTP/1.1\r\nhOsT:a\r\n\r\n", (get(b"/a?b=%2F;&c"),)),
    (b"GET //a/../b HTTP/1.1\r\n" + H + b"\r\n", (get(b"//a/../b"),)),
    (b"GET http://b/x HTTP/1.1\r\n" + H + b"\r\n", (get(b"/x"),)),
    (b"\r\n\r\n" + GET + H + b"\r\n", (get(b"/"),)),
    (GET + H + b"\r\n" + NEXT, (get(b"/"), get(b"/next"))),
    (GET + H + b"\r\n\r\n\r\n" + NEXT, (get(b"/"), get(b"/next"))),
    (GET + H + b"Connection: close\r\n\r\n", (get(b"/", keep_alive=False),)),
    (GET + H + b"Connection: x, ClOsE\r\n\r\n" + NEXT, (get(b"/", keep_alive=False),)),
    (b"GET / HTTP/1.0\r\n\r\n" + NEXT, (get(b"/", keep_alive=False),)),
    (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + NEXT, (get(b"/"), get(b"/next"))),
    (b"OPTIONS * HTTP/1.1\r\n" + H + b"\r\n", ((b"OPTIONS", b"*", None, True),)),
    (b"QUERY / HTTP/1.1\r\n" + H + b"\r\n", ((b"QUERY", b"/", None, True),)),
    (b"LIST /a HTTP/1.1\r\n" + H + b"\r\n" + NEXT, ((b"LIST", b"/a", None, True), get(b"/next"))),
    (b"\r\npatch /a HTTP/1.1\r\n" + H + b"\r\n", ((b"patch", b"/a", None, True),)),
    (b"PRI /a HTTP/1.1\r\n" + H + b"\r\n", ((b"PRI", b"/a", None, True),)),
    (b"M" * 64 + b" /a HTTP/1.1\r\n" + H + b"\r\n", ((b"M" * 64, b"/a", None, True),)),
    (
        b"BAN / HTTP/1.1\r\n" + H + b"Content-Length: 5\r\n\r\nhello" + NEXT,
        ((b"BAN", b"/", 5, True), ("body", b"hello"), ("end",), get(b"/next")),
    ),
    (
        b"VERSION-CONTROL / HTTP/1.1\r\n" + H + TE + b"\r\n2\r\nhi\r\n0\r\n\r\n" + NEXT,
        ((b"VERSION-CONTROL", b"/", CHUNKED, True), ("body", b"hi"), ("end",), get(b"/next")),
    ),
    (b"head / HTTP/1.0\r\n\r\n" + NEXT, ((b"head", b"/", None, False),)),
    (
        POST + b"Content-Length: 0\r\n\r\n" + NEXT,
        ((b"POST", b"/", 0, True), ("end",), get(b"/next")),
    ),
    (
        POST + b"Content-Length: 5\r\n\r\nhello" + NEXT,
        ((b"POST", b"/", 5, True), ("body", b"hello"), ("end",), get(b"/next")),
    ),
    (
        POST + b"Content-Length: 0005\r\n\r\nhello",
        ((b"POST", b"/", 5, True), ("body", b"hello"), ("end",)),
    ),
    (
        POST + b"Content-Length: " + b"0" * 5000 + b"5\r\n\r\nhello" + NEXT,
        ((b"POST", b"/", 5, True), ("body", b"hello"), ("end",), get(b"/next")),
    ),
    (
        b"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi" + NEXT,
        ((b"POST", b"/", 2, False), ("body", b"hi"), ("end",)),
    ),
    (
        POST + TE + b"\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nHost: b\r\nX: y\r\n\r\n" + NEXT,
        ((b"POST", b"/", CHUNKED, True), ("body", b"hello"), ("end",), get(b"/next")),
    ),
    (POST + TE + b"\r\n0\r\n\r\n", ((b"POST", b"/", CHUNKED, True), ("end",))),
    (
        POST + b"Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n",
        ((b"POST", b"/", CHUNKED, True), ("end",)),
    ),
    (
        b"GET / HTTP/1.1\r\n" + H + b"Content-Length: 3\r\n\r\nabc" + NEXT,
        ((b"GET", b"/", 3, True), ("body", b"abc"), ("end",), get(b"/next")),
    ),
    (GET + H + UPGRADE + b"\r\n" + NEXT, (get(b"/"), get(b"/next"))),
    (
        POST + UPGRADE + b"Content-Length: 5\r\n\r\nhello" + NEXT,
        ((b"POST", b"/", 5, True), ("body", b"hello"), ("end",), get(b"/next")),
    ),
    (
        POST + UPGRADE + b"Content-Length: 0\r\n\r\n" + NEXT,
        ((b"POST", b"/", 0, True), ("end",), get(b"/next")),
    ),
    (
        POST + UPGRADE + TE + b"\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n" + NEXT,
        ((b"POST", b"/", CHUNKED, True), ("body", b"hello"), ("end",), get(b"/next")),
    ),
    (
        POST + b"Connection: close, Upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nhi" + NEXT,
        ((b"POST", b"/", 2, False), ("body", b"hi"), ("end",)),
    ),
    ((GET + H + UPGRADE + b"\r\n") * 3 + NEXT, (get(b"/"),) * 3 + (get(b"/next"),)),
)

UNROUTABLE: tuple[tuple[int, bytes], ...] = (
    # Which host, which target.
    (400, GET + b"\r\n"),
    (400, GET + H + H + b"\r\n"),
    (400, GET + b"Host: a b\r\n\r\n"),
    (400, GET + b"Host: a,b\r\n\r\n"),
    (400, GET + b"Host: u@a\r\n\r\n"),
    (400, b"GET http://u@b/ HTTP/1.1\r\n" + H + b"\r\n"),
    (400, b"GET ftp://b/ HTTP/1.1\r\n" + H + b"\r\n"),
    (400, b"GET a HTTP/1.1\r\n" + H + b"\r\n"),
    (400, b"GET * HTTP/1.1\r\n" + H + b"\r\n"),
    (400, b"GET /\xe9 HTTP/1.1\r\n" + H + b"\r\n"),
    (400, b"GET /\x00 HTTP/1.1\r\n" + H + b"\r\n"),
    (400, b"GET /a b HTTP/1.1\r\n" + H + b"\r\n"),
    (501, b"CONNECT b:443 HTTP/1.1\r\n" + H + b"\r\n"),
    # Which protocol.
    (505, b"GET /\r\n\r\n"),
    (505, b"GET / HTTP/0.9\r\n" + H + b"\r\n"),
    (505, b"GET / HTTP/2.0\r\n" + H + b"\r\n"),
    (400, b"GET / HTTP/1.2\r\n" + H + b"\r\n"),
    (400, b"GET / HTTP/1.1 \r\n" + H + b"\r\n"),
    (400, b"GET / http/1.1\r\n" + H + b"\r\n"),
    (400, b"OPTIONS /p RTSP/1.0\r\n" + H + b"X: /p HTTP/\r\n\r\n"),
    (400, b"OPTIONS /p RTSP/1.1\r\n" + H + b"X: OPTIONS /p HTTP/1.1\r\n\r\n"),
    (400, b"SOURCE /p ICE/1.0\r\n" + H + b"X: SOURCE /p HTTP/1.0\r\n\r\n"),
    # What stands between its parts, and before it.
    (400, b"GET  / HTTP/1.1\r\n" + H + b"\r\n"),
    (400, b"GET /  HTTP/1.1\r\n" + H + b"\r\n"),
    (400, b"GET\t/ HTTP/1.1\r\n" + H + b"\r\n"),
    (400, b"GET /\tHTTP/1.1\r\n" + H + b"\r\n"),
    (400, b" " + GET + H + b"\r\n"),
    (400, b"\t" + GET + H + b"\r\n"),
    (400, b"\n" + GET + H + b"\r\n"),
    (400, b"\n\n\n" + GET + H + b"\r\n"),
    (400, b"\r" + GET + H + b"\r\n"),
    (400, b"\r\r\n" + GET + H + b"\r\n"),
    (400, b"\r\n\n" + GET + H + b"\r\n"),
    (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    (400, b"G@T / HTTP/1.1\r\n" + H + b"\r\n"),
    (400, b"L\xc4ST / HTTP/1.1\r\n" + H + b"\r\n"),
    (400, b"LIST\x00 / HTTP/1.1\r\n" + H + b"\r\n"),
    (400, b"LIST\r\n\r\n"),
    (400, b"LI\rST / HTTP/1.1\r\n" + H + b"\r\n"),
    (400, b"LIST  / HTTP/1.1\r\n" + H + b"\r\n"),
    (400, b"LIST / HTTP/1.1 \r\n" + H + b"\r\n"),
    (400, b"LIST / RTSP/1.0\r\n" + H + b"\r\n"),
    (400, b"POST / RTSP/1.0\r\n" + H + b"\r\n"),
    (400, b"DESCRIBE / RTSP/1.0\r\n" + H + b"\r\n"),
    (400, b"\x16\x03\x01\x02\x00\x01\x00"),
    # How the fields are written.
    (400, b"GET / HTTP/1.1\n" + H + b"\r\n"),
    (400, GET + b"Host: a\n\r\n"),
    (400, GET + b"Host: a\r\r\n"),
    (400, GET + H + b"X : y\r\n\r\n"),
    (400, GET + H + b" X: y\r\n\r\n"),
    (400, GET + H + b"X: y\r\n z\r\n\r\n"),
    (400, GET + H + b"X: y\x00\r\n\r\n"),
    (400, GET + H + b"X: \x0by\r\n\r\n"),
    (400, GET + H + b": y\r\n\r\n"),
    (400, GET + H + b"X\r\n\r\n"),
    (400, GET + H + b"X\xe9: y\r\n\r\n"),
    (400, GET + H + b"Connection: " + b"x," * 100 + b"\r\n\r\n"),
    (400, GET + H + b"Connection: x\r\n" * 65 + b"\r\n"),
    # Where the body ends.
    (400, POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    (400, POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    (400, POST + b"Content-Length: 5, 5\r\n\r\nhello"),
    (400, POST + b"Content-Length: +5\r\n\r\nhello"),
    (400, POST + b"Content-Length: -5\r\n\r\nhello"),
    (400, POST + b"Content-Length: 0x5\r\n\r\nhello"),
    (400, POST + b"Content-Length: 5 5\r\n\r\nhello"),
    (400, POST + b"Content-Length:\r\n\r\nhello"),
    (400, POST + b"Content-Length: 99999999999999999999\r\n\r\n"),
    (400, POST + TE + b"Content-Length: 5\r\n\r\n0\r\n\r\n"),
    (400, POST + b"Content-Length: 5\r\n" + TE + b"\r\n0\r\n\r\n"),
    (400, POST + TE + TE + b"\r\n0\r\n\r\n"),
    (400, POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    (400, POST + b"Transfer-Encoding: identity\r\n\r\n"),
    (400, POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (400, POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
    (400, POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n"),
    (400, POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    (400, POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.0\r\n" + TE + b"\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.0\r\nConnection: keep-alive\r\n" + TE + b"\r\n0\r\n\r\n"),
)

# Heads that are sound enough to find a route by.
ROUTABLE: tuple[tuple[int, bytes], ...] = (
    (400, b"GET /a#b HTTP/1.1\r\n" + H + b"\r\n"),
    (501, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (501, POST + UPGRADE + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (501, b"M" * 65 + b" / HTTP/1.1\r\n" + H + b"\r\n"),
    (501, b"connect / HTTP/1.1\r\n" + H + b"\r\n"),
    (431, GET + H + b"X: " + b"y" * 40_000 + b"\r\n\r\n"),
    (414, b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n" + H + b"\r\n"),
    (431, GET + H + b"X: y\r\n" * 120 + b"\r\n"),
)
REFUSED = (*UNROUTABLE, *ROUTABLE)

BROKEN = (
    b"5\r\nhello0\r\n\r\n",
    b"5\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"-5\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"x\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    b"fffffffffffffffff\r\nhello",
    b"\r\n",
    b"0\r\nX : y\r\n\r\n",
    b"0\r\nX: y\n\r\n",
)
