"""Lines of the access log for people."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.access_log import AccessLog, open_log, place_of_log
from corsgate.gate.access_text import TextLines, time_of_day
from corsgate.gate.log_style import OutputLines, Place
from corsgate.message.headers import Header
from tests.gate.fakes import FakeRequest

_COLOR = re.compile(r"\x1b\[[0-9;]*m")


def request(
    method: bytes = b"GET",
    target: bytes = b"/v1/x",
    headers: list[Header] | None = None,
    **log: Any,
) -> Any:
    """Return a request with notes for the log."""
    made: Any = FakeRequest(Clock(), method, headers=headers or [], target=target)
    made.log.id, made.log.route = "ab-1", "/v1"
    for name, value in log.items():
        setattr(made.log, name, value)
    return made


def line(of: Any, place: Place = Place.TERMINAL, status: int = 200, took_s: float = 0.0021) -> str:
    """Return a request's line; on a terminal without the time of day."""
    shown = TextLines(place, lambda: 0.0).line(of, status, "2026-11-29T17:49:30.123Z", took_s)
    return shown.partition(" ")[2] if place is Place.TERMINAL else shown


class Terminal(SynchronousTestCase):
    """On a terminal."""

    def test_served(self) -> None:
        """The status, what was asked, how long it took, and who answered."""
        shown = line(request(server="http://10.0.0.11:8000"))
        self.assertEqual(shown, "200 GET /v1/x  2.1 ms  /v1 -> http://10.0.0.11:8000")

    def test_time(self) -> None:
        """The local time of day comes first."""
        shown = TextLines(Place.TERMINAL, lambda: 1234.5).line(request(), 200, "", 0.0)
        self.assertTrue(shown.startswith(f"{time_of_day(1234.5)} 200 GET"))
        self.assertRegex(shown, r"^\d\d:\d\d:34 ")

    def test_refused(self) -> None:
        """A refused call has the reason, and the origin unless the reason names it."""
        origin = [(b"Origin", b"http://evil.example")]
        refused = "origin 'http://evil.example' is not allowed"
        shown = line(request(headers=origin, refused=refused, outcome=refused), status=403)
        self.assertEqual(shown, f"403 GET /v1/x  2.1 ms  /v1  refused: {refused}")
        asked = [*origin, (b"Access-Control-Request-Method", b"PUT")]
        refused = "method 'PUT' is not in allow_methods"
        shown = line(request(b"OPTIONS", headers=asked, refused=refused), status=403)
        self.assertIn("OPTIONS /v1/x (for PUT)  ", shown)
        self.assertTrue(shown.endswith(f"  refused: {refused} (from http://evil.example)"))

    def test_remedy(self) -> None:
        """What would allow a refused call ends its line on a terminal, in a colour of its own."""
        fix = 'to allow it, write in [cors.app]: allow_methods = ["PUT"]'
        of = request(refused="not allowed", outcome="not allowed", remedy=fix)
        self.assertTrue(line(of, status=403).endswith(f"  refused: not allowed; {fix}"))
        shown = line(of, Place.COLOR_TERMINAL, status=403)
        self.assertTrue(shown.endswith(f"\x1b[36m; {fix}\x1b[0m"), shown)
        for place in (Place.JOURNAL, Place.FILE):
            self.assertNotIn(fix, line(of, place, status=403))

    def test_outcome(self) -> None:
        """What the gate itself ended says why, with the servers that were tried."""
        shown = line(
            request(server="http://b", tried=["http://a"], outcome="timed out"), status=502
        )
        self.assertEqual(shown, "502 GET /v1/x  2.1 ms  /v1 -> http://a -> http://b  timed out")
        no_route = line(request(route=None, outcome="Nothing is served at this path."), status=404)
        self.assertEqual(no_route, "404 GET /v1/x  2.1 ms  Nothing is served at this path.")

    def test_durations(self) -> None:
        """Long ones are not more exact than anybody needs."""
        for took_s, words in ((0.0, "0.0 ms"), (0.0234, "23 ms"), (9.9, "9900 ms"), (61, "61.0 s")):
            self.assertIn(f"  {words}  ", line(request(), took_s=took_s))

    def test_colors(self) -> None:
        """The colour of the status says what it means; without colours the text is the same."""
        for status, color in ((200, "\x1b[32m"), (304, "\x1b[36m"), (403, "\x1b[33m")):
            shown = line(request(outcome="why"), Place.COLOR_TERMINAL, status)
            self.assertIn(f"{color}{status}\x1b[0m GET", shown)
            plain = TextLines(Place.TERMINAL, lambda: 0.0).line(
                request(outcome="why"), status, "", 0.0021
            )
            self.assertEqual(_COLOR.sub("", shown), plain)

    @given(
        st.binary(max_size=900),
        st.binary(max_size=900),
        st.text(max_size=900),
        st.sampled_from(Place),
    )
    def test_nothing_raw(self, target: bytes, value: bytes, said: str, place: Place) -> None:
        """Whatever anybody sends, the line is one, short and printable."""
        headers = [(b"Origin", value), (b"Access-Control-Request-Method", value)]
        notes = {"outcome": said, "refused": said, "server": said, "tried": [said] * 20}
        shown = line(request(b"OPTIONS", target, headers, route=said, **notes), place)
        self.assertTrue(_COLOR.sub("", shown).isprintable(), shown)
        self.assertLess(len(shown), 4096)


class Elsewhere(SynchronousTestCase):
    """In the journal and in files."""

    def test_client_and_id(self) -> None:
        """A line also has the client, and the id that other lines name it by."""
        shown = line(request(), Place.JOURNAL)
        self.assertEqual(shown, "200 GET /v1/x  2.1 ms  /v1  client 192.0.2.1, id ab-1")
        self.assertEqual(line(request(), Place.FILE), f"2026-11-29T17:49:30.123Z {shown}")


class Places(SynchronousTestCase):
    """What an access log makes of the place."""

    def lines(self, place: Place, log_format: str = "auto", access_log: str | None = None) -> str:
        """Return the line of a request."""
        lines: list[str] = []
        output = OutputLines(lines.append, place)
        write = open_log(access_log, output, 0, lambda *_: None)
        found = place_of_log(access_log, output)
        log = AccessLog(log_format, write, lambda: 0.0, lambda: 0.0, found)
        of = request()
        of.code, of.sentLength = 200, 0
        log.record(of)
        return lines[0]

    def test_priority(self) -> None:
        """In the journal each line has the priority of information, whatever its format."""
        for log_format, begins in (("auto", "<6>499 GET"), ("json", '<6>{"time"')):
            self.assertTrue(self.lines(Place.JOURNAL, log_format).startswith(begins))

    def test_auto(self) -> None:
        """A terminal gets text, anything else JSON."""
        self.assertIn(" 499 GET /v1/x", self.lines(Place.TERMINAL, access_log="-"))
        self.assertTrue(self.lines(Place.FILE).startswith('{"time"'))

    def test_file(self) -> None:
        """A file is no terminal, whatever standard output is."""
        output = OutputLines(print, Place.COLOR_TERMINAL)
        self.assertIs(place_of_log("/var/log/access.log", output), Place.FILE)
        self.assertIs(place_of_log(None, None), Place.FILE)
        self.assertIs(place_of_log("-", output), Place.COLOR_TERMINAL)
