"""Cases of bodies, whichever way they are framed and however they come."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, product
from random import Random

from corsgate.message.headers import HeaderList
from tests.differential.configs import APP, FOREIGN
from tests.differential.messages import (
    BODIES,
    BODILESS,
    HEADS,
    RESPONSE_HEADS,
    chunked,
    get,
    pieces,
    reply,
    response,
)
from tests.differential.script import (
    Case,
    Leave,
    Move,
    Reaction,
    Release,
    Send,
    Step,
    Take,
    Wait,
    answer,
)
from tests.differential.servers import DATE

_LARGE = (b"0123456789abcdef" * 64) * 96
_ORIGIN: HeaderList = [(b"Origin", APP)]
_DATE: HeaderList = [(b"Date", DATE)]


def responses(rng: Random) -> Iterator[Case]:
    """Each framing of a response, to each method and version of HTTP."""
    framings = ("length", "chunked", "close", "none", "length-close", "old")
    methods = (b"GET", b"HEAD", b"DELETE")
    versions = (
        (b"HTTP/1.1", b""),
        (b"HTTP/1.1", b"close"),
        (b"HTTP/1.0", b""),
        (b"HTTP/1.0", b"keep-alive"),
    )
    every = product(framings, methods, versions, BODIES)
    for framing, method, (version, connection), body in every:
        if rng.random() < 0.6:
            continue
        fields: HeaderList = [(b"Connection", connection)] if connection else []
        request = get([*fields, *_ORIGIN], method=method, version=version)
        steps = (Send(0, (request,)), Send(0, (get(_ORIGIN),)))
        reaction = _reaction(rng, framing, body, bodiless=method == b"HEAD")
        yield Case(name="", kind="responses", steps=steps, reactions=(reaction,))


def _reaction(rng: Random, framing: str, body: bytes, *, bodiless: bool) -> Reaction:
    fields = rng.choice(RESPONSE_HEADS)
    closes = framing in ("close", "length-close", "old")
    if framing == "none":
        data = response(rng.choice(BODILESS), fields, framing="none")
    elif framing == "old":
        data = response(b"200 OK", fields, body, version=b"HTTP/1.0")
    else:
        data = response(b"200 OK", fields, body, framing=framing.removesuffix("-close"))
    if bodiless:
        data = data[: data.index(b"\r\n\r\n") + 4]
    end = (Move.CLOSE,) if closes else ()
    return answer(*pieces(rng, data), *end)


def large(rng: Random) -> Iterator[Case]:
    """Bodies larger than any buffer, to clients that take them or do not keep up."""
    for framing, kept, request_framing in product(
        ("length", "chunked", "close"), (True, False), ("none", "length", "chunked")
    ):
        data = response(b"200 OK", _DATE, _LARGE, framing=framing)
        end = (Move.CLOSE,) if framing == "close" else ()
        parts = [data[at : at + 30_000] for at in range(0, len(data), 30_000)]
        request = get(_ORIGIN)
        upload = _LARGE if kept else _LARGE[:20_000]
        if request_framing == "length":
            fields = [*_ORIGIN, (b"Content-Length", b"%d" % len(upload))]
            request = get(fields, method=b"PUT", body=upload)
        elif request_framing == "chunked":
            fields = [*_ORIGIN, (b"Transfer-Encoding", b"chunked")]
            request = get(fields, method=b"PUT", body=chunked(upload, size=16_000))
        sent = tuple(request[at : at + 25_000] for at in range(0, len(request), 25_000))
        steps: tuple[Step, ...] = (Send(0, sent), Send(0, (get(_ORIGIN),)))
        if not kept:
            slow = [Take(0, rng.choice((1_000, 20_000))) for _ in range(3)]
            steps = (Take(0, 0), *steps, *slow, Take(0, None))
        config = rng.choice(("cors", "basic", "digest"))
        if config == "digest":
            # A body that waits for 100 Continue is sent without it after a second.
            steps = (*steps, Wait(2))
        yield Case(
            name="",
            kind="large",
            config=config,
            steps=steps,
            reactions=(answer(*parts, *end),),
            splits=False,
        )


def uploads(rng: Random) -> Iterator[Case]:
    """Each framing of a request's body, at once or drop by drop, asked for or not."""
    framings = ("length", "chunked", "extension", "trailers", "empty")
    comes = ("whole", "drips", "later")
    expects = (False, True)
    configs = ("cors", "basic", "digest", "two", "routes")
    for framing, come, expect, method in product(framings, comes, expects, (b"PUT", b"POST")):
        for config in rng.sample(configs, 2):
            body = rng.choice((b"x", b"some body", b"z" * 3_000))
            fields, sent = frame(framing, body)
            if expect:
                fields = [*fields, (b"Expect", b"100-continue")]
            head = get([*rng.choice(HEADS[:4]), *fields], method=method)
            steps: list[Step] = []
            if come == "whole":
                steps.append(Send(0, (head + sent,)))
            elif come == "drips":
                steps.append(Send(0, (head, *pieces(rng, sent, 5))))
            else:
                steps += [Send(0, (head,)), Send(0, (sent,))]
            if config == "digest":
                # A body that waits for 100 Continue is sent without it after a second.
                steps.append(Wait(2))
            steps.append(Send(0, (get(_ORIGIN),)))
            yield Case(
                name="",
                kind="uploads",
                config=config,
                steps=tuple(steps),
                reactions=_upload_reactions(rng, expect=expect),
                splits=not expect and config not in ("digest", "two"),
            )


