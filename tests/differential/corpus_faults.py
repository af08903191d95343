"""Cases in which something goes wrong: with what is sent, or at any step of an exchange."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random

from corsgate.message.headers import HeaderList
from tests.differential.configs import APP
from tests.differential.messages import BROWSER, CURL, HEADS, chunked, get, pieces, reply, response
from tests.differential.script import (
    Case,
    Leave,
    Move,
    Release,
    Send,
    Step,
    Take,
    Wait,
    answer,
)
from tests.differential.servers import DATE

_LINE = b"GET /v1/x HTTP/1.1\r\n"
_HOST = b"Host: gate.example\r\n"
_DATE: HeaderList = [(b"Date", DATE)]
_ORIGIN: HeaderList = [(b"Origin", APP)]

BAD_REQUESTS = (
    b"GET /v1/x\r\n\r\n",
    b"GET  /v1/x HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /v1/x HTTP/1.1 \r\n" + _HOST + b"\r\n",
    b" GET /v1/x HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /v1/x HTTP/2.0\r\n" + _HOST + b"\r\n",
    b"GET /v1/x HTTP/1.2\r\n" + _HOST + b"\r\n",
    b"get /v1/x HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"BREW /v1/x HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"CONNECT gate.example:443 HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET http://other.example/ HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET http://user@gate.example/ HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET ftp://gate.example/ HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET * HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /v1/../../x HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /v1/x#y HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /v1/\xe2\x82\xac HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /v1/%zz HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET v1 HTTP/1.1\r\n" + _HOST + b"\r\n",
    b'GET /v1/"x" HTTP/1.1\r\n' + _HOST + b"\r\n",
    _LINE + b"\r\n",
    _LINE + _HOST * 2 + b"\r\n",
    _LINE + b"Host: gate.example, other\r\n\r\n",
    _LINE + b"Host: \r\n\r\n",
    _LINE + b"Host: user@gate.example\r\n\r\n",
    _LINE + b"Host: other.example\r\n\r\n",
    _LINE + _HOST + b"Name : x\r\n\r\n",
    _LINE + _HOST + b"Na me: x\r\n\r\n",
    _LINE + _HOST + b": x\r\n\r\n",
    _LINE + _HOST + b"X: a\r\n folded\r\n\r\n",
    _LINE + _HOST + b"X: a\x00b\r\n\r\n",
    _LINE + _HOST + b"X: a\nY: b\r\n\r\n",
    _LINE + _HOST + b"X: a\rb\r\n\r\n",
    _LINE.replace(b"\r", b"") + _HOST + b"\r\n",
    b"\n" + _LINE + _HOST + b"\r\n",
    _LINE + _HOST + b"Connection: close, Host\r\n\r\n",
    _LINE + _HOST + b"Connection: Content-Length\r\nContent-Length: 1\r\n\r\nx",
    _LINE + _HOST + b"Content-Length: -1\r\n\r\n",
    _LINE + _HOST + b"Content-Length: 1, 1\r\n\r\nx",
    _LINE + _HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    _LINE + _HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    _LINE + _HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    _LINE + _HOST + b"Transfer-Encoding: identity\r\n\r\n",
    _LINE + _HOST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
    _LINE + _HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
    _LINE + _HOST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nBad Name: x\r\n\r\n",
    _LINE + _HOST + b"Expect: other\r\n\r\n",
    _LINE.replace(b"1.1", b"1.0") + _HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    _LINE + _HOST + b"X-Long: " + b"x" * 40_000 + b"\r\n\r\n",
    _LINE + _HOST + b"A: b\r\n" * 120 + b"\r\n",
    b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\r\n\r\n" + _LINE + _HOST + b"\r\n",
    b"\x00" * 20,
)
"""Most of them are refused; what is served of the others is the same with all shortcuts or none."""

BAD_RESPONSES = (
    b"nonsense\r\n\r\n",
    b"HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 2000 Far\r\n\r\n",
    b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nName : x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfineHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfinemore",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody",
    b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1_000 + b"Content-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 " + b"reason " * 30 + b"\r\nContent-Length: 0\r\n\r\n",
    b"\x00\x01\x02",
    b"",
)


def bad_requests(rng: Random) -> Iterator[Case]:
    """What is no request, or none that is served: first, or behind good ones."""
    for number, bad in enumerate(BAD_REQUESTS * 2):
        behind = (number + number // len(BAD_REQUESTS)) % 3
        good = get((CURL, BROWSER, HEADS[number % len(HEADS)])[behind])
        steps: tuple[Step, ...] = (Send(0, (good,)),) * behind
        at_once = (good + bad,) if behind == 2 and number % 3 == 0 else (bad,)
        yield Case(
            name="",
            kind="bad_requests",
            config="limits" if behind == 2 and number % 2 else "cors",
            steps=(*steps, Send(0, at_once), Send(0, (good,))),
            reactions=tuple(reply(rng) for _ in range(3)),
            splits=False,
        )


def junk(rng: Random) -> Iterator[Case]:
    """Good requests with a byte that is another one, or is not there."""
    for number in range(100):
        fields = HEADS[number % len(HEADS)]
        good = get(fields)
        bad = bytearray(good)
        at = rng.randrange(len(bad))
        if rng.random() < 0.5:
            bad[at] = rng.choice(b'\x00\x01\t\n\r :,;/="\x7f\x80\xffaZ0')
        else:
            del bad[at]
        yield Case(
            name="",
            kind="junk",
            config=rng.choice(("cors", "basic")),
            steps=(Send(0, (good,)), Send(0, (bytes(bad),)), Send(0, (good,))),
            reactions=tuple(reply(rng) for _ in range(3)),
            splits=False,
        )


def bad_responses(rng: Random) -> Iterator[Case]:
    """What is no response: first, or behind good ones on a kept connection."""
    for number, bad in enumerate(BAD_RESPONSES * 2):
        behind = (number + number // len(BAD_RESPONSES)) % 3
        good = response(b"200 OK", _DATE, framing=("length", "chunked")[number % 2])
        bad_one = answer(*(pieces(rng, bad) if behind % 2 else (bad,)), Move.CLOSE)
        requests = [get(HEADS[number % len(HEADS)])] * (behind + 2)
        yield Case(
            name="",
            kind="bad_responses",
            config=("cors", "basic", "two", "fallback")[number % 4],
            steps=tuple(Send(0, (request,)) for request in requests),
            reactions=(*(answer(good),) * behind, bad_one),
            splits=False,
        )


def broken(rng: Random) -> Iterator[Case]:
    """A good response with a byte that is another one, or is not there."""
    for number in range(80):
        good = reply(rng)
        data = bytearray(b"".join(move for move in good.moves if isinstance(move, bytes)))
        at = rng.randrange(min(len(data), 160))
        if rng.random() < 0.5:
            data[at] = rng.choice(b'\x00\x01\t\n\r :,;/="\x7f\x80\xffaZ0')
        else:
            del data[at]
        yield Case(
            name="",
            kind="broken",
            config=rng.choice(("cors", "basic")),
            steps=(Send(0, (get(HEADS[number % len(HEADS)]),)),) * 3,
            reactions=(good, answer(bytes(data), Move.HOLD, Move.CLOSE)),
            splits=False,
        )


def cut(rng: Random) -> Iterator[Case]:
    """A server closes, resets or stops at each place of a response."""
    framings = ("length", "chunked", "close")
    ends = (Move.CLOSE, Move.RESET, Move.HOLD)
    for framing, end, at in product(framings, ends, range(6)):
        data = response(b"200 OK", _DATE, b"some body", framing=framing)
        middle = data.index(b"\r\n\r\n")
        place = (0, 10, middle, middle + 4, middle + 8, len(data))[at]
        moves = (data[:place], end) if place else (end,)
        steps: list[Step] = [Send(0, (get(_ORIGIN),)), Wait(rng.choice((1, 70)))]
        if end is Move.HOLD:
            steps.append(Wait(310))
        kept = rng.random() < 0.5
        before = (answer(response(b"200 OK", _DATE)),) if kept else ()
        yield Case(
            name="",
            kind="cut",
            config=rng.choice(("cors", "two", "digest")),
            steps=(*steps[:1] * len(before), *steps, Send(0, (get(_ORIGIN),))),
            reactions=(*before, answer(*moves)),
            splits=False,
        )


def connecting(rng: Random) -> Iterator[Case]:
    """No server can be reached, or only some, or only later."""
    patterns = (
        ("refuse",),
        ("refuse", "accept"),
        ("refuse", "refuse"),
        ("refuse", "refuse", "refuse", "refuse"),
        ("hang",),
        ("hang", "hang"),
        ("accept", "refuse"),
        ("hang", "refuse"),
    )
    configs = ("cors", "two", "fallback", "sticky", "digest")
    for connects, config in product(patterns, configs):
        request = get(_ORIGIN)
        if rng.random() < 0.5:
            request = get([*_ORIGIN, (b"Content-Length", b"4")], method=b"PUT", body=b"body")
        steps = (Send(0, (request,)), Wait(7), Send(0, (request,)), Wait(7))
        yield Case(
            name="",
            kind="connecting",
            config=config,
            steps=steps,
            reactions=(reply(rng),),
            connects=connects,
            splits=False,
        )


def leaving(rng: Random) -> Iterator[Case]:
    """A client leaves, or does nothing, at each step of an exchange."""
    body: HeaderList = [*_ORIGIN, (b"Content-Length", b"10")]
    upload = get(body, method=b"PUT", body=b"half ")
    streamed = get([*_ORIGIN, (b"Transfer-Encoding", b"chunked")], method=b"PUT", body=b"3\r\na")
    data = response(b"200 OK", _DATE, b"some body")
    sent = ((b"",), (get(_ORIGIN)[:30],), (get(_ORIGIN),), (upload,), (streamed,))
    ends: tuple[tuple[Step, ...], ...] = (
        (Leave(0),),
        (Leave(0, reset=True),),
        (Wait(8), Leave(0)),
        (Wait(80),),
        (Take(0, 5), Release(), Wait(320)),
        (Release(), Leave(0)),
    )
    for pieces_of, end, config in product(sent, ends, ("cors", "two")):
        moves = rng.choice(((Move.HOLD, data), (data[:60], Move.HOLD, data[60:]), (data,)))
        first = (Send(0, (get(_ORIGIN),)),) if rng.random() < 0.5 else ()
        answers = (answer(data),) * len(first)
        data_sent = tuple(piece for piece in pieces_of if piece)
        yield Case(
            name="",
            kind="leaving",
            config=config,
            steps=(*first, Send(0, data_sent), *end),
            reactions=(*answers, answer(*moves)),
            splits=False,
        )


def chunks(rng: Random) -> Iterator[Case]:
    """Chunked bodies with a byte that is another one."""
    for number in range(60):
        body = bytearray(chunked(b"some body", [(b"X-Sum", b"1")], size=4))
        body[rng.randrange(len(body))] = rng.choice(b"\x00\t\n\r ;0aFx\xff")
        head = get([*_ORIGIN, (b"Transfer-Encoding", b"chunked")], method=b"PUT")
        sent = (head + bytes(body),) if number % 2 else (head, bytes(body))
        yield Case(
            name="",
            kind="chunks",
            config=rng.choice(("cors", "basic")),
            steps=(Send(0, sent), Send(0, (get(_ORIGIN),)), Wait(61)),
            reactions=(reply(rng),),
            splits=False,
        )


FAMILIES = {
    family.__name__: family
    for family in (
        bad_requests,
        junk,
        bad_responses,
        broken,
        cut,
        connecting,
        leaving,
        chunks,
    )
}
