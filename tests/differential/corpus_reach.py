"""Cases of routes that restrict what requests reach: by the path, or by a URL in the target."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from urllib.parse import quote

from tests.differential.configs import APP, FOREIGN
from tests.differential.corpus_kept import independent
from tests.differential.messages import BROWSER, HEADS, get, reply, with_origin
from tests.differential.script import Case, answer

_URLS = (
    "http://127.0.0.1:8001/a%2Fb?c=d",
    "http://127.0.0.1:8001/x",
    "http://127.0.0.1:8009/geo",
    "http://127.0.0.1:8009/geo/x?y",
    "http://127.0.0.1:8009/x",
    "http://127.0.0.1:8001@127.0.0.1:8005/",
    "http://evil.example/",
    "http://127.0.0.1:8001/%2e%2e/x",
)
_PATHS = (
    b"/some/docs",
    b"/some/docs/a%2Fb?x",
    b"/some/a/find",
    b"/some/a%2Fb/find",
    b"/some/other",
)
_LOCATIONS = (
    b"/x?y#z",
    b"http://127.0.0.1:8009/geo/x",
    b"http://127.0.0.1:8001/",
    b"//evil.example/",
)


def _target(rng: Random, url: str) -> bytes:
    form = rng.choice(("/proxy?{raw}", "/proxy?url={coded}", "/proxy?{coded}&z=1", "/proxy/{raw}"))
    return form.format(raw=url, coded=quote(url, safe="")).encode()


def _redirect(rng: Random) -> bytes:
    return (
        b"HTTP/1.1 302 Found\r\nLocation: " + rng.choice(_LOCATIONS) + b"\r\nSet-Cookie: a=b\r\n"
        b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n"
    )


def by_url(rng: Random) -> Iterator[Case]:
    """URLs of several servers in turn, and some that lead nowhere."""
    for number in range(60):
        fields = HEADS[number % len(HEADS)]
        if number % 3 == 0:
            fields = [*with_origin(BROWSER, rng.choice((APP, FOREIGN))), (b"Cookie", b"a=b")]
        targets = [_target(rng, rng.choice(_URLS)) for _ in range(rng.randint(3, 6))]
        method = rng.choice((b"GET", b"GET", b"HEAD", b"DELETE"))
        requests = [get(fields, target, method=method) for target in targets]
        answers = tuple(
            answer(_redirect(rng)) if rng.random() < 0.3 else reply(rng) for _ in requests
        )
        yield independent("by-url", "reach", requests, answers)


def paths(rng: Random) -> Iterator[Case]:
    """Paths that are allowed and others, and what a preflight of them gets."""
    for number in range(40):
        fields = with_origin(HEADS[number % len(HEADS)], rng.choice((APP, APP, FOREIGN)))
        requests = []
        for _ in range(rng.randint(3, 5)):
            method, more = rng.choice((b"GET", b"PUT", b"MOVE", b"OPTIONS")), []
            if method == b"OPTIONS":
                more = [(b"Access-Control-Request-Method", b"PUT")]
            elif method == b"MOVE":
                more = [(b"Destination", rng.choice(_PATHS))]
            requests.append(get([*fields, *more], rng.choice(_PATHS), method=method))
        yield independent("paths", "reach", requests, tuple(reply(rng) for _ in requests))


FAMILIES = {"by-url": by_url, "paths": paths}
