"""The smallest wider policy allows the call, and needs each of its additions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors, Route, Server, Upstream
from corsgate.cors.policy import compile_policy
from corsgate.errors import PolicyError
from corsgate.explain.browser import fetch
from corsgate.explain.call import Call
from corsgate.explain.explanation import SimulatedGate
from corsgate.explain.fix import find_place, widen
from corsgate.explain.url import Url
from tests.support import parse

ORIGINS = ("https://a.example", "https://b.example", "http://localhost:4200", "https://*.c.example")
URL = Url.parse("http://localhost:5555/")
UPSTREAM = Upstream(name="u", servers=(Server(scheme="http", host="h", port=1),))
CONFIG = parse(
    'listen = ["tcp:5555:interface=127.0.0.1"]\n[upstreams.u]\nservers = ["http://h:1"]\n'
    '[routes."/"]\nupstream = "u"\n'
)
LISTS = ("allow_origins", "allow_methods", "allow_headers")

policies = st.none() | st.builds(
    Cors,
    allow_origins=st.just(("*",))
    | st.lists(st.sampled_from(ORIGINS), min_size=1, unique=True).map(tuple),
    allow_methods=st.just(("*",))
    | st.lists(st.sampled_from(("PUT", "PATCH", "GET")), unique=True).map(tuple),
    allow_headers=st.sampled_from(
        (("*",), ("*", "Authorization"), ("X-A",), ("Authorization", "x-a"), ())
    ),
    expose_headers=st.sampled_from((("*",), ("ETag",), ())),
    allow_credentials=st.booleans(),
    enforce_origin=st.booleans(),
)
calls = st.builds(
    Call,
    origin=st.sampled_from((b"https://a.example", b"https://x.c.example", b"https://evil.example")),
    method=st.sampled_from((b"GET", b"put", b"PATCH", b"PURGE")),
    url=st.just(URL),
    headers=st.lists(
        st.sampled_from(((b"X-A", b"1"), (b"Authorization", b"x"), (b"Accept", b"y"))), unique=True
    ).map(tuple),
    credentials=st.booleans(),
)


def allows(cors: Cors, call: Call) -> bool:
    """Return whether a gate with one route and this policy lets a browser's call through."""
    try:
        compile_policy(cors)
    except PolicyError:
        return False
    route = Route(prefix="/", upstream=UPSTREAM, cors=cors)
    return fetch(call, SimulatedGate(attrs.evolve(CONFIG, routes=(route,))).answer).allowed


def without(wider: Cors, start: Cors) -> Iterator[Cors]:
    """Return the wider policy without each thing that was added."""
    for key in LISTS:
        entries: tuple[str, ...] = getattr(wider, key)
        for entry in entries:
            if entry not in getattr(start, key):
                changed: Any = {key: tuple(each for each in entries if each != entry)}
                yield attrs.evolve(wider, **changed)
    if wider.allow_credentials and not start.allow_credentials:
        yield attrs.evolve(wider, allow_credentials=False)


class WidenTests(SynchronousTestCase):
    """`widen`."""

    @given(policies, calls)
    @settings(max_examples=400)
    def test_law(self, cors: Cors | None, call: Call) -> None:
        """The result allows the call and needs each addition; a sufficient policy stays."""
        try:
            start = cors or Cors(allow_origins=())
            if cors is not None:
                compile_policy(cors)
        except PolicyError:
            return
        try:
            wider = widen(cors, call)
        except PolicyError:
            # No server knows this method: the script has to use upper case.
            self.assertEqual(call.method, b"patch")
            return
        self.assertTrue(allows(wider, call), wider)
        for less in without(wider, start):
            self.assertFalse(allows(less, call), less)
        if cors is not None and allows(cors, call):
            self.assertEqual(wider, cors)

    def test_no_policy_may(self) -> None:
        """A call that no policy can allow is rejected with the reason."""
        call = Call(origin=b"null", method=b"GET", url=URL)
        error = self.assertRaises(PolicyError, widen, None, call)
        self.assertIn("sandboxed", str(error))


class PlaceTests(SynchronousTestCase):
    """`find_place`."""

    def test_spelled_otherwise(self) -> None:
        """A route is found in any spelling of its key; without a file its default key is used."""
        (route,) = CONFIG.routes
        self.assertEqual(find_place({}, route).route, ("routes", "/"))
        host = attrs.evolve(route, host="api.example")
        document = {"routes": {"API.example/": {"cors": "x"}, "other/": {"cors": "x"}}}
        place = find_place(document, host)
        self.assertEqual((place.route, place.policy), (("routes", "API.example/"), ("cors", "x")))
        self.assertEqual(place.shared, ("other/",))
