"""What is kept and logged of requests that the CORS decision refused."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors
from corsgate.cors.decide import decide
from corsgate.cors.policy import compile_policy
from corsgate.gate.refusals import (
    KEPT,
    KEPT_PER_SECOND,
    MAX_ASKED_BYTES,
    MAX_KEPT,
    MAX_KINDS,
    MAX_LINES_PER_SECOND,
    OTHER_KIND,
    Refusals,
)
from corsgate.message.headers import Header, index_headers
from tests.gate.fakes import ASKING, FakeRequest, logged

_POLICY = compile_policy(Cors(allow_origins=("https://app.example",)))


class Case(SynchronousTestCase):
    """A test case with a gate's refusals."""

    def setUp(self) -> None:
        """Make them by a clock."""
        self.clock = Clock()
        self.refusals = Refusals(lambda: 1000.0 + self.clock.seconds())

    def refuse(
        self,
        origin: bytes = b"https://a.example",
        reason: str | None = "not allowed",
        *,
        route: str = "/v1",
        method: bytes = b"GET",
        target: bytes = b"/v1/x",
        headers: list[Header] | None = None,
    ) -> None:
        """Record a request of an origin."""
        fields = [(b"Origin", origin), *(headers or [])]
        request: Any = FakeRequest(self.clock, method, headers=fields, target=target)
        request.log.route, request.log.refused = route, reason
        request.memo.client = (ASKING, "192.0.2.1")
        self.refusals.record(request, self.clock.seconds())


class RefusalTests(Case):
    """`Refusals`."""

    def test_not_refused(self) -> None:
        """A request that was not refused is none."""
        self.refuse(reason=None)
        self.assertEqual((self.refusals.total("/v1"), self.refusals.last("/v1")), (0, []))
        self.assertEqual(self.refusals.kinds("/v1"), {})

    def test_alike(self) -> None:
        """Those that were refused alike are one with a count; the newest comes first."""
        for origin in (b"https://a.example", b"https://b.example", b"https://a.example"):
            self.refuse(origin)
            self.clock.advance(0.1)
        found = [(each.origin, each.count) for each in self.refusals.last("/v1")]
        self.assertEqual(found, [("https://a.example", 2), ("https://b.example", 1)])

    def test_flood(self) -> None:
        """A flood is counted in full, and costs neither memory nor log."""
        said = logged(self)
        for second in range(2 * KEPT):
            for number in range(2 * KEPT_PER_SECOND):
                self.refuse(b"https://%d-%d.example" % (second, number))
            self.clock.advance(1)
        self.assertEqual(self.refusals.total("/v1"), 4 * KEPT * KEPT_PER_SECOND)
        self.assertEqual(len(self.refusals.last("/v1")), KEPT)
        self.assertEqual(len(said()), 2 * KEPT)

    def test_nothing_of_a_line_end(self) -> None:
        """What a client sends can't begin a line of its own."""
        said = logged(self)
        self.refuse(b"https://a\x0b\x85.example")
        (line,) = said()
        self.assertIn("https://a\\x0b\\x85.example", line)

    def test_forgotten(self) -> None:
        """Routes that are no longer served are forgotten."""
        self.refuse(route="/old")
        self.refuse(route="/kept")
        self.refusals.forget_others(frozenset(("/kept",)))
        self.assertEqual([self.refusals.total(name) for name in ("/old", "/kept")], [0, 1])
        self.assertEqual(self.refusals.last("/old"), [])


