"""Which routes get and set cookies that pages of other sites may use."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.addresses import Addresses
from corsgate.config.model.shared_cookies import SharedCookies
from corsgate.config.model.values import Cors, Discovered, Route, Server, Upstream

BOX = Server(scheme="http", host="box.lan", port=80)
UPSTREAM = Upstream(name="box", servers=(BOX,))
# The same server by another scheme and path.
AGAIN = Upstream(name="again", servers=(attrs.evolve(BOX, scheme="https", base_path="/x"),))
OTHER = Upstream(name="other", servers=(attrs.evolve(BOX, port=81),))
CORS = Cors(allow_origins=("https://a.example",), allow_credentials=True)
SHARES = Route(prefix="/share", upstream=UPSTREAM, cors=CORS)


def route(**more: Any) -> Route:
    """Return another route."""
    return Route(**{"prefix": "/more", "upstream": UPSTREAM, **more})


class SharedCookiesTests(SynchronousTestCase):
    """`SharedCookies`."""

    def test_every_route_to_the_server(self) -> None:
        """A browser sends a cookie to all of them, so each of them is confined."""
        found = Upstream(name="found", servers=(), discovered=(Discovered(template=BOX),))
        for other in (
            route(),
            route(cors=attrs.evolve(CORS, allow_credentials=False)),
            route(upstream=AGAIN),
            route(upstream=found),
            route(upstream=attrs.evolve(UPSTREAM, addresses=Addresses(cookies="pass"))),
            route(host="a.test"),
        ):
            cookies = SharedCookies([other, SHARES])
            self.assertTrue(cookies.sets(SHARES))
            self.assertTrue(cookies.rides_on(SHARES) and cookies.rides_on(other), other)

    def test_no_other_route(self) -> None:
        """Other servers and hosts, and routes without cookies, are as they were."""
        there = attrs.evolve(SHARES, host="b.test")
        for other in (
            route(upstream=OTHER),
            route(by_url=(UPSTREAM,)),
            route(upstream=attrs.evolve(UPSTREAM, addresses=Addresses(cookies="drop"))),
            route(host="a.test"),
        ):
            cookies = SharedCookies([other, there])
            self.assertTrue(cookies.sets(there) and cookies.rides_on(there))
            self.assertFalse(cookies.rides_on(other), other)
        self.assertFalse(SharedCookies([route()]).rides_on(route()))

    def test_open_route(self) -> None:
        """A route that unknown pages may call keeps the cookies from all pages of other sites."""
        for cors in (
            Cors(allow_origins=("*",)),
            Cors(allow_origins=("https://a.example", "null")),
            attrs.evolve(CORS, enforce_origin=False),
        ):
            other = route(cors=cors)
            cookies = SharedCookies([other, SHARES])
            self.assertFalse(cookies.sets(SHARES))
            self.assertFalse(cookies.rides_on(SHARES) or cookies.rides_on(other))
            elsewhere = attrs.evolve(other, upstream=OTHER)
            self.assertTrue(SharedCookies([elsewhere, SHARES]).sets(SHARES))
