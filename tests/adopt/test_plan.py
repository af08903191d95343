"""The plan of probes."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from corsgate.adopt.plan import SHAPES, as_gate
from corsgate.adopt.probes import Probe, Reply
from corsgate.explain.url import Url
from tests.adopt.play import APP, GATE, field, play, reply

BOX = "http://10.0.0.5:8000"


class Plan(SynchronousTestCase):
    """Probes depend on what came back."""

    def always(self, answer: Reply) -> Callable[[Probe], Reply]:
        """Return a box that always responds the same."""
        return lambda probe: answer

    def refusing(self, refuses: Callable[[Probe], object]) -> Callable[[Probe], Reply]:
        """Return a box that refuses some requests."""
        return lambda probe: reply(403 if refuses(probe) else 200)

    def test_read_only(self) -> None:
        """Whatever a box responds, it gets GET, HEAD and OPTIONS only, and few of them."""
        for status in (200, 204, 301, 401, 403, 404, 409, 500):
            answer = reply(status, Location="/next", Server="CouchDB")
            _, probes = play(f"{BOX}/v1?a=b", self.always(answer))
            self.assertLessEqual({probe.method for probe in probes}, {b"GET", b"HEAD", b"OPTIONS"})
            self.assertLess(len(probes), 35, status)
            self.assertFalse([p for p in probes if field(p, b"Authorization")])

    def test_no_response(self) -> None:
        """A box that does not respond gets one request."""
        look, probes = play(BOX, lambda probe: Reply(failure="no response in time"))
        self.assertEqual((len(probes), look.page.failure), (1, "no response in time"))

    def test_user_agent(self) -> None:
        """A box that refuses other User-Agents than browsers' is looked at as a browser."""

        def box(probe: Probe) -> Reply:
            return reply(200 if field(probe, b"User-Agent").startswith(b"Mozilla") else 403)

        look, probes = play(BOX, box)
        self.assertEqual((look.page.status, look.shape), (200, {}))
        self.assertEqual(field(probes[0], b"User-Agent"), b"corsgate-adopt")

    def test_redirects(self) -> None:
        """Redirects in the box are followed; others, and those to https, are not."""
        look, _ = play(BOX, lambda p: reply(302, Location="/ui") if p.target == "/" else reply(200))
        self.assertEqual((look.spot, look.visited), ("/ui", ("/ui",)))
        look, probes = play(BOX, lambda probe: reply(302, Location="https://login.example/"))
        self.assertEqual(str(look.elsewhere), "https://login.example/")
        self.assertEqual({probe.target for probe in probes}, {"/"})
        look, probes = play(BOX, lambda probe: reply(301, Location="https://10.0.0.5/"))
        self.assertEqual((str(look.use_https), len(probes)), ("https://10.0.0.5/", 1))

    def test_loop(self) -> None:
        """Redirects in a circle end."""
        look, _ = play(BOX, lambda p: reply(302, Location="/b" if p.target == "/a" else "/a"))
        self.assertTrue(look.loops)

    def test_bad_locations(self) -> None:
        """A Location that is no URL ends the walk."""
        for location in ("http://[", "ftp://x/", "\xff", "http://a b/"):
            look, _ = play(BOX, self.always(reply(302, Location=location)))
            self.assertEqual(look.spot, "/")

    def test_shapes(self) -> None:
        """The first keys that the box accepts are found; each refusal leads to the next."""
        refusals: dict[str, Callable[[Probe], object]] = {
            "origin": lambda p: field(p, b"Origin") not in (b"", GATE.encode(), APP.encode()),
            "forwarded": lambda p: field(p, b"X-Forwarded-For"),
            "via": lambda p: field(p, b"Via"),
        }
        for key, refuses in refusals.items():
            look, _ = play(BOX, self.refusing(refuses))
            self.assertEqual(list(look.shape or {}), [key])
        look, _ = play(BOX, lambda p: reply(403 if field(p, b"Origin") else 200))
        self.assertEqual(look.shape, {"origin": "drop"})
        look, _ = play(BOX, lambda p: reply(403 if field(p, b"Referer") else 200))
        self.assertEqual(look.shape, {"origin": "drop"})
        tries = len(SHAPES)
        look, _ = play(BOX, lambda p: reply(500 if p.name.startswith("as-gate") else 200))
        self.assertEqual((look.shape, len(look.shape_tries)), (None, tries))

    def test_as_gate(self) -> None:
        """What the box sees are the fields that the gate sends."""
        fields = dict(as_gate(Url.parse(BOX), GATE, {}))
        self.assertEqual(fields[b"Origin"], BOX.encode())
        self.assertEqual(fields[b"X-Forwarded-Host"], b"localhost:5555")
        self.assertEqual(dict(as_gate(Url.parse(BOX), GATE, {"origin": "gate"}))[b"Origin"],
                         GATE.encode())  # fmt: skip
        self.assertEqual(as_gate(Url.parse(BOX), GATE, SHAPES[-1]), ())
