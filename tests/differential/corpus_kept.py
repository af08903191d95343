"""Cases of several requests on one connection: what is remembered of one meets the next."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from corsgate.message.headers import HeaderList
from tests.differential.configs import APP, FOREIGN
from tests.differential.messages import (
    BROWSER,
    HEADS,
    ORIGINS,
    RESPONSE_HEADS,
    TARGETS,
    get,
    reply,
    vary,
    with_origin,
)
from tests.differential.script import Case, Reaction, Send, sends

_CONFIGS = ("cors", "cors", "basic", "routes", "proxied", "combined")
_PREFIXES = (b"/v1", b"/strip", b"/plain", b"/few", b"/auto", b"/trial", b"/star", b"/none")
_HOSTS = (b"gate.example", b"GATE.example", b"127.0.0.1:5555", b"[::1]", b"a.tenant.example")

_METHODS = (b"GET", b"GET", b"LIST", b"BAN", b"VERSION-CONTROL", b"patch", b"Track", b"TRACE")
_BODIES: tuple[tuple[HeaderList, bytes], ...] = (
    ([], b""),
    ([], b""),
    ([(b"Content-Length", b"0")], b""),
    ([(b"Content-Length", b"4")], b"body"),
    ([(b"Transfer-Encoding", b"chunked")], b"1\r\nx\r\n0\r\n\r\n"),
)


def independent(
    kind: str, config: str, requests: list[bytes], reactions: tuple[Reaction, ...]
) -> Case:
    """Return a case of requests that each could have a connection of its own."""
    return Case(
        name="",
        kind=kind,
        config=config,
        steps=sends(requests),
        reactions=reactions,
        requests=tuple(requests),
    )


def same(rng: Random) -> Iterator[Case]:
    """The same fields, again and again; targets and responses may differ."""
    for number in range(110):
        fields = HEADS[number % len(HEADS)]
        if number % 4 == 3:
            fields = vary(rng, fields)
        targets = [
            rng.choice(TARGETS) if number % 2 else b"/v1/x" for _ in range(rng.randint(3, 6))
        ]
        requests = [get(fields, target) for target in targets]
        answers = tuple(reply(rng) for _ in requests)
        if number % 3 == 0:
            answers = answers[:1] * len(requests)
        yield independent("same", rng.choice(_CONFIGS), requests, answers)


def differs(rng: Random) -> Iterator[Case]:
    """One field differs from one request to the next, and goes back to what it was."""
    for number in range(200):
        fields = HEADS[number % len(HEADS)]
        other = vary(rng, fields)
        order = rng.choice(("ABAB", "AABBA", "ABBA", "AABA", "ABCA", "ABAC"))
        heads = {"A": fields, "B": other, "C": vary(rng, other)}
        requests = [get(heads[letter], rng.choice(TARGETS[:3])) for letter in order]
        answers = tuple(reply(rng) for _ in requests)
        yield independent("differs", rng.choice(_CONFIGS), requests, answers)


def hosts(rng: Random) -> Iterator[Case]:
    """Other hosts, absolute targets and methods behind fields that are the same otherwise."""
    for number in range(80):
        fields = HEADS[number % len(HEADS)]
        requests = []
        for _ in range(4):
            host, target = rng.choice(_HOSTS), rng.choice(TARGETS[:4])
            if rng.random() < 0.3:
                target = b"http://" + rng.choice(_HOSTS) + target
            method = rng.choice(
                (b"GET", b"GET", b"DELETE", b"OPTIONS", b"QUERY", b"TRACE", b"PURGE")
            )
            requests.append(get(fields, target, host=host, method=method))
        answers = tuple(reply(rng) for _ in requests)
        yield independent("hosts", rng.choice(("routes", "cors", "path")), requests, answers)


def cors(rng: Random) -> Iterator[Case]:
    """Preflights and requests of several origins, allowed and not, in turn."""
    for number in range(160):
        origins = rng.sample(ORIGINS, 2) if number % 3 else [APP, rng.choice(ORIGINS)]
        prefix = _PREFIXES[number % len(_PREFIXES)] if number % 2 else b"/v1"
        requests = []
        for _ in range(rng.randint(3, 6)):
            fields = with_origin(rng.choice((BROWSER, HEADS[3], [])), rng.choice(origins))
            if rng.random() < 0.5:
                fields = [*fields, *_asks(rng)]
                requests.append(get(fields, prefix + b"/x", method=b"OPTIONS"))
            else:
                method = rng.choice((b"GET", b"GET", b"GET", b"DELETE", b"PATCH"))
                requests.append(get(fields, prefix + b"/x", method=method))
        answers = tuple(reply(rng) for _ in requests)
        yield independent("cors", "routes" if number % 2 else "cors", requests, answers)


def questions(rng: Random) -> Iterator[Case]:
    """One question, asked by pages of several origins, again and again."""
    for number in range(40):
        asked, prefix = _asks(rng), (b"/star", b"/v1", b"/strip")[number % 3]
        origins = [rng.choice(ORIGINS[1:5]) for _ in range(6)]
        requests = [
            get([(b"Origin", origin or APP), *asked], prefix, method=b"OPTIONS")
            for origin in origins
        ]
        yield independent("questions", "routes", requests, ())


def routes(rng: Random) -> Iterator[Case]:
    """The same fields to one route after the other, each with rules of its own."""
    for number in range(60):
        fields = with_origin(HEADS[number % len(HEADS)], rng.choice(ORIGINS[:6]))
        method = b"OPTIONS" if number % 3 == 2 else b"GET"
        if method == b"OPTIONS":
            fields = [*fields, *_asks(rng)]
        targets = [rng.choice(_PREFIXES) + b"/x" for _ in range(5)]
        requests = [get(fields, target, method=method) for target in targets]
        yield independent("routes", "routes", requests, tuple(reply(rng) for _ in requests))


def repeated(rng: Random) -> Iterator[Case]:
    """Requests that are more than a line and fields, again byte for byte, or nearly."""
    special: tuple[HeaderList, ...] = (
        [(b"Content-Length", b"0")],
        [(b"Content-Length", b"3")],
        [(b"Transfer-Encoding", b"chunked")],
        [(b"Expect", b"100-continue"), (b"Content-Length", b"0")],
        [(b"Upgrade", b"h2c, websocket"), (b"Connection", b"Upgrade")],
        [(b"Connection", b"keep-alive")],
    )
    bodies = {b"Content-Length: 3": b"abc", b"Transfer-Encoding": b"0\r\n\r\n"}
    versions = (b"HTTP/1.1", b"HTTP/1.0")
    for number in range(60):
        fields = [*rng.choice(HEADS[:4]), *special[number % len(special)]]
        requests = []
        for _ in range(4):
            last = len(special) - 1
            version = rng.choice(versions) if number % len(special) == last else versions[0]
            method = rng.choice((b"PUT", b"PUT", b"GET"))
            request = get(fields, version=version, method=method)
            body = [each for start, each in bodies.items() if b"\r\n" + start in request]
            requests.append(request + b"".join(body))
        yield Case(
            name="",
            kind="repeated",
            config=rng.choice(("cors", "basic")),
            steps=sends(requests),
            reactions=tuple(reply(rng) for _ in requests),
            splits=False,
        )


def _asks(rng: Random) -> HeaderList:
    """Return what makes an OPTIONS request a preflight."""
    asked: HeaderList = [
        (
            b"Access-Control-Request-Method",
            rng.choice((b"PUT", b"GET", b"DELETE", b"PATCH", b"put", b"bad method")),
        )
    ]
    names = rng.choice(
        (None, b"content-type", b"content-type,if-match", b"x-other", b"Content-Type", b"", b"a b")
    )
    if names is not None:
        asked.append((b"Access-Control-Request-Headers", names))
    if rng.random() < 0.1:
        asked.append((b"Access-Control-Request-Private-Network", b"true"))
    return asked


def sites(rng: Random) -> Iterator[Case]:
    """Requests that browsers send without CORS, where the gate has credentials."""
    for _ in range(60):
        requests = []
        for _ in range(4):
            fields: HeaderList = [
                (
                    b"Sec-Fetch-Site",
                    rng.choice((b"cross-site", b"same-site", b"same-origin", b"none")),
                ),
                (b"Sec-Fetch-Mode", rng.choice((b"no-cors", b"navigate", b"cors", b"websocket"))),
                (b"Sec-Fetch-Dest", rng.choice((b"document", b"image", b"iframe", b"empty"))),
            ]
            if rng.random() < 0.5:
                fields.append((b"Referer", rng.choice((APP, FOREIGN)) + b"/page"))
            if rng.random() < 0.3:
                fields.append((b"Sec-Fetch-User", b"?1"))
            requests.append(get(with_origin(fields, rng.choice((None, None, APP, FOREIGN)))))
        yield independent("sites", "basic", requests, tuple(reply(rng) for _ in requests))


def heads(rng: Random) -> Iterator[Case]:
    """Responses that repeat names with other values, and the other way round."""
    for number in range(140):
        fields = RESPONSE_HEADS[number % len(RESPONSE_HEADS)]
        other = vary(rng, fields)
        order = rng.choice(("ABAB", "AAB", "ABBA", "ABCA"))
        of_letter = {"A": fields, "B": other, "C": vary(rng, other)}
        answers = tuple(reply(rng, of_letter[letter]) for letter in order)
        asked = HEADS[2] if number % 2 else rng.choice(HEADS)
        requests = [get(asked) for _ in order]
        yield independent("heads", rng.choice(_CONFIGS), requests, answers)


def pipelined(rng: Random) -> Iterator[Case]:
    """Several requests in one write: with bodies, refused ones and a last one amid them."""
    body = b"Content-Length: 3\r\n"
    others = (
        lambda: get([(b"Content-Length", b"4")], method=b"PUT", body=b"body"),
        lambda: get(
            [(b"Transfer-Encoding", b"chunked")], method=b"POST", body=b"1\r\nx\r\n0\r\n\r\n"
        ),
        lambda: get([(b"Origin", FOREIGN)]),
        lambda: get(method=b"HEAD"),
        lambda: get([(b"Connection", b"close")]),
        lambda: get(version=b"HTTP/1.0"),
        lambda: get([(b"Connection", b"keep-alive")], version=b"HTTP/1.0"),
        lambda: b"\r\n" + get(),
        lambda: b"GET /v1/x HTTP/1.1\r\nHost: gate.example\r\n" + body + b"\r\nabc",
        lambda: b"GET / HTTP/1.1\r\nHost: gate.example\r\nBad Name: x\r\n\r\n",
        lambda: get([(b"Expect", b"100-continue"), (b"Content-Length", b"2")], body=b"ab"),
        lambda: get([(b"Upgrade", b"h2c"), (b"Connection", b"Upgrade")]),
        lambda: get(host=None),
    )
    for _ in range(100):
        fields = rng.choice(HEADS)
        requests = [
            get(fields, rng.choice(TARGETS[:3])) if rng.random() < 0.5 else rng.choice(others)()
            for _ in range(rng.randint(2, 7))
        ]
        answers = tuple(reply(rng) for _ in requests)
        yield Case(
            name="",
            kind="pipelined",
            config=rng.choice(("cors", "basic")),
            steps=(Send(0, (b"".join(requests),)), Send(0, (get(fields),))),
            reactions=answers,
            splits=False,
        )


def methods(rng: Random) -> Iterator[Case]:
    """Methods that llhttp does not know, amid those that it does, with bodies and bad targets."""
    for number in range(80):
        fields = HEADS[number % len(HEADS)] if number % 2 else []
        requests = []
        for _ in range(5):
            target = rng.choice((b"/few/%", *TARGETS[:3])) if rng.random() < 0.3 else b"/v1/x"
            method = rng.choice(_METHODS)
            framing, body = rng.choice(_BODIES)
            requests.append(get([*fields, *framing], target, method=method, body=body))
        answers = tuple(reply(rng) for _ in requests)
        yield independent("methods", rng.choice(_CONFIGS), requests, answers)


def many(rng: Random) -> Iterator[Case]:
    """So many different fields, targets and responses that memories are full."""
    for number in range(8):
        requests = []
        for at in range(60):
            fields = HEADS[(at * (number + 1)) % len(HEADS)]
            requests.append(get(vary(rng, fields) if at % 2 else fields, rng.choice(TARGETS)))
        yield independent("many", "routes", requests, tuple(reply(rng) for _ in requests))


FAMILIES = {
    family.__name__: family
    for family in (
        same,
        differs,
        hosts,
        cors,
        questions,
        routes,
        repeated,
        sites,
        heads,
        pipelined,
        methods,
        many,
    )
}