def frame(framing: str, body: bytes) -> tuple[HeaderList, bytes]:
    """Return the fields that frame a request's body, and the body as it is sent."""
    if framing == "length":
        return [(b"Content-Length", b"%d" % len(body))], body
    if framing == "empty":
        return [(b"Content-Length", b"0")], b""
    fields: HeaderList = [(b"Transfer-Encoding", b"chunked")]
    if framing == "trailers":
        trailers: HeaderList = [(b"X-Sum", b"1"), (b"Cookie", b"a=b")]
        return [*fields, (b"Trailer", b"X-Sum")], chunked(body, trailers)
    return fields, chunked(body, more=b";a=b" if framing == "extension" else b"")


def _upload_reactions(rng: Random, *, expect: bool) -> tuple[Reaction, ...]:
    fine = reply(rng, _DATE)
    if not expect:
        return (fine,)
    asked = b"HTTP/1.1 100 Continue\r\n\r\n"
    return rng.choice(
        (
            (fine,),
            (Reaction((asked, *fine.moves)),),
            (Reaction((response(b"417 Expectation Failed", _DATE),)),),
            (Reaction((response(b"413 Too Large", _DATE), Move.CLOSE)),),
        )
    )


def early(rng: Random) -> Iterator[Case]:
    """A server answers before it has the whole request; or the gate does."""
    for framing, config in product(
        ("length", "chunked", "trailers"), ("cors", "basic", "digest", "two", "routes")
    ):
        for target, fields in (
            (b"/v1/x", _ORIGIN),
            (b"/small/x", _ORIGIN),
            (b"/few/x", _ORIGIN),
            (b"/v1/x", [(b"Origin", FOREIGN)]),
        ):
            body = b"b" * rng.choice((5, 2_000, 70_000))
            framed, sent = frame(framing, body)
            method = rng.choice((b"PUT", b"POST", b"PATCH"))
            head = get([*fields, *framed], target, method=method)
            half = len(sent) // 2
            data = response(rng.choice((b"200 OK", b"403 Forbidden")), _DATE)
            moves = rng.choice(((data,), (data, Move.CLOSE), (data[:30], Move.HOLD, data[30:])))
            last: Step = rng.choice((Send(0, (sent[half:],)), Leave(0)))
            yield Case(
                name="",
                kind="early",
                config=config,
                steps=(Send(0, (head, sent[:half])), Release(), last),
                reactions=(Reaction(moves),),
                splits=False,
            )


def trailers(rng: Random) -> Iterator[Case]:
    """Fields behind bodies, to clients that take them and to others."""
    sets: tuple[HeaderList, ...] = (
        [(b"X-Sum", b"abc")],
        [(b"X-Sum", b"abc"), (b"X-Sum", b"def"), (b"Set-Cookie", b"a=b")],
        [(b"Content-Length", b"3"), (b"Access-Control-Allow-Origin", b"*"), (b"Grpc-Status", b"0")],
        [(b"X-Odd", b" padded "), (b"Date", DATE)],
    )
    asks = cycle(((b"TE", b"trailers"), (b"TE", b"gzip, Trailers;q=0.5"), (b"X-No", b"1")))
    for both, (asked, up, down) in enumerate(zip(asks, sets * 16, sets[1:] * 32, strict=False)):
        fields: HeaderList = [*_ORIGIN, asked, (b"Connection", b"TE"), (b"Trailer", b"X-Sum")]
        requests = [get(fields)]
        if both % 2:
            fields = [*fields, (b"Transfer-Encoding", b"chunked")]
            requests = [get(fields, method=b"PUT", body=chunked(b"some", up))]
        data = response(
            b"200 OK", [*_DATE, (b"Trailer", b"X-Sum")], framing="chunked", trailers=down
        )
        steps = tuple(Send(0, (each,)) for each in (*requests * 2, get(_ORIGIN)))
        parts = (data,) if both % 3 else pieces(rng, data)
        yield Case(
            name="",
            kind="trailers",
            config=rng.choice(("cors", "basic", "routes")),
            steps=steps,
            reactions=(answer(*parts),) * 2,
        )


FAMILIES = {family.__name__: family for family in (responses, large, uploads, early, trailers)}
