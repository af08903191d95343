"""What a request's fields cost: little more than their bytes, whatever stands in them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from ipaddress import ip_network
from types import FrameType
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors, Limits, Route, Server, Upstream
from corsgate.cors.decide import decide, merge_vary
from corsgate.cors.policy import compile_policy
from corsgate.credentials.auth_fields import parse_challenges
from corsgate.gate.error_page import Problem, render
from corsgate.gate.request_shape import RequestShape
from corsgate.message.client import Client, gate_origin
from corsgate.message.cookies import cookie_values
from corsgate.message.forwarded import client_address
from corsgate.message.headers import HeaderList
from corsgate.server.http1.parser import RequestParser
from tests.server.http1.test_parser import Recorder

SERVER = Server(scheme="http", host="10.0.0.2", port=80)
NETWORKS = (ip_network("10.0.0.0/8"),)
POLICY = compile_policy(Cors(allow_origins=("https://app.example",), allow_headers=("*",)))
SHAPE = RequestShape(Route(prefix="/", upstream=Upstream(name="a", servers=(SERVER,))), 0)
PROXY = Client(peer="10.0.0.1", trusted=True, scheme=b"http", authority=b"a")

FIELD_BYTES = 3900
FIELDS = 8
"""As many and as long as they may be in one head, by default."""

NAMES = (
    *(b"Accept", b"Forwarded", b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto"),
    *(b"Connection", b"Upgrade", b"TE", b"Transfer-Encoding", b"Cookie", b"Via", b"Origin"),
    *(b"Access-Control-Request-Headers", b"Access-Control-Request-Method", b"Referer"),
    *(b"Authorization", b"Sec-WebSocket-Protocol", b"If-None-Match", b"Sec-Fetch-Site"),
    *(b"Cache-Control", b"Expect", b"Content-Type", b"X-Remote-User"),
)
UNITS = (
    *(b",", b";", b" ", b"a", b"a,", b"a;", b"a=", b'"', b'a="\\",', b"a;q=1,", b"*/*;q=,"),
    *(b"for=a,", b"for=a;", b'for="[::1]",', b"1.1.1.1,", b"::1,", b"node=a;", b"chunked,"),
    *(b"websocket,", b"trailers,", b"\x80", b"%", b"\t,", b"Digest a=b,"),
)


def counted(function: Callable[..., object], *arguments: object) -> int:
    """Return how many calls a function makes, of functions in Python and in C."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function(*arguments)
    finally:
        sys.setprofile(before)
    return calls


def serve(fields: HeaderList, method: bytes = b"GET") -> None:
    """Do with a head what the gate does with it on its way, and to refuse it with an error page."""
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    sink = Recorder()
    RequestParser(sink, Limits()).feed(method + b" / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n")
    request = sink.requests[0]
    index = request.index
    if request.refusal is None:
        headers = request.head.headers
        client_address(headers, PROXY.peer, NETWORKS)
        origin = gate_origin(PROXY, headers)
        decide(POLICY, method, index, origin, credentialed=True)
        list(cookie_values(index.get(b"cookie", ()), b"node"))
        SHAPE.upstream_head(request.head, SERVER, PROXY, offers=request.offers)
    render(Problem(status=403, detail="No."), index.get(b"accept", ()), "1")


def filled(unit: bytes) -> bytes:
    """Return a value as long as it may be, made of one piece again and again."""
    value = (unit * FIELD_BYTES)[:FIELD_BYTES]
    return value.strip(b" \t") or b"x" * FIELD_BYTES


class CostTests(SynchronousTestCase):
    def test_no_field_costs_more_than_its_bytes(self) -> None:
        """No list costs ten times what a plain request of its size does, in one field or many."""
        for method in (b"GET", b"OPTIONS"):
            origin = [(b"Origin", b"https://app.example")]
            origin.append((b"Access-Control-Request-Method", b"PUT"))
            plain: HeaderList = [*origin, *[(b"X-Plain", b"a" * FIELD_BYTES)] * (FIELDS - 1)]
            most = 10 * counted(serve, plain, method)
            for name in NAMES:
                for unit in UNITS:
                    hostile: HeaderList = [*origin, *[(name, filled(unit))] * (FIELDS - 1)]
                    one: HeaderList = [*origin, (name, filled(unit) * (FIELDS - 1))]
                    for fields in (hostile, one):
                        cost = counted(serve, fields, method)
                        self.assertLess(cost, most, (name, unit))

    def test_upstreams(self) -> None:
        """An upstream's lists are read as far as any real one goes."""
        for unit in UNITS:
            values = [filled(unit)] * FIELDS
            self.assertLess(counted(merge_vary, values, b"Origin"), 1000, unit)
            self.assertLess(counted(parse_challenges, values), 10_000, unit)

    def test_bytes(self) -> None:
        """The count counts: what splits a list of thousands does not pass."""
        split = counted(lambda: [part.strip() for part in filled(b",").split(b",")])
        self.assertGreater(split, FIELD_BYTES)
