"""The verdicts on a gate's responses."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.adopt.checklist import Case, first_calls, goes_on, more_calls, verdict
from corsgate.adopt.probes import Look, Reply
from corsgate.explain.url import Url
from tests.adopt.play import APP, GATE, reply

URL = Url.parse("http://10.0.0.5:8000/v1")
CASE = Case(
    look=Look(url=URL, spot="/v1", visited=("/v1/",), replies={"websocket": reply(101)}),
    expected=reply(200),
    app=APP,
    gate=Url.parse(f"{GATE}/"),
    method="PUT",
    header="Content-Type",
    has_login=True,
    is_proven=True,
)


def granted(status: int, body: bytes = b"", **fields: str) -> Reply:
    """Return a reply that the page may read."""
    return reply(status, body, Access_Control_Allow_Origin=APP, **fields)


GOOD: dict[str, Reply] = {
    "preflight": granted(
        204, Access_Control_Allow_Methods="PUT", Access_Control_Allow_Headers="content-type"
    ),
    "stranger": reply(403),
    "get": granted(200),
    "cookies": granted(200),
    "error": granted(404),
    "redirect": granted(302, Location=f"{GATE}/v1/x"),
    "websocket": reply(101),
    "strange-websocket": reply(403),
}
BAD: dict[str, tuple[Reply, ...]] = {
    "preflight": (
        granted(204),
        reply(403),
        granted(204, Access_Control_Allow_Methods="PUT"),
        granted(403, Access_Control_Allow_Methods="PUT"),
    ),
    "stranger": (reply(200), granted(403), Reply(failure="reset")),
    "get": (
        reply(200),
        granted(401),
        granted(403),
        granted(500),
        granted(502),
        granted(404),
        granted(200, WWW_Authenticate="Basic"),
        attrs.evolve(granted(200), is_cut=True),
        reply(200, Access_Control_Allow_Origin="*"),
    ),
    "cookies": (reply(200),),
    "error": (reply(404),),
    "redirect": (granted(302, Location="http://10.0.0.5:8000/v1/x"), reply(302, Location="/")),
    "websocket": (granted(403), granted(200)),
    "strange-websocket": (reply(101), reply(200)),
}


class ChecklistTests(SynchronousTestCase):
    """Ticks and crosses."""

    def test_verdicts(self) -> None:
        """Each call passes for the right response and fails for each wrong one, with a fix."""
        probes = [*first_calls(CASE), *more_calls(CASE)]
        self.assertEqual({probe.name for probe in probes}, set(GOOD))
        for probe in probes:
            good = verdict(CASE, probe, GOOD[probe.name])
            self.assertTrue(good.is_fine, good)
            for bad in BAD[probe.name]:
                check = verdict(CASE, probe, bad)
                self.assertFalse(check.is_fine, (probe.name, bad))
                self.assertTrue(check.fix, (probe.name, bad))

    def test_rejected_login(self) -> None:
        """After a rejection, no call may reach the box."""
        *_, get = first_calls(CASE)
        for status in (401, 403, 502):
            answer = granted(status)
            self.assertFalse(goes_on(verdict(CASE, get, answer), answer))
        self.assertTrue(goes_on(verdict(CASE, get, granted(200)), granted(200)))

    def test_not_tried(self) -> None:
        """Without redirects and WebSockets, they are not called."""
        plain = attrs.evolve(CASE, look=Look(url=URL, spot="/v1"))
        self.assertEqual({p.name for p in more_calls(plain)}, {"cookies", "error"})

    def test_reason_of_the_gate(self) -> None:
        """The gate's own words are shown, if they are its own; broken JSON does no harm."""
        *_, get = first_calls(CASE)
        kind = "application/problem+json"
        said = granted(502, b'{"detail": "No response.\\u001b"}', Content_Type=kind)
        self.assertIn("No response.\\x1b", verdict(CASE, get, said).words)
        for body in (b"{", b"[]", b'{"detail": 5}', b"\xff"):
            verdict(CASE, get, granted(502, body, Content_Type=kind))
