"""Cases over HTTP/2: streams one after the other and at once, right and wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, product
from random import Random

from corsgate.message.headers import HeaderList
from tests.differential.configs import APP, FOREIGN
from tests.differential.messages import (
    BROWSER,
    CURL,
    ORIGINS,
    RESPONSE_HEADS,
    TARGETS,
    pieces,
    reply,
    response,
    vary,
    with_origin,
)
from tests.differential.script import (
    Case,
    Data,
    Framed,
    Frames,
    Headers,
    Leave,
    Move,
    Raw,
    Reaction,
    Release,
    Reset,
    Step,
    Wait,
    answer,
)
from tests.differential.servers import DATE, FINE

_DATE: HeaderList = [(b"Date", DATE)]
_ORIGIN: HeaderList = [(b"origin", APP)]
_HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"te", b"host", b"upgrade", b"x-hop"))
_HEADS: tuple[HeaderList, ...] = (
    [],
    CURL,
    BROWSER,
    [(b"origin", APP), (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"te", b"trailers")],
    [(b"authorization", b"Bearer token"), (b"x-forwarded-for", b"10.1.2.3"), (b"via", b"2 other")],
)


def _block(
    fields: HeaderList,
    target: bytes = b"/v1/x",
    method: bytes = b"GET",
    host: bytes = b"gate.example",
) -> HeaderList:
    """Return what a client of HTTP/2 makes of a request's fields."""
    pseudo = [(b":method", method), (b":scheme", b"https"), (b":authority", host)]
    kept = [
        (name.lower(), value.strip(b" \t"))
        for name, value in fields
        if name.lower() not in _HOP_BY_HOP or (name.lower(), value) == (b"te", b"trailers")
    ]
    return [*pseudo, (b":path", target), *kept]


def _one_by_one(blocks: Sequence[HeaderList]) -> tuple[Step, ...]:
    return tuple(
        Frames(0, (Headers(number, block),))
        for number, block in zip(count(1, 2), blocks, strict=False)
    )


def http2_same(rng: Random) -> Iterator[Case]:
    """The same fields on stream after stream, with other targets and responses."""
    for number in range(60):
        fields = _HEADS[number % len(_HEADS)]
        blocks = [
            _block(fields, rng.choice(TARGETS[:5]) if number % 2 else b"/v1/x") for _ in range(5)
        ]
        yield Case(
            name="",
            kind="http2_same",
            config=rng.choice(("cors", "basic", "routes")),
            steps=_one_by_one(blocks),
            reactions=tuple(reply(rng) for _ in blocks),
        )


def http2_differs(rng: Random) -> Iterator[Case]:
    """One field differs from one stream to the next."""
    for number in range(70):
        fields = _HEADS[number % len(_HEADS)]
        other = vary(rng, fields)
        blocks = [_block(fields if letter == "A" else other) for letter in "ABAABB"]
        yield Case(
            name="",
            kind="http2_differs",
            config=rng.choice(("cors", "basic", "combined")),
            steps=_one_by_one(blocks),
            reactions=tuple(reply(rng) for _ in blocks),
        )


def http2_cors(rng: Random) -> Iterator[Case]:
    """Preflights and requests of several origins, and methods."""
    for _ in range(50):
        blocks = []
        for _ in range(5):
            fields = with_origin(rng.choice((BROWSER, [])), rng.choice(ORIGINS))
            prefix = rng.choice((b"/v1", b"/strip", b"/few", b"/auto", b"/star"))
            if rng.random() < 0.5:
                method = rng.choice((b"PUT", b"PATCH"))
                fields = [*fields, (b"Access-Control-Request-Method", method)]
                fields.append((b"Access-Control-Request-Headers", b"content-type"))
                blocks.append(_block(fields, prefix, b"OPTIONS"))
            else:
                blocks.append(_block(fields, prefix, rng.choice((b"GET", b"HEAD", b"DELETE"))))
        yield Case(
            name="",
            kind="http2_cors",
            config="routes",
            steps=_one_by_one(blocks),
            reactions=tuple(reply(rng, _DATE) for _ in range(1)),
        )


