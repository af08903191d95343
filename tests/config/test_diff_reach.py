"""Tests of `corsgate.config.diff_reach`: what a route reaches more or less than before."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.diff import differences
from corsgate.config.diff_reach import destination, reach_changes
from corsgate.config.model.path_rules import PathPattern
from corsgate.config.model.values import Route, Server, Upstream
from tests.support import LISTEN, parse

A, B = (
    Upstream(name=name, servers=(Server(scheme="http", host=f"{name}.lan", port=80),))
    for name in "ab"
)
ROUTE = Route(prefix="/v1", upstream=A)
BY_URL = attrs.evolve(ROUTE, by_url=(A,))
UPSTREAMS = f"""{LISTEN}
[upstreams.a]
servers = ["http://a.lan"]
[upstreams.b]
servers = ["http://b.lan"]
[routes."/other"]
upstream = "a"
"""


def only(*texts: str) -> Route:
    """Return a route with these patterns."""
    return attrs.evolve(ROUTE, allow_paths=tuple(map(PathPattern, texts)))


class ReachTests(SynchronousTestCase):
    """What changes."""

    def test_changes(self) -> None:
        """Each change says whether it gives or takes."""
        both = attrs.evolve(ROUTE, by_url=(A, B))
        for old, new, changes in (
            (ROUTE, ROUTE, []),
            (BY_URL, BY_URL, []),
            (BY_URL, both, [(True, "URLs of upstream b can be called")]),
            (both, BY_URL, [(False, "URLs of upstream b can no longer be called")]),
            (both, attrs.evolve(both, by_url=(B, A)), []),
            (
                ROUTE,
                attrs.evolve(ROUTE, upstream=B),
                [(None, "it forwards to upstream b, previously to upstream a")],
            ),
            (
                ROUTE,
                both,
                [(None, "it forwards to upstreams a, b by URL, previously to upstream a")],
            ),
            (ROUTE, only("/v1", "/v1/**"), [(False, "it serves the paths /v1, /v1/** only")]),
            (only("/v1"), ROUTE, [(True, "it serves every path")]),
            (
                only("/v1", "/v1/a"),
                only("/v1/b", "/v1"),
                [
                    (False, "it no longer serves the paths /v1/a"),
                    (True, "it serves the paths /v1/b"),
                ],
            ),
        ):
            self.assertEqual(list(reach_changes(old, new)), changes)

    def test_destination(self) -> None:
        """A route goes to an upstream, or to those that URLs name."""
        self.assertEqual(destination(BY_URL), "upstream a by URL")

    def test_in_differences(self) -> None:
        """A new route says what it reaches, and an old one what is gone."""
        old = parse(UPSTREAMS)
        new = parse(
            f'{UPSTREAMS}[routes."/proxy"]\nby_url = ["a", "b"]\nallow_paths = ["GET /x/**"]\n'
        )
        self.assertEqual(
            [*map(str, differences(old, new))],
            [
                '+ routes."/proxy": a route to upstreams a, b by URL',
                '- routes."/proxy": it serves the paths GET /x/** only',
            ],
        )
        self.assertEqual(
            [*map(str, differences(new, old))],
            ['- routes."/proxy": the route to upstreams a, b by URL is removed'],
        )
