"""The loads and the proxies that they are for."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from bench.loads import LOADS, NUMBER
from bench.measure import GATE, GATE_DEBIAN, GATES, proxies
from bench.run import turns


class Loads(SynchronousTestCase):
    """What is sent."""

    def test_are_told_apart(self) -> None:
        """`--only` names loads and proxies alike, so that no name may be there twice."""
        names = [load.name for load in LOADS] + [proxy.name for proxy in proxies()]
        self.assertEqual(len(set(names)), len(names))

    def test_put_numbers_in(self) -> None:
        """Path and fields have the number of the request."""
        fields = {"Origin": f"https://page-{NUMBER}.example"}
        load = attrs.evolve(LOADS[0], path=f"/route-{NUMBER}/1k.json", fields=fields)
        self.assertTrue(load.numbered)
        first = load.at(7)
        self.assertEqual(first.path, "/route-7/1k.json")
        self.assertEqual(first.fields, {"Origin": "https://page-7.example"})
        self.assertFalse(first.numbered)


class Turns(SynchronousTestCase):
    """What is measured after what."""

    def test_go_through_all_proxies(self) -> None:
        """A load that is held against another comes right after it, for the same gate."""
        chosen = [proxy for proxy in proxies() if proxy.name in (GATE, GATE_DEBIAN, "caddy")]
        found = [(load.name, proxy.name) for load, proxy in turns(LOADS[:3], chosen)]
        self.assertEqual(
            found,
            [
                ("1k", GATE),
                ("unlogged", GATE),
                ("1k", GATE_DEBIAN),
                ("unlogged", GATE_DEBIAN),
                ("1k", "caddy"),
                ("varying", GATE),
                ("varying", GATE_DEBIAN),
                ("varying", "caddy"),
            ],
        )


class Proxies(SynchronousTestCase):
    """Who is put under them."""

    def test_differ_in_what_they_say(self) -> None:
        """One that is like another has all else of it."""
        by_name = {proxy.name: proxy for proxy in proxies()}
        ours = by_name[GATE]
        self.assertEqual(
            by_name[GATE_DEBIAN], attrs.evolve(ours, name=GATE_DEBIAN, python="debian")
        )
        kept, default = by_name["http-proxy"], by_name["http-proxy-default"]
        self.assertEqual((kept.npm, kept.config), (default.npm, default.config))
        self.assertNotEqual(kept.values, default.values)

    def test_take_part(self) -> None:
        """Only the gates are measured without an access log."""
        (unlogged,) = (load for load in LOADS if load.beside is not None)
        for proxy in proxies():
            self.assertEqual(proxy.takes_part(unlogged), proxy.name in GATES)
            self.assertTrue(proxy.takes_part(LOADS[0]))
