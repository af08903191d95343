"""What acceptances and rejections of some paths say about others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.spots import (
    ENOUGH_AREAS,
    ENOUGH_REQUESTS,
    MAX_PATH_BYTES,
    MAX_SPOTS,
    Spot,
    Spots,
    spot_of,
)


def at(path: str, method: bytes = b"GET") -> Spot:
    """Return where a request goes."""
    return spot_of(method, path.encode())


class SpotOfTests(SynchronousTestCase):
    def test_areas(self) -> None:
        """The area is the directory; directly below the root each page is alone, but not files."""
        for one, other, is_same in (
            ("/api/a", "/api/b?c=/d/e", True),
            ("/api/a", "/api/", True),
            ("/api/a", "/api", True),
            ("/api/a", "/api/a/b", False),
            ("/", "/api", False),
            ("/", "/main.js", False),
            ("/main.js", "/style.css", True),
        ):
            self.assertEqual(at(one).area == at(other).area, is_same, (one, other))

    def test_methods(self) -> None:
        """Those that change something are apart from those that only read."""
        self.assertEqual(at("/a"), at("/a", b"HEAD"))
        self.assertEqual(at("/a", b"POST"), at("/a", b"DELETE"))
        self.assertNotEqual(at("/a"), at("/a", b"POST"))

    def test_long_paths(self) -> None:
        """A long path takes little memory, and is still told from others."""
        directory = "/" + "a" * 5000
        one, other = at(f"{directory}/b" * 2), at(f"{directory}/b{directory}/c")
        for each in (one, other):
            self.assertLessEqual(len(each.path + each.area), 2 * MAX_PATH_BYTES)
        self.assertEqual(one, at(f"{directory}/b" * 2))
        self.assertEqual(one.area, other.area)
        self.assertNotEqual(one.path, other.path)
        self.assertNotEqual(one, at(f"{directory}/b" * 2, b"POST"))
        short = "/" + "a" * (MAX_PATH_BYTES - 4) + "/b"
        self.assertEqual(at(short).path, b"r" + short.encode())

    def test_probe(self) -> None:
        """A probe speaks for its own path only."""
        probe = spot_of(b"GET", b"/api/health?a", is_probe=True)
        self.assertEqual(probe, Spot(at("/api/health").path, b""))


class SpotsTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Know nothing yet."""
        self.spots = Spots()

    def accept(self, *paths: str) -> None:
        """Record accepted requests."""
        for path in paths:
            self.spots.accepted(at(path), is_served=True)

    def test_same_path(self) -> None:
        """What was accepted once is expected to be accepted again, with any query."""
        self.assertFalse(self.spots)
        self.accept("/api/a?b")
        self.assertTrue(self.spots)
        self.assertTrue(self.spots.accepts(at("/api/a?c")))
        self.assertFalse(self.spots.accepts(at("/api/a", b"PUT")))
        self.assertFalse(self.spots.accepts(None))

    def test_same_area(self) -> None:
        """Two accepted paths speak for their directory; one alone may be its public one."""
        self.accept("/api/health", "/api/health")
        self.assertFalse(self.spots.accepts(at("/api/a")))
        self.accept("/api/a")
        self.assertTrue(self.spots.accepts(at("/api/b")))
        self.assertFalse(self.spots.accepts(at("/api/b/c")))

    def test_not_served(self) -> None:
        """Errors, which may come before credentials are checked, and probes open no directory."""
        for spot in (at("/api/a"), at("/api/b")):
            self.spots.accepted(spot, is_served=False)
        for path in (b"/api/c", b"/api/d"):
            self.spots.accepted(spot_of(b"GET", path, is_probe=True), is_served=True)
        self.assertTrue(self.spots.accepts(at("/api/a")))
        self.assertTrue(self.spots.accepts(at("/api/c")))
        self.assertFalse(self.spots.accepts(at("/api/e")))
        self.assertFalse(self.spots.accepts(spot_of(b"GET", b"/x", is_probe=True)))

    def test_rejected_path(self) -> None:
        """A rejection ends what was known of the path and its directory, but not of other paths."""
        self.accept("/api/a", "/api/b")
        self.spots.rejected(at("/api/a"))
        self.assertEqual(
            [self.spots.accepts(at(each)) for each in ("/api/a", "/api/b", "/api/c")],
            [False, True, False],
        )
        self.assertTrue(self.spots.rejects(at("/api/a?x")))
        self.assertFalse(self.spots.rejects(at("/api")))
        self.accept("/api/c", "/api/d")
        self.assertFalse(self.spots.accepts(at("/api/e")))

    def test_apart(self) -> None:
        """Other paths are apart from the rejected ones once something new was accepted."""
        self.spots.rejected(at("/admin/x"))
        self.assertFalse(self.spots.is_apart(at("/api/a")))
        self.accept("/api/a")
        self.assertTrue(self.spots.is_apart(at("/other/b")))
        self.assertTrue(self.spots.is_apart(at("/admin/y")))
        self.assertFalse(self.spots.is_apart(at("/admin/x")))
        self.spots.rejected(at("/admin/x"))
        self.assertTrue(self.spots.is_apart(at("/other/b")))
        self.spots.rejected(at("/other/b"))
        self.assertFalse(self.spots.is_apart(at("/another/c")))

    def test_login(self) -> None:
        """A rejected login says the same of all."""
        self.spots.rejected(None)
        self.accept("/api/a")
        self.assertFalse(self.spots.is_apart(at("/other/b")))
        self.assertFalse(self.spots.is_enough())

    def test_enough_areas(self) -> None:
        """After so many, all others are expected to be accepted, except the rejected ones.

        New paths beside a rejected one count like areas.
        """
        self.accept(*(f"/a{number}/x" for number in range(ENOUGH_AREAS - 1)))
        self.assertFalse(self.spots.is_enough())
        self.accept("/last/x")
        self.assertTrue(self.spots.is_enough())
        self.spots.rejected(at("/admin/x"))
        self.assertFalse(self.spots.is_enough())
        self.assertFalse(self.spots.accepts(at("/other/x")))
        self.accept(
            *(f"/b{number}/x" for number in range(ENOUGH_AREAS - 2)), "/admin/b", "/admin/b"
        )
        self.assertFalse(self.spots.accepts(at("/other/x")))
        self.accept("/admin/c")
        self.assertFalse(self.spots.is_enough())
        self.assertTrue(self.spots.accepts(at("/other/x")))
        self.assertTrue(self.spots.accepts(at("/admin/y")))
        self.assertFalse(self.spots.accepts(at("/admin/x")))

    def test_enough_requests(self) -> None:
        """The same after many requests to few paths; errors and probes don't count."""
        probe = spot_of(b"GET", b"/health", is_probe=True)
        for _ in range(ENOUGH_REQUESTS):
            self.assertFalse(self.spots.is_enough())
            self.spots.accepted(probe, is_served=True)
            self.spots.accepted(at("/nowhere"), is_served=False)
            self.accept("/a")
        self.assertTrue(self.spots.is_enough())

    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 2 * MAX_SPOTS)), max_size=60))
    def test_last_word(self, steps: list[tuple[bool, int]]) -> None:
        """The last response to a path decides about it."""
        spots, last = Spots(), dict[Spot, bool]()
        for is_accepted, number in steps:
            spot = at(f"/{number % 3}/{number % 5}")
            if is_accepted:
                spots.accepted(spot, is_served=True)
            else:
                spots.rejected(spot)
            last[spot] = is_accepted
        for spot, is_accepted in last.items():
            self.assertEqual(spots.accepts(spot), is_accepted)

    def test_memory(self) -> None:
        """What is remembered is bounded."""
        for number in range(2 * MAX_SPOTS):
            self.accept(f"/a/{number}", f"/{number}/a")
            self.spots.rejected(at(f"/r{number}/a"))
        for each in (self.spots._paths, self.spots._areas, self.spots._rejected_paths):
            self.assertEqual(len(each), MAX_SPOTS)
        self.spots.clear()
        self.assertFalse(self.spots)
