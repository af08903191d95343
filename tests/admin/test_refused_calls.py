"""Refusals explained when somebody looks."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.admin.refused_calls import (
    MAX_CACHED,
    MAX_NEW,
    SHOWN,
    RefusedCalls,
)
from corsgate.gate.refusals import Refusal
from tests.gate.test_refusal_fix import CONFIG, REFUSAL, TOML
from tests.support import parse


def refusals(count: int) -> list[tuple[str, Refusal]]:
    """Return refusals of different origins, the newest last."""
    return [
        ("/v1", attrs.evolve(REFUSAL, time_s=float(n), origin=f"https://a{n}.example"))
        for n in range(count)
    ]


class RefusedCallsTests(SynchronousTestCase):
    """`RefusedCalls`."""

    def test_newest_first(self) -> None:
        """The newest of all routes come first, and only so many."""
        found = RefusedCalls().shown(CONFIG, refusals(SHOWN + 5))
        self.assertEqual(len(found), SHOWN)
        self.assertEqual(found[0]["origin"], f"https://a{SHOWN + 4}.example")
        self.assertEqual(found[0]["url"], "http://localhost:5555/v1/documents")

    def test_bounded(self) -> None:
        """Only some are explained at once, the others the next time; none is kept for ever."""
        calls = RefusedCalls()
        first = calls.shown(CONFIG, refusals(SHOWN))
        self.assertEqual(sum(each["toml"] is not None for each in first), MAX_NEW)
        self.assertEqual(sum(each["explained"] for each in first), MAX_NEW)
        second = calls.shown(CONFIG, refusals(SHOWN))
        self.assertEqual(sum(each["toml"] is not None for each in second), SHOWN)
        for n in range(MAX_CACHED // MAX_NEW + 5):
            calls.shown(CONFIG, refusals((n + 1) * MAX_NEW))
        self.assertLessEqual(len(calls._known), MAX_CACHED)

    def test_cached(self) -> None:
        """The same refusal at another time is the same explanation; another configuration isn't."""
        calls = RefusedCalls()
        calls.shown(CONFIG, [("/v1", REFUSAL)])
        (known,) = calls._known.values()
        later = attrs.evolve(REFUSAL, time_s=9.0, id="b", count=3)
        (shown,) = calls.shown(CONFIG, [("/v1", later)])
        self.assertIs(next(iter(calls._known.values())), known)
        self.assertEqual((shown["count"], shown["time_s"]), (3, 9.0))
        fixed = parse(TOML.replace('["https://', '["http://app.example", "https://'))
        (shown,) = calls.shown(fixed, [("/v1", later)])
        self.assertIsNone(shown["toml"])

    def test_many_routes(self) -> None:
        """With thousands of routes one is explained at once."""
        routes: Any = tuple(attrs.evolve(CONFIG.routes[0], prefix=f"/v1/{n}") for n in range(2500))
        config = attrs.evolve(CONFIG, routes=routes)
        found = RefusedCalls().shown(config, refusals(3))
        explained = [each for each in found if each["toml"] or each["advice"]]
        self.assertEqual(len(explained), 1)

    def test_long_policy(self) -> None:
        """With thousands of entries one is explained now and then."""
        origins = "".join(f', "https://a{n}.other"' for n in range(1200))
        config = parse(TOML.replace('"https://app.example"', '"https://app.example"' + origins))
        calls, seen = RefusedCalls(), []
        for _ in range(5):
            found = calls.shown(config, refusals(10))
            seen.append(sum(each["toml"] is not None for each in found))
        self.assertEqual(seen, [1, 1, 1, 2, 2])