def http2_at_once(rng: Random) -> Iterator[Case]:
    """Many streams in one write; their responses come in any order, and some are reset."""
    for number in range(50):
        streams = list(range(1, 2 * rng.randint(2, 8), 2))
        frames: list[Framed] = [
            Headers(stream, _block(rng.choice(_HEADS), rng.choice(TARGETS[:3])))
            for stream in streams
        ]
        if number % 3 == 0:
            frames.append(Reset(rng.choice(streams)))
        slow = response(b"200 OK", rng.choice(RESPONSE_HEADS), b"slow" * 9, framing="chunked")
        held = answer(slow[:90], Move.HOLD, slow[90:])
        last: Step = Leave(0) if number % 5 == 4 else Frames(0, (Headers(101, _block([])),))
        yield Case(
            name="",
            kind="http2_at_once",
            config=rng.choice(("cors", "one-connection", "two")),
            steps=(Frames(0, tuple(frames)), Release(), Release(), Wait(1), last),
            reactions=tuple(rng.choice((held, reply(rng))) for _ in streams),
            splits=False,
        )


def http2_bodies(rng: Random) -> Iterator[Case]:
    """Each framing of bodies, both ways, with trailers and early answers."""
    sends = ("none", "length", "streamed", "trailers", "wrong", "expect")
    framings = ("length", "chunked", "close", "none", "trailers")
    for send, framing, size in product(sends, framings, (0, 5, 30_000)):
        body = b"b" * size
        fields: HeaderList = [*_ORIGIN, (b"te", b"trailers")]
        if send in ("length", "expect"):
            fields.append((b"content-length", b"%d" % size))
        if send == "expect":
            fields.append((b"expect", b"100-continue"))
        if send == "wrong":
            fields.append((b"content-length", b"%d" % (size + 1)))
        block = _block(fields, method=b"GET" if send == "none" else b"PUT")
        frames: list[Framed] = [Headers(1, block, end=send == "none")]
        if send != "none":
            parts = [body[at : at + 10_000] for at in range(0, size, 10_000)] or [b""]
            frames += [Data(1, part, end=False) for part in parts[:-1]]
            frames.append(Data(1, parts[-1], end=send != "trailers"))
        if send == "trailers":
            frames.append(Headers(1, [(b"x-sum", b"1")]))
        cut = rng.randint(1, len(frames))
        steps: tuple[Step, ...] = (
            Frames(0, tuple(frames[:cut])),
            Frames(0, tuple(frames[cut:])),
        )
        config = rng.choice(("cors", "digest", "two", "basic"))
        if config == "digest":
            # A body that waits for 100 Continue is sent without it after a second.
            steps = (*steps, Wait(2))
        yield Case(
            name="",
            kind="http2_bodies",
            config=config,
            steps=(*steps, Frames(0, (Headers(3, _block(_ORIGIN)),))),
            reactions=(_reaction(rng, framing, body),),
            splits=False,
        )


def _reaction(rng: Random, framing: str, body: bytes) -> Reaction:
    if framing == "trailers":
        data = response(b"200 OK", _DATE, body, framing="chunked", trailers=[(b"X-Sum", b"2")])
    elif framing == "none":
        data = response(b"204 No Content", _DATE, framing="none")
    else:
        data = response(b"200 OK", _DATE, body, framing=framing)
    end = (Move.CLOSE,) if framing == "close" else ()
    moves = (*pieces(rng, data), *end)
    return Reaction(moves) if rng.random() < 0.2 else answer(*moves)


