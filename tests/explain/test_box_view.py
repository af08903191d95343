"""What an upstream sees of the page that calls it, in words."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cors.vouching import KEEP, SERVER
from corsgate.explain.box_view import origin_seen, origins_seen
from tests.explain.test_explanation import APP, ask
from tests.support import parse

CONFIG = """
listen = ["tcp:5555:interface=127.0.0.1"]
[upstreams.a]
servers = ["http://10.0.0.11:8000", "http://10.0.0.12:8000"]
[upstreams.kept]
servers = ["https://10.0.0.13"]
preserve_host = true
[upstreams.fixed]
servers = ["http://10.0.0.14"]
origin = "https://box.example"
[upstreams.bare]
servers = ["http://10.0.0.15"]
origin = "drop"
[upstreams.unseen]
servers = ["http://10.0.0.16"]
[upstreams.rails]
servers = ["dns+http://box.lan:3000"]
origin = "gate"
[upstreams.raw]
servers = ["dns+http://box.lan:3000"]
origin = "keep"
[upstreams.found]
servers = ["dns+http://box.lan:3000"]
[upstreams.named]
servers = ["http://10.0.0.18"]
[upstreams.file]
servers = ["http://10.0.0.17"]
[cors.app]
allow_origins = ["https://app.example"]
[cors.any]
allow_origins = ["*"]
[cors.null]
allow_origins = ["null"]
dangerously_allow_null_origin = true
[routes."/file"]
upstream = "file"
cors = "null"
[routes."/urls"]
by_url = ["named", "a"]
cors = "app"
[routes."/a"]
upstream = "a"
cors = "app"
[routes."/open"]
upstream = "a"
cors = "any"
[routes."/open/2"]
upstream = "a"
cors = "any"
[routes."/kept"]
upstream = "kept"
cors = "app"
[routes."/fixed"]
upstream = "fixed"
cors = "app"
[routes."/bare"]
upstream = "bare"
cors = "app"
[routes."/unseen"]
upstream = "unseen"
[routes."/rails"]
upstream = "rails"
cors = "app"
[routes."/raw"]
upstream = "raw"
cors = "app"
[routes."/found"]
upstream = "found"
cors = "app"
"""


class CallTests(SynchronousTestCase):
    """What is seen of one call."""

    def test_modes(self) -> None:
        """Each mode has its words."""
        upstreams = parse(CONFIG).upstreams
        a, kept, page, gate = (
            upstreams["a"],
            upstreams["kept"],
            "https://p",
            b"https://gate.example",
        )
        for upstream, mode, wanted in (
            (a, SERVER, "the box sees Origin: http://10.0.0.11:8000"),
            (kept, SERVER, "the box sees Origin: https://gate.example"),
            (a, "gate", "the box sees Origin: https://gate.example"),
            (a, KEEP, "the box sees the page's own Origin: https://p"),
            (a, "drop", "the box sees no Origin"),
            (a, "https://x", "the box sees Origin: https://x"),
        ):
            self.assertEqual(origin_seen(mode, upstream, page, gate), wanted)

    def test_explained(self) -> None:
        """An explanation says it where the call reaches the box, and only there."""
        self.assertEqual(ask(APP, "PUT").seen, "the box sees Origin: http://10.0.0.1:8000")
        self.assertEqual(ask("http://evil.example").seen, "")
        open_route = ask(APP, path="/open/x")
        self.assertEqual(open_route.seen, f"the box sees the page's own Origin: {APP}")


class ConfigTests(SynchronousTestCase):
    """What is seen of all pages."""

    def test_lines(self) -> None:
        """Each upstream that pages of other origins reach has its lines."""
        self.assertEqual(
            list(origins_seen(parse(CONFIG))),
            [
                "upstreams.a: the box sees Origin: http://10.0.0.11:8000 from allowed pages",
                'upstreams.a: the box sees the page\'s own Origin on the route "/open"',
                "upstreams.kept: the box sees its own origin, by the client's Host,"
                " from allowed pages",
                "upstreams.fixed: the box sees Origin: https://box.example",
                "upstreams.bare: the box sees no Origin",
                "upstreams.rails: the box sees the gate's origin, as the client uses it",
                "upstreams.raw: the box sees the page's own Origin",
                "upstreams.found: the box sees Origin: http://box.lan:3000 from allowed pages",
                "upstreams.named: the box sees Origin: http://10.0.0.18 from allowed pages",
                'upstreams.file: the box sees the page\'s own Origin on the route "/file"',
            ],
        )