class Kinds(Case):
    """Reasons are told apart without what a client chose in them."""

    def test_a_line_for_each(self) -> None:
        """One reason does not keep another one of the same route from being logged."""
        said = logged(self)
        reasons = ("origin 'http://a' is not allowed", "method 'PUT' is not in allow_methods")
        for reason in (*reasons, "origin 'http://b' is not allowed", *reasons):
            self.refuse(reason=reason)
        self.assertEqual(len(said()), 2)
        self.clock.advance(1)
        self.refuse(reason=reasons[0])
        self.assertIn("(2 more since the last such line)", said()[2])
        self.assertEqual(
            self.refusals.kinds("/v1"),
            {"origin ... is not allowed": 4, "method ... is not in allow_methods": 2},
        )

    @given(st.lists(st.binary(max_size=200), max_size=8), st.sampled_from((b"GET", b"OPTIONS")))
    def test_real_reasons(self, values: list[bytes], method: bytes) -> None:
        """Whatever a client writes in the place of a value, the kind is the same."""
        refusals = Refusals(lambda: 0.0)
        for value in (b"x", *values):
            if method == b"OPTIONS":
                fields = [(b"Origin", b"https://app.example"), (b"A", b"")]
                fields += [(b"Access-Control-Request-Method", b"GET")]
                fields += [(b"Access-Control-Request-Headers", b"x-" + value.replace(b",", b""))]
            else:
                fields = [(b"Origin", b"https://" + value)]
            request: Any = FakeRequest(Clock(), method, headers=fields)
            decision = decide(_POLICY, method, index_headers(fields), b"", credentialed=False)
            request.log.refused = decision.reason
            refusals.record(request, 0.0)
        self.assertEqual(len(refusals.kinds("")), 1, refusals.kinds(""))

    def test_bounded(self) -> None:
        """Even if reasons differed in other ways, there would be few kinds and lines."""
        said = logged(self)
        for number in range(3 * MAX_KINDS):
            self.refuse(reason="because of " + "x" * number)
            self.clock.advance(1 / 1024)
        kinds = self.refusals.kinds("/v1")
        self.assertEqual((len(kinds), kinds[OTHER_KIND]), (MAX_KINDS + 1, 2 * MAX_KINDS))
        self.assertEqual(len(said()), MAX_LINES_PER_SECOND)

    def test_all_routes(self) -> None:
        """All routes together have a bound of lines per second; what had none is counted."""
        said = logged(self)
        for number in range(3 * MAX_LINES_PER_SECOND):
            self.refuse(route=f"/{number}")
        self.assertEqual(len(said()), MAX_LINES_PER_SECOND)
        self.clock.advance(1)
        self.refuse(route=f"/{2 * MAX_LINES_PER_SECOND}")
        self.assertIn("(1 more since the last such line)", said()[-1])


class Explainable(Case):
    """A refusal has what explains it."""

    def test_preflight(self) -> None:
        """For a preflight, that is also what it asks for."""
        self.refuse(
            method=b"OPTIONS",
            target=b"/v1/docs?token=secret",
            headers=[
                (b"Access-Control-Request-Method", b"PATCH"),
                (b"Access-Control-Request-Headers", b"content-type,x-a"),
                (b"Sec-Fetch-Site", b"cross-site"),
                (b"Sec-Fetch-Mode", b"cors"),
            ],
        )
        (found,) = self.refusals.last("/v1")
        self.assertTrue(found.is_preflight)
        self.assertEqual((found.asked_method, found.asked_headers), ("PATCH", "content-type,x-a"))
        self.assertEqual((found.gate_origin, found.path), ("http://localhost", "/v1/docs"))
        self.assertEqual((found.site, found.mode, found.dest), ("cross-site", "cors", "-"))
        self.assertFalse(found.has_cookies)
        self.assertNotIn("secret", repr(found))

    def test_actual(self) -> None:
        """A request has asked for nothing; its cookies are noted, and none is kept."""
        self.refuse(headers=[(b"Cookie", b"sid=secret"), (b"Sec-Fetch-Dest", b"iframe")])
        (found,) = self.refusals.last("/v1")
        self.assertEqual((found.asked_method, found.asked_headers), (None, None))
        self.assertEqual((found.dest, found.has_cookies), ("iframe", True))
        self.assertFalse(found.is_preflight)
        self.assertNotIn("secret", repr(found))

    def test_asked_headers_are_whole(self) -> None:
        """Names that are too many are cut after a whole one."""
        names = b",".join(b"x-name-%03d" % number for number in range(100))
        asked = [(b"Access-Control-Request-Method", b"GET")]
        asked.append((b"Access-Control-Request-Headers", names))
        self.refuse(method=b"OPTIONS", headers=asked)
        kept = self.refusals.last("/v1")[0].asked_headers
        assert kept is not None
        self.assertTrue(names.decode().startswith(kept + ","))
        self.assertGreater(len(kept), MAX_ASKED_BYTES - 11)
        self.assertLessEqual(len(kept), MAX_ASKED_BYTES)

    def test_memory(self) -> None:
        """On however many routes with however long values, what is kept is bounded."""
        long = b"\xff" * 10_000
        asked = [(b"Access-Control-Request-Method", long), (b"Sec-Fetch-Site", long)]
        asked += [(b"Access-Control-Request-Headers", long), (b"Sec-Fetch-Mode", long)]
        asked += [(b"Sec-Fetch-Dest", long)]
        routes = [f"/{number}" for number in range(MAX_KEPT // KEPT * 2)]
        for number in range(KEPT):
            for route in routes:
                self.refuse(b"%d" % number + long, "'x'", route=route, target=long, headers=asked)
            self.clock.advance(1)
        kept = [each for route in routes for each in self.refusals.last(route)]
        self.assertEqual(len(kept), MAX_KEPT)
        self.assertLess(max(len(repr(each)) for each in kept), 10_000)
        self.assertTrue(self.refusals.last(routes[-1]))
        self.assertEqual(self.refusals.total(routes[0]), KEPT)
