"""Browsers behave here as in an independent transcription of Fetch."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.browser import fetch
from corsgate.explain.call import Call
from corsgate.explain.trace import Answer, Request
from corsgate.explain.url import Url
from corsgate.message.headers import Header
from tests.cors import oracle

APP, API = b"https://a.example", "https://api.example/x"
ACAO, ACAC = b"Access-Control-Allow-Origin", b"Access-Control-Allow-Credentials"
LISTS = (b"Access-Control-Allow-Methods", b"Access-Control-Allow-Headers")

names = st.sampled_from(
    b"X-A x-a Authorization Accept Content-Type Range Cookie Accept-Language Sec-X"
    b" X-HTTP-Method".split()
)
values = st.sampled_from(
    (
        *(b"", b"1", b"text/plain", b"application/json", b"text/plain;charset=utf-8", b"a(b"),
        *(b"bytes=0-", b"bytes=5-2", b"bytes=-5", b"TRACE", b"de_DE", b"x" * 200, b"x" * 120),
    )
)
calls = st.builds(
    Call,
    origin=st.sampled_from((APP, b"null", b"https://api.example")),
    method=st.sampled_from(b"GET put PATCH patch POST TRACK DELETE options".split()),
    url=st.just(Url.parse(API)),
    headers=st.lists(st.tuples(names, values), max_size=12).map(tuple),
    credentials=st.booleans(),
)
listed = st.sampled_from(
    (
        *(b"", b"*", b"PUT", b"put, PATCH", b"X-A", b"x-a,authorization", b"PUT GET", b",,PUT,"),
        *(b"content-type, range,accept,accept-language", b"a:b", b"PATCH,DELETE , x-a"),
    )
)
origins = st.sampled_from((APP, b"*", b"null", b"https://A.example", APP + b"/", APP + b", *"))
fields = st.one_of(
    st.tuples(st.just(ACAO), origins),
    st.tuples(st.just(ACAC), st.sampled_from((b"true", b"True", b"true, true"))),
    st.tuples(st.sampled_from(LISTS), listed),
)
right = st.lists(st.tuples(st.sampled_from(LISTS), listed), max_size=4).map(
    lambda more: [(ACAO, APP), (ACAC, b"true"), *more]
)
answers = st.tuples(
    st.sampled_from((200, 204, 299, 403, 500)), st.lists(fields, max_size=4) | right
)


def without_mode(headers: Sequence[Header]) -> list[Header]:
    """Return the fields that both sides produce, in any order."""
    return sorted(field for field in headers if field[0] != b"Sec-Fetch-Mode")


class OracleTests(SynchronousTestCase):
    """`fetch`, compared with ``tests.cors.oracle``."""

    @given(calls, st.tuples(answers, answers))
    @settings(max_examples=1500)
    def test_agree(
        self, call: Call, script: tuple[tuple[int, list[Header]], tuple[int, list[Header]]]
    ) -> None:
        """Both send the same requests, and let the script read the same responses."""
        theirs: list[tuple[bytes, list[Header]]] = []
        ours: list[tuple[bytes, list[Header]]] = []

        def serve(method: bytes, headers: Sequence[Header]) -> oracle.Response:
            theirs.append((method, without_mode(headers)))
            return oracle.Response(*script[len(theirs) - 1])

        def send(request: Request) -> Answer:
            ours.append((request.method, without_mode(request.headers)))
            status, headers = script[len(ours) - 1]
            return Answer(status=status, headers=tuple(headers))

        asked = oracle.Request(
            origin=call.origin,
            target_origin=call.url.origin,
            method=call.method,
            headers=call.headers,
            include=call.credentials,
        )
        verdict = oracle.fetch(asked, serve)
        trace = fetch(call, send)
        self.assertEqual(trace.allowed, isinstance(verdict, oracle.Response), trace.failed)
        self.assertEqual(ours, theirs)
