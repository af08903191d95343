"""What replies mean."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.adopt.findings import Finding, Mark, findings, other_origin
from corsgate.adopt.known import known_box
from corsgate.adopt.login import login_of
from corsgate.adopt.probes import Look, Probe, Reply
from corsgate.explain.url import Url
from tests.adopt.play import APP, field, play, reply

BOX = "http://10.0.0.5:8000"


def found(look: Look) -> dict[str, Finding]:
    """Return the findings by topic."""
    known = known_box(list(look.all_replies))
    every = findings(look, login_of(look, known), known, None, "ca.pem")
    return {each.topic: each for each in every}


class FindingTests(SynchronousTestCase):
    """From replies to keys."""

    def test_origin(self) -> None:
        """A box that refuses the page's Origin is told from one that does not."""
        strict, _ = play(BOX, lambda p: reply(403 if field(p, b"Origin") == APP.encode() else 200))
        self.assertEqual(found(strict)["Origin"].mark, Mark.HURDLE)
        self.assertNotIn("gate", found(strict))
        lax, _ = play(BOX, lambda probe: reply(200))
        self.assertEqual(found(lax)["Origin"].mark, Mark.FINE)

    def test_host_and_forwarded(self) -> None:
        """A check of Host needs no key, since the gate sends the box's; one of Via does."""
        look, _ = play(BOX, lambda p: reply(421 if field(p, b"Host") else 200))
        self.assertIn("refuses the gate's Host (421)", found(look)["Host"].words)
        look, _ = play(BOX, lambda p: reply(200 if field(p, b"Host") == b"localhost:8000" else 403))
        self.assertIn("but serves localhost:8000", found(look)["Host"].words)
        look, _ = play(BOX, lambda p: reply(400 if field(p, b"Via") else 200))
        self.assertEqual(found(look)["gate"].keys, {"via": False})

    def test_gzip(self) -> None:
        """A box that compresses nothing for requests with Via gets ``via = false``."""

        def box(probe: Probe) -> Reply:
            packs = field(probe, b"Accept-Encoding") and not field(probe, b"Via")
            return reply(200, Content_Encoding="gzip") if packs else reply(200)

        look, _ = play(BOX, box)
        self.assertEqual(found(look)["gzip"].keys, {"via": False})

    def test_methods(self) -> None:
        """Allow decides; methods that no script may send, and unknown ones, are left out."""
        allow = "GET, PUT, TRACE, OPTIONS, patch, X" + "Y" * 5000
        look, _ = play(BOX, lambda p: reply(405, Allow=allow) if p.method == b"OPTIONS"
                       else reply(200))  # fmt: skip
        self.assertEqual(found(look)["methods"].keys["allow_methods"], ["PUT", "PATCH"])

    def test_aliases(self) -> None:
        """Another name for the same path is an alias; anything else is for the reader."""
        look, _ = play(f"{BOX}/x", lambda probe: reply(301, Location="http://box.lan/x/"))
        self.assertEqual(found(look)["redirect"].keys, {"aliases": ["http://box.lan"]})
        look, _ = play(f"{BOX}/x", lambda probe: reply(302, Location="http://sso.example/a"))
        self.assertEqual(found(look)["redirect"].keys, {})
        self.assertEqual(found(look)["redirect"].off, {"aliases": ["http://sso.example"]})

    def test_own_cors(self) -> None:
        """CORS headers of the box's own are reported."""
        look, _ = play(BOX, lambda probe: reply(200, Access_Control_Allow_Origin="*"))
        self.assertIn("allows *", found(look)["CORS"].words)

    def test_cookies(self) -> None:
        """Attributes are named, values are not."""
        cookie = "sid=private; Domain=box.lan; Secure; SameSite=None"
        look, _ = play(BOX, lambda probe: reply(200, Set_Cookie=cookie))
        words = found(look)["cookies"].words
        self.assertIn("sets sid with domain=box.lan, secure, samesite=None", words)
        self.assertNotIn("private", words)

    def test_safe_words(self) -> None:
        """Whatever a box sends, the words are printable ASCII on one line."""
        evil = "\x1b[2J\r\n\u2028[routes]" + "x" * 9000
        fields = ("Server", "Location", "Set_Cookie", "WWW_Authenticate", "Allow", "DAV")
        for status in (200, 302, 401, 405):
            every = reply(status, b"", **dict.fromkeys(fields, evil))
            look, _ = play(BOX, lambda probe, seen=every: seen)  # type: ignore[misc]
            for each in found(look).values():
                self.assertTrue(each.words.isascii() and each.words.isprintable(), each.words)
                self.assertLess(len(each.words), 700)

    def test_other_origin(self) -> None:
        """A Location of the same origin, or none at all, is no other origin."""
        gate = Url.parse("http://localhost:5555/")
        self.assertEqual(other_origin(b"/a", gate), "")
        self.assertEqual(other_origin(b"http://box/", gate), "http://box")
        self.assertEqual(other_origin(b"\xff", gate), "")
