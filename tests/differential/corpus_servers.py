"""Cases of what goes on between the gate and its servers: challenges, retries, tunnels and more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from random import Random

from corsgate.message.headers import HeaderList
from tests.differential.configs import APP, FOREIGN
from tests.differential.messages import HEADS, RESPONSE_HEADS, chunked, get, pieces, reply, response
from tests.differential.script import (
    Case,
    Leave,
    Move,
    Reaction,
    Release,
    Send,
    Step,
    Wait,
    answer,
)
from tests.differential.servers import DATE, FINE

_DATE: HeaderList = [(b"Date", DATE)]
_ORIGIN: HeaderList = [(b"Origin", APP)]
_CHALLENGES = (
    b'Digest realm="box", nonce="n1", qop="auth", algorithm=SHA-256',
    b'Digest realm="box", nonce="n1", qop="auth", algorithm=MD5',
    b'Digest realm="box", nonce="n2", qop="auth", stale=true',
    b'Digest realm="box", nonce="n3", algorithm=MD5-sess, qop="auth", opaque="o"',
    b'Digest realm="box", nonce="n4"',
    b'Basic realm="box", Digest realm="box", nonce="n5", qop="auth,auth-int"',
    b'Basic realm="box"',
    b"Negotiate",
    b"Digest broken",
)
_SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: x\r\n\r\n"
)


def _challenge(value: bytes, *end: Move, status: bytes = b"401 Unauthorized") -> Reaction:
    return answer(response(status, [*_DATE, (b"WWW-Authenticate", value)], b"no"), *end)


def _upload(size: int, *, framing: str = "length") -> bytes:
    body = b"u" * size
    if framing == "chunked":
        fields: HeaderList = [*_ORIGIN, (b"Transfer-Encoding", b"chunked")]
        return get(fields, method=b"PUT", body=chunked(body))
    fields = [*_ORIGIN, (b"Content-Length", b"%d" % size)]
    return get(fields, method=b"PUT", body=body)


def challenges(rng: Random) -> Iterator[Case]:
    """Servers that ask who it is, once or again and again, of requests with and without bodies."""
    requests = (get(_ORIGIN), _upload(4), _upload(70_000), _upload(9, framing="chunked"))
    patterns = ("c.", "cc", "c.s.", ".c.", "cccc", "cx")
    for config, pattern, request in product(
        ("digest", "two-digest", "basic", "cors"), patterns, requests
    ):
        first, again = rng.choice(_CHALLENGES), rng.choice(_CHALLENGES)
        of_letter = {
            "c": _challenge(first, *rng.choice(((), (), (Move.CLOSE,)))),
            "s": _challenge(again),
            "x": _challenge(again, status=b"407 Proxy Authentication Required"),
            ".": reply(rng, _DATE),
        }
        # A body that waits for 100 Continue is sent without it after a second.
        waits = (Wait(2),) if config in ("digest", "two-digest") else ()
        sent = (Send(0, (request,)), *waits, Send(0, (get(_ORIGIN),)), Send(1, (request,)))
        yield Case(
            name="",
            kind="challenges",
            config=config,
            steps=(*sent, *waits),
            reactions=tuple(of_letter[letter] for letter in pattern),
            splits=False,
        )


def bound(rng: Random) -> Iterator[Case]:
    """Servers that authenticate a connection, which then is one client's alone."""
    for scheme, config in product((b"NTLM", b"Negotiate"), ("cors", "two", "proxied")):
        for order in ("010", "001", "0101", "0011"):
            fields: HeaderList = [*_ORIGIN, (b"Authorization", scheme + b" TlRMTVNTUAAB")]
            asked = _challenge(scheme + b" TlRMTVNTUAAC")
            steps: list[Step] = [Send(0, (get(_ORIGIN),)), Send(0, (get(fields),))]
            steps += [Send(int(client), (get(rng.choice((_ORIGIN, fields))),)) for client in order]
            yield Case(
                name="",
                kind="bound",
                config=config,
                steps=(*steps, Leave(0), Send(1, (get(_ORIGIN),))),
                reactions=(_challenge(scheme), asked, *(reply(rng, _DATE) for _ in order)),
            )