def http2_failures(rng: Random) -> Iterator[Case]:
    """Servers and clients that fail at each step."""
    data = response(b"200 OK", _DATE, b"some body", framing="chunked")
    reactions = (
        Reaction((Move.CLOSE,)),
        answer(Move.RESET),
        answer(data[:20], Move.CLOSE),
        answer(data[:-9], Move.CLOSE),
        answer(data[:-9], Move.HOLD, Move.RESET),
        answer(b"junk\r\n\r\n"),
        answer(response(b"503 Service Unavailable", _DATE)),
        answer(
            response(b"401 Unauthorized", [(b"WWW-Authenticate", b'Digest realm="b", nonce="n"')])
        ),
        answer(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + data),
    )
    for reaction, config, origin in product(
        reactions, ("cors", "two", "digest", "fallback"), (APP, FOREIGN)
    ):
        block = _block([(b"origin", origin)])
        connects = rng.choice(((), (), ("refuse",), ("refuse", "refuse")))
        middle: Step = rng.choice((Release(), Leave(0), Wait(70)))
        steps: tuple[Step, ...] = (Frames(0, (Headers(1, block),)), middle)
        if not isinstance(middle, Leave):
            steps = (*steps, Frames(0, (Headers(3, block),)))
        yield Case(
            name="",
            kind="http2_failures",
            config=config,
            steps=steps,
            reactions=(reaction,),
            connects=connects,
            splits=False,
        )


_MALFORMED: tuple[HeaderList, ...] = (
    [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"gate.example")],
    [*_block([]), (b":status", b"200")],
    [*_block([]), (b":path", b"/other")],
    [*_block([]), (b"Upper", b"x")],
    [*_block([]), (b"connection", b"close")],
    [*_block([]), (b"transfer-encoding", b"chunked")],
    [*_block([]), (b"te", b"gzip")],
    [*_block([]), (b"x", b"a\r\nb")],
    [*_block([]), (b"x", b" padded")],
    [*_block([]), (b"", b"x")],
    [*_block([]), (b"host", b"other.example")],
    [*_block([]), (b"host", b"gate.example")],
    [*_block([]), (b"content-length", b"3")],
    [*_block([]), (b"content-length", b"x")],
    _block([], b"v1"),
    _block([], b"/v1#x"),
    _block([], b"*"),
    _block([], method=b"CONNECT"),
    _block([], method=b"brew"),
    _block([], host=b"other.example"),
    _block([], host=b""),
    [(b"x", b"y"), *_block([])],
    [*_block([]), *[(b"x", b"y")] * 130],
    [*_block([]), (b"x", b"y" * 20_000), (b"z", b"y" * 20_000)],
)
_BROKEN = (
    b"\x00\x00\x04\x03\x00\x00\x00\x00\x09\x00\x00\x00\x08",
    b"\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\x00\x00\x08\x06\x00\x00\x00\x00\x0001234567",
    b"\x00\x00\x07\x06\x00\x00\x00\x00\x000123456",
    b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\x00\x00\x02\x01\x05\x00\x00\x00\x05\xff\xff",
    b"\x00\x00\x00\xee\x00\x00\x00\x00\x00",
    b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    b"\x00\x00\x01\x09\x04\x00\x00\x00\x05\x82",
    b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    b"GET / HTTP/1.1\r\n\r\n",
)


def http2_malformed(rng: Random) -> Iterator[Case]:
    """Blocks and frames that are not as they must be: first, or behind good ones."""
    bad: list[Framed] = [Headers(5, block) for block in _MALFORMED]
    bad += [Raw(data) for data in _BROKEN]
    for number, framed in enumerate(bad * 2):
        fields = _HEADS[number % len(_HEADS)]
        good = _one_by_one([_block(fields)] * 2) if number % 2 else ()
        yield Case(
            name="",
            kind="http2_malformed",
            steps=(*good, Frames(0, (framed,)), Frames(0, (Headers(7, _block(fields)),))),
            reactions=(FINE, reply(rng), reply(rng)),
            splits=False,
        )


FAMILIES = {
    family.__name__: family
    for family in (
        http2_same,
        http2_differs,
        http2_cors,
        http2_at_once,
        http2_bodies,
        http2_failures,
        http2_malformed,
    )
}
