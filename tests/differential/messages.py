"""The messages that cases are made of: heads as browsers and tools send them, and how they vary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import attrs

from corsgate.message.headers import Header, HeaderList
from tests.differential.configs import APP, FOREIGN, HOST
from tests.differential.script import Move, Reaction
from tests.differential.servers import DATE

CURL: HeaderList = [(b"User-Agent", b"curl/8.5"), (b"Accept", b"*/*")]
BROWSER: HeaderList = [
    (b"Connection", b"keep-alive"),
    (b"sec-ch-ua-mobile", b"?0"),
    (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0"),
    (b"Accept", b"application/json, text/plain, */*"),
    (b"Origin", APP),
    (b"Sec-Fetch-Site", b"cross-site"),
    (b"Sec-Fetch-Mode", b"cors"),
    (b"Sec-Fetch-Dest", b"empty"),
    (b"Referer", APP + b"/"),
    (b"Accept-Encoding", b"gzip, deflate, br"),
    (b"Accept-Language", b"en-GB,en;q=0.5"),
    (b"Cookie", b"session=1; theme=dark"),
]
HEADS: tuple[HeaderList, ...] = (
    [],
    CURL,
    BROWSER,
    [(b"origin", APP), (b"accept", b"*/*"), (b"if-none-match", b'"a"')],
    [(b"Accept", b"a/b"), (b"Accept", b"c/d;q=0.5"), (b"X-Forwarded-For", b"10.1.2.3")],
    [(b"Authorization", b"Bearer token"), (b"Origin", APP), (b"Cache-Control", b"no-cache")],
    [(b"Connection", b"X-Hop, keep-alive"), (b"X-Hop", b"1"), (b"Keep-Alive", b"timeout=5")],
    [(b"TE", b"trailers"), (b"Connection", b"TE"), (b"Via", b"1.1 other"), (b"Max-Forwards", b"9")],
    [(b"Forwarded", b"for=10.9.8.7;proto=https"), (b"X-Real-IP", b"10.9.8.7"), (b"DNT", b"1")],
)
"""Fields besides Host that a request may have."""

ORIGINS = (
    None,
    APP,
    b"https://a.app.example",
    b"https://b.a.app.example",
    FOREIGN,
    b"null",
    b"https://app.example.evil.example",
    b"https://APP.example",
    b"http://app.example",
    b"https://app.example:8443",
    b"http://gate.example",
    b"junk",
)
TARGETS = (
    b"/v1/x",
    b"/v1/y?q=1&r=%2F",
    b"/",
    b"/v1//a/%2e%2E/b;p=1",
    b"/%E2%82%AC?",
    b"/a/b/c/d?x=[1]",
    b"/v1/long/" + b"segment/" * 20,
)
_OTHER_VALUES = (b"1", b"other", b'"quoted, list"', b"a, b ,c", b"x" * 200, b"\xc3\xa9", b"")


@attrs.frozen(kw_only=True)
class Request:
    """A request of HTTP/1."""

    method: bytes = b"GET"
    target: bytes = b"/v1/x"
    fields: Sequence[Header] = ()
    host: bytes | None = HOST
    version: bytes = b"HTTP/1.1"
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """Return it as it stands on the wire."""
        host = [] if self.host is None else [(b"Host", self.host)]
        return head(
            b"%b %b %b" % (self.method, self.target, self.version), [*host, *self.fields], self.body
        )


def get(fields: Sequence[Header] = (), target: bytes = b"/v1/x", **more: Any) -> bytes:
    """Return a request as it stands on the wire, a GET if nothing else is said."""
    return Request(fields=fields, target=target, **more).to_bytes()


def head(line: bytes, fields: Sequence[Header], body: bytes = b"") -> bytes:
    """Return a message of HTTP/1."""
    return line + b"\r\n" + b"".join(b"%b: %b\r\n" % field for field in fields) + b"\r\n" + body


def with_origin(fields: HeaderList, origin: bytes | None) -> HeaderList:
    """Return fields with another Origin, or none."""
    kept = [field for field in fields if field[0].lower() != b"origin"]
    return kept if origin is None else [*kept, (b"Origin", origin)]


def vary(rng: Random, fields: HeaderList) -> HeaderList:
    """Return fields with one difference."""
    return rng.choice(_VARIATIONS)(rng, list(fields))


def _change(rng: Random, fields: HeaderList) -> HeaderList:
    if fields:
        at = rng.randrange(len(fields))
        if fields[at][0].lower() not in (b"connection", b"te"):
            fields[at] = (fields[at][0], rng.choice(_OTHER_VALUES))
    return fields


def _change_tag(rng: Random, fields: HeaderList) -> HeaderList:
    return [*fields, (b"If-None-Match", b'"%d"' % rng.randrange(1000))]


def _add(rng: Random, fields: HeaderList) -> HeaderList:
    fields.insert(rng.randint(0, len(fields)), (b"X-Added", rng.choice(_OTHER_VALUES)))
    return fields


def _drop(rng: Random, fields: HeaderList) -> HeaderList:
    if fields:
        del fields[rng.randrange(len(fields))]
    return fields


def _swap(rng: Random, fields: HeaderList) -> HeaderList:
    rng.shuffle(fields)
    return fields


def _respell(rng: Random, fields: HeaderList) -> HeaderList:
    if fields:
        at = rng.randrange(len(fields))
        name, value = fields[at]
        spelling = rng.choice((name.lower(), name.upper(), name.swapcase()))
        fields[at] = (spelling, value)
    return fields


def _pad(rng: Random, fields: HeaderList) -> HeaderList:
    if fields:
        at = rng.randrange(len(fields))
        name, value = fields[at]
        fields[at] = (name, rng.choice((b"  ", b"\t", b"")) + value + rng.choice((b" ", b" \t ")))
    return fields


def _double(rng: Random, fields: HeaderList) -> HeaderList:
    if fields:
        name, value = rng.choice(fields)
        if name.lower() not in (b"origin", b"connection"):
            fields.append((name, rng.choice((value, b"second"))))
    return fields


def _nominate(rng: Random, fields: HeaderList) -> HeaderList:
    others = [name for name, _ in fields if name.lower() not in (b"connection", b"te", b"host")]
    return [*fields, (b"Connection", rng.choice(others or [b"X-None"]))]


def _origin(rng: Random, fields: HeaderList) -> HeaderList:
    return with_origin(fields, rng.choice(ORIGINS))


_VARIATIONS: tuple[Callable[[Random, HeaderList], HeaderList], ...] = (
    *(_change, _change_tag, _add, _drop, _swap, _respell, _pad, _double, _nominate, _origin),
)

# Responses.

RESPONSE_HEADS: tuple[HeaderList, ...] = (
    [(b"Date", DATE), (b"Content-Type", b"application/json")],
    [(b"Server", b"nginx"), (b"Date", DATE), (b"Content-Type", b"text/plain"), (b"ETag", b'"1"')],
    [(b"server", b"box"), (b"content-type", b"text/html"), (b"vary", b"Accept-Encoding")],
    [(b"Date", DATE), (b"Set-Cookie", b"a=1; Path=/"), (b"Set-Cookie", b"b=2; Secure; HttpOnly")],
    [
        (b"Date", DATE),
        (b"Access-Control-Allow-Origin", b"*"),
        (b"Vary", b"Origin"),
        (b"X-Total", b"3"),
    ],
    [(b"Date", DATE), (b"Connection", b"X-Private"), (b"X-Private", b"1"), (b"X-Public", b"2")],
    [(b"Date", DATE), (b"Keep-Alive", b"timeout=5, max=9"), (b"Connection", b"keep-alive")],
    [(b"Date", DATE), (b"Vary", b"*"), (b"Cache-Control", b"max-age=60"), (b"Age", b"3")],
    [
        (b"X-Odd", b""),
        (b"X-Eight", b"\xe9\xff"),
        (b"X-Tab", b"a\tb"),
        (b"Content-Encoding", b"gzip"),
    ],
    [
        (b"Location", b"http://127.0.0.1:8001/v1/new"),
        (b"Date", DATE),
        (b"Content-Location", b"/v1/x"),
    ],
    [(b"WWW-Authenticate", b'Basic realm="box"'), (b"Date", DATE), (b"Link", b"</a>; rel=next")],
    [],
)
BODIES = (b"", b"x", b"fine", b'{"a": [1, 2, 3]}', b"line\r\n" * 40, bytes(range(256)) * 4)
STATUSES = (
    *(b"200 OK",) * 6,
    *(b"201 Created", b"206 Partial Content", b"200 ", b"302 Found", b"400 Bad Request"),
    *(b"401 Unauthorized", b"404 Not Found", b"500 Internal Server Error", b"599 Whatever"),
)
BODILESS = (b"204 No Content", b"304 Not Modified")


def chunked(
    body: bytes, trailers: Sequence[Header] = (), size: int = 700, more: bytes = b""
) -> bytes:
    """Return a chunked body.

    Args:
        body: What is in it.
        trailers: Fields behind it.
        size: How large its chunks are, in bytes.
        more: What stands behind each size: an extension.
    """
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), more, piece) for piece in pieces)
    return chunks + b"0\r\n" + b"".join(b"%b: %b\r\n" % field for field in trailers) + b"\r\n"


def response(
    status: bytes = b"200 OK",
    fields: Sequence[Header] = RESPONSE_HEADS[0],
    body: bytes = b"fine",
    *,
    framing: str = "length",
    trailers: Sequence[Header] = (),
    version: bytes = b"HTTP/1.1",
) -> bytes:
    """Return a response as it stands on the wire.

    Args:
        status: Its status and reason.
        fields: Its fields besides those that frame the body.
        body: Its body.
        framing: ``length``, ``chunked``, ``close`` (its end is the connection's) or ``none``.
        trailers: Fields behind a chunked body.
        version: The version of HTTP.
    """
    line = version + b" " + status
    if framing == "length":
        return head(line, [*fields, (b"Content-Length", b"%d" % len(body))], body)
    if framing == "chunked":
        fields = [*fields, (b"Transfer-Encoding", b"chunked")]
        return head(line, fields, chunked(body, trailers))
    return head(line, fields, b"" if framing == "none" else body)


def pieces(rng: Random, data: bytes, most: int = 4) -> tuple[bytes, ...]:
    """Return bytes in some pieces."""
    cuts = sorted(
        {rng.randrange(1, len(data)) for _ in range(rng.randrange(most))} if data[1:] else ()
    )
    return tuple(data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True))


def reply(rng: Random, fields: Sequence[Header] | None = None, *, kept: bool = True) -> Reaction:
    """Return a server's reaction that is a whole response to a GET, framed in any way.

    Args:
        rng: Draws.
        fields: The response's; None for any.
        kept: Whether the connection stays open behind it.
    """
    fields = rng.choice(RESPONSE_HEADS) if fields is None else fields
    framing = rng.choice(("length", "length", "length", "chunked", "none"))
    if framing == "none":
        data = response(rng.choice(BODILESS), fields, framing="none")
    else:
        body = rng.choice(BODIES)
        data = response(rng.choice(STATUSES), fields, body, framing=framing)
    whole = rng.random() < 0.6
    moves = (data,) if whole else pieces(rng, data)
    return Reaction((Move.WHOLE, *moves) if kept else (Move.WHOLE, *moves, Move.CLOSE))