def retries(rng: Random) -> Iterator[Case]:
    """One server fails a request in some way, and another one gets it; or all of them fail."""
    failures: Sequence[Reaction] = (
        answer(Move.CLOSE),
        Reaction((Move.CLOSE,)),
        answer(Move.RESET),
        answer(b"HTTP/1.1 200", Move.CLOSE),
        answer(response(b"502 Bad Gateway", _DATE)),
        answer(response(b"503 Service Unavailable", _DATE, framing="chunked")),
        answer(*pieces(rng, response(b"504 Gateway Timeout", _DATE, b"late" * 30))),
        answer(response(b"500 Internal Server Error", _DATE)),
        answer(b"junk\r\n\r\n"),
        answer(Move.HOLD),
    )
    requests = (get(_ORIGIN), _upload(4), _upload(70_000), _upload(9, framing="chunked"))
    post = get([*_ORIGIN, (b"Content-Length", b"1")], method=b"POST", body=b"x")
    for failure, request, times in product(failures, (*requests, post), (1, 2)):
        warm = rng.random() < 0.4
        steps: tuple[Step, ...] = (Send(0, (get(_ORIGIN),)),) * (2 if warm else 0)
        yield Case(
            name="",
            kind="retries",
            config=rng.choice(("two", "sticky", "two-digest")),
            steps=(*steps, Send(0, (request,)), Wait(65), Send(0, (get(_ORIGIN),))),
            reactions=(*(FINE,) * len(steps), *(failure,) * times),
            splits=False,
        )


def reuse(rng: Random) -> Iterator[Case]:
    """Servers that close kept connections: while they are idle, or just as a request comes."""
    for number in range(60):
        before = rng.choice(((Move.HOLD, Move.CLOSE), (Move.CLOSE,), (), (Move.HOLD, b"HTTP/1.1 ")))
        good = reply(rng, rng.choice(RESPONSE_HEADS))
        request = rng.choice((get(_ORIGIN), _upload(4), get(_ORIGIN, method=b"POST")))
        middle: tuple[Step, ...] = rng.choice(((), (Release(),), (Wait(3),), (Wait(6),)))
        last = rng.choice((answer(Move.CLOSE), Reaction((Move.RESET,)), reply(rng)))
        yield Case(
            name="",
            kind="reuse",
            config=("cors", "two", "one-connection")[number % 3],
            steps=(Send(0, (get(_ORIGIN),)), *middle, Send(0, (request,)), Send(0, (request,))),
            reactions=(Reaction((*good.moves, *before)), last, reply(rng)),
            splits=False,
        )


def interim(rng: Random) -> Iterator[Case]:
    """Interim responses, before a final one or instead of it."""
    heads = (
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nConnection: X\r\nX: y\r\n\r\n",
        b"HTTP/1.1 199 Odd\r\nSet-Cookie: a=b\r\nAccess-Control-Allow-Origin: *\r\n\r\n",
    )
    for number in range(48):
        some = rng.sample(heads, rng.randint(1, 3))
        final = response(b"200 OK", _DATE, framing=rng.choice(("length", "chunked")))
        if number % 3 == 0:
            moves: tuple[bytes | Move, ...] = (b"".join(some) + final,)
        elif number % 3 == 1:
            moves = (*some, final)
        else:
            moves = (*some, Move.CLOSE)
        version = b"HTTP/1.0" if number % 5 == 4 else b"HTTP/1.1"
        request = rng.choice((get(_ORIGIN, version=version), _upload(4)))
        yield Case(
            name="",
            kind="interim",
            config=rng.choice(("cors", "basic", "digest")),
            steps=(Send(0, (request,)), Send(0, (get(_ORIGIN),))),
            reactions=(answer(*moves),),
            splits=False,
        )


