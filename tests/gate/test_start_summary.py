"""The table that a terminal shows when a gate has started."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.quick import quick_config
from corsgate.gate.log_style import Place
from corsgate.gate.start_lines import MAX_SHOWN
from corsgate.gate.start_summary import Started, start_summary
from tests.support import LISTEN, parse

TOML = """\
[upstreams.box]
servers = ["http://10.0.0.1:8000/base", "https://10.0.0.2"]
credentials = { type = "digest", username = "user-u", password = "pass-p" }
[upstreams.found]
servers = ["dns+http://many.example"]
[routes."/v1"]
upstream = "box"
cors = { allow_origins = ["http://localhost:4200"], allow_methods = ["PUT"] }
[routes."/files"]
upstream = "found"
methods = ["GET"]
[routes."/any"]
upstream = "found"
cors = { allow_origins = ["*"], allow_methods = ["*"] }
[routes."/either"]
by_url = ["box", "found"]
"""


def lines(
    toml: str = TOML, *, place: Place = Place.TERMINAL, width: int = 100, **changes: Any
) -> list[str]:
    """Return the lines about a configuration."""
    known: dict[str, Any] = {
        "version": "1.2.3",
        "config": parse(LISTEN + toml),
        "file": "etc/gate.toml",
        "urls": ["http://localhost:5555", "https://gate.example:8443"],
        "status_url": "http://127.0.0.1:9901/",
        "problems": {"http://10.0.0.1:8000/base": "", "https://10.0.0.2": "connection refused"},
        "warnings": [],
        "pid": 1234,
        "is_stopped_by_ctrl_c": True,
    }
    return list(start_summary(Started(**{**known, **changes}), place, width))


class StartSummaryTests(SynchronousTestCase):
    """`start_summary`."""

    maxDiff = None

    def test_table(self) -> None:
        """It has where the gate listens, its routes and its upstreams, in columns."""
        self.assertEqual(
            lines(),
            [
                "corsgate 1.2.3 serves etc/gate.toml",
                "",
                "  Gate       http://localhost:5555",
                "             https://gate.example:8443",
                "  Status     http://127.0.0.1:9901/",
                "  Routes     /v1      ->  box         http://localhost:4200   "
                "GET, HEAD, POST, PUT",
                "             /files   ->  found       no cross-origin access  GET",
                "             /any     ->  found       any origin              any method",
                "             /either  ->  box, found  no cross-origin access  any method",
                "  Upstreams  box    http://10.0.0.1:8000/base  digest credentials  reachable",
                "                    https://10.0.0.2                               "
                "connection refused",
                "             found  dns+http://many.example    no credentials",
                "",
                "  corsgate reload --pid 1234 reads the file again.",
                "  Ctrl-C stops the gate.",
                "",
            ],
        )

    def test_narrow(self) -> None:
        """On a narrow terminal, the last cell of a row that is too wide has a line of its own."""
        found = lines(width=70)
        self.assertIn(
            "             /v1      ->  box         http://localhost:4200".strip(), found[5]
        )
        self.assertEqual(found[6], " " * 38 + "GET, HEAD, POST, PUT")
        self.assertLessEqual(max(map(len, found)), 70)

    def test_nothing_secret(self) -> None:
        """Neither user names nor secrets are shown."""
        self.assertNotIn("user-u", "".join(lines()))
        self.assertNotIn("pass-p", "".join(lines()))

    def test_unknown(self) -> None:
        """A server that neither accepts nor refuses a connection is shown as such."""
        self.assertIn("no connection yet", "\n".join(lines(problems={})))

    def test_service(self) -> None:
        """Without a status page or a keyboard, nothing is said of them."""
        self.assertNotIn("reload", "\n".join(lines("watch = true\n" + TOML)))
        text = "\n".join(lines(status_url=None, is_stopped_by_ctrl_c=False))
        self.assertNotIn("Status", text)
        self.assertNotIn("Ctrl-C", text)

    def test_quick(self) -> None:
        """Without a file, it says what to change in the app."""
        config = quick_config(upstream="http://localhost:8000/x", allow_origins=["http://a"])
        found = lines(config=config, file=None)
        self.assertEqual(found[0], "corsgate 1.2.3")
        self.assertNotIn("reload", "\n".join(found))
        self.assertIn(
            "  In your app, call http://localhost:5555 instead of http://localhost:8000/x.", found
        )

    def test_warnings(self) -> None:
        """A warning is broken at the terminal's width, and can't control the terminal."""
        found = lines(warnings=["word " * 30 + "\x1b[2J"], width=60)
        warning = [line for line in found if "word" in line]
        self.assertGreater(len(warning), 2)
        self.assertTrue(warning[0].startswith("  Warning    word"))
        self.assertTrue(all(line.startswith("             word") for line in warning[1:]))
        self.assertLessEqual(max(map(len, warning)), 60)
        self.assertNotIn("\x1b", "".join(found))

    def test_colors(self) -> None:
        """Colours change nothing else; states have their own."""
        found = lines(place=Place.COLOR_TERMINAL)
        text = "\n".join(found)
        self.assertIn("\x1b[32mreachable\x1b[0m", text)
        self.assertIn("\x1b[31mconnection refused\x1b[0m", text)
        self.assertIn("\x1b[36mhttp://localhost:5555\x1b[0m", text)

    def test_many(self) -> None:
        """Of very many routes, upstreams and servers, the first are shown and the rest counted."""
        servers = ", ".join(f'"http://h{number}"' for number in range(100))
        toml = (
            f"[upstreams.big]\nservers = [{servers}]\n"
            + "".join(f'[upstreams.u{n}]\nservers = ["http://h{n}"]\n' for n in range(200))
            + "".join(f'[routes."/{n}"]\nupstream = "u{n}"\n' for n in range(200))
            + '[routes."/big"]\nupstream = "big"\n'
        )
        found = lines(toml)
        self.assertLess(len(found), 2 * MAX_SHOWN + 20)
        text = "\n".join(found)
        self.assertEqual(text.count("and 181 more"), 2)
        self.assertIn("and 94 more", text)
