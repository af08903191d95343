"""``docs/reference/routing.md``: its tables load, and what it says of URLs and paths is so."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.path_rules import AllowedPaths
from corsgate.config.model.values import Config
from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from corsgate.message.proxied_url import url_in
from tests.prose import Prose
from tests.support import LISTEN, POLICY

PAGE = Prose.read("docs/reference/routing.md")
SPA = POLICY.replace("cors.app", "cors.spa")
MARKLOGIC = '[upstreams.marklogic]\nservers = ["http://10.0.0.11:8000"]\n'


def load(block: str) -> Config:
    """Load a block of the page, with what it names added."""
    more = MARKLOGIC if "marklogic" in block else ""
    return parse_config(
        LISTEN + SPA + more + block,
        file="routing.md",
        environ={"TERRAIN_TOKEN": "t", "BOX_TENANT": "t"},
        read_file=lambda _: b"",
        cors_rules=CORS_RULES,
    )


class RoutingTests(SynchronousTestCase):
    """The page."""

    def test_tables_load(self) -> None:
        """Each block of TOML is a valid part of a file, without doubtful settings."""
        blocks = list(PAGE.blocks("toml"))
        self.assertEqual(len(blocks), 4)
        for block in blocks:
            doubts = [str(each) for each in load(block).warnings if "allow_paths" in str(each)]
            self.assertEqual(doubts, [])

    def test_paths(self) -> None:
        """What it says of the first example is so."""
        (route,) = load(next(PAGE.blocks("toml"))).routes
        allowed = AllowedPaths(route.allow_paths)
        for method, path, is_allowed in (
            (b"GET", b"/v1/documents", True),
            (b"HEAD", b"/v1/%64ocuments/a%2Fb", True),
            (b"PUT", b"/v1/a/search", True),
            (b"PUT", b"/v1/documents", False),
            (b"GET", b"/v1/a%2Fb/search", False),
            (b"GET", b"/V1/documents", False),
        ):
            self.assertEqual(allowed.allows(method, path), is_allowed, path)

    def test_forms(self) -> None:
        """Each form of the table names the same URL."""
        forms = re.findall(r"(?m)^\| `(/proxy[^`]*)` \|", PAGE.text)
        self.assertEqual(len(forms), 4)
        for form in forms:
            self.assertEqual(url_in(form.encode(), 1), b"https://box/path?x=y", form)

    def test_is_pointed_to(self) -> None:
        """The README and the pages about security and CORS lead to it."""
        for page, link in (
            ("README.md", "](docs/reference/routing.md)"),
            ("docs/explanation/security.md", "](../reference/routing.md)"),
            ("docs/howto/cors.md", "](../reference/routing.md)"),
        ):
            self.assertIn(link, Prose.read(page).text)