def tunnels(rng: Random) -> Iterator[Case]:
    """Offers to switch protocols, taken up or not, and what is said after that."""
    offers = (b"websocket", b"WebSocket", b"other", b"h2c", b"websocket, other", b"TLS/1.0")
    replies = (
        (_SWITCH, b"from the server", Move.HOLD, b"more", Move.CLOSE),
        (_SWITCH + b"in the same write", Move.HOLD, Move.RESET),
        (_SWITCH.replace(b"websocket", b"other"), b"x", Move.HOLD, Move.CLOSE),
        (response(b"200 OK", _DATE),),
        (response(b"426 Upgrade Required", [*_DATE, (b"Upgrade", b"websocket")]),),
        (_SWITCH.replace(b"Upgrade: websocket\r\n", b""), Move.HOLD, Move.CLOSE),
        (Move.CLOSE,),
    )
    for offer, moves, how in product(offers[:4], replies, range(3)):
        origin = APP if how else rng.choice((APP, FOREIGN, None))
        fields: HeaderList = [(b"Connection", b"Upgrade"), (b"Upgrade", offer)]
        fields += [] if origin is None else [(b"Origin", origin)]
        fields += [(b"Sec-WebSocket-Key", b"key"), (b"Sec-WebSocket-Version", b"13")]
        tail = b"with the handshake" if how == 1 else b""
        steps: tuple[Step, ...] = (Send(0, (get(fields) + tail,)), Send(0, (b"from the client",)))
        end: Step = Leave(0) if how == 2 else Release()
        yield Case(
            name="",
            kind="tunnels",
            config=rng.choice(("cors", "basic", "digest", "two")),
            steps=(*steps, Release(), end, Wait(2)),
            reactions=(answer(*moves),),
            splits=False,
        )


def sticking(rng: Random) -> Iterator[Case]:
    """Clients with and without the cookie that leads them to a server of their own."""
    cookies = (b"gate=junk", b"a=b; gate=", b"gate=x; gate=y", b"other=1")
    for number in range(30):
        requests = []
        for _ in range(5):
            fields: HeaderList = [*_ORIGIN]
            if rng.random() < 0.6:
                fields.append((b"Cookie", rng.choice(cookies)))
            requests.append(get(fields))
        yield Case(
            name="",
            kind="sticking",
            config="sticky" if number % 2 else "two",
            steps=tuple(Send(at % 2, (request,)) for at, request in enumerate(requests)),
            reactions=tuple(reply(rng) for _ in requests),
        )


def queues(rng: Random) -> Iterator[Case]:
    """More clients than there are connections; some get none, and some leave."""
    for number in range(30):
        held = answer(response(b"200 OK", _DATE)[:40], Move.HOLD, response(b"200 OK", _DATE)[40:])
        steps: list[Step] = [Send(client, (get(HEADS[client % 4]),)) for client in range(5)]
        steps.insert(rng.randint(1, 5), Release())
        if number % 2:
            steps.insert(rng.randint(3, 6), Leave(rng.randint(0, 1)))
        steps += [Release(), Wait(rng.choice((1, 12))), Release(), Send(4, (get(_ORIGIN),))]
        yield Case(
            name="",
            kind="queues",
            config="one-connection",
            steps=tuple(steps),
            reactions=(held,) * rng.randint(1, 4),
            splits=False,
        )


def crossing(rng: Random) -> Iterator[Case]:
    """Clients whose requests and responses overlap, on connections that each has used."""
    for _ in range(60):
        fields = [rng.choice(HEADS) for _ in range(3)]
        slow = response(b"200 OK", rng.choice(RESPONSE_HEADS), b"slow" * 20)
        held = answer(slow[:50], Move.HOLD, slow[50:])
        order = [rng.randrange(3) for _ in range(6)]
        steps: list[Step] = [Send(client, (get(fields[client]),)) for client in order]
        steps[3:3] = [Release()]
        yield Case(
            name="",
            kind="crossing",
            config=rng.choice(("cors", "basic", "two")),
            steps=(*steps, Release(), Release()),
            reactions=tuple(rng.choice((held, reply(rng))) for _ in order),
        )


FAMILIES = {
    family.__name__: family
    for family in (
        challenges,
        bound,
        retries,
        reuse,
        interim,
        tunnels,
        sticking,
        queues,
        crossing,
    )
}
