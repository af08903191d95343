"""Load each configuration of a session in the reference and in ``docs/recipes/logins.md``."""

from __future__ import annotations

import re

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import SessionCredentials
from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from tests.prose import Prose
from tests.session_boxes import BOXES

SECTION = Prose.read("docs/reference/credentials.md").section("`session`")
RECIPE = Prose.read("docs/recipes/logins.md")


class SessionTests(SynchronousTestCase):
    """The section about ``session``, and the boxes that have one."""

    def test_configurations(self) -> None:
        """Each is valid and causes no warning."""
        blocks = [*SECTION.blocks("toml"), *RECIPE.blocks("toml")]
        self.assertEqual(len(blocks), 1 + len(BOXES) + 1)
        for block in blocks:
            config = parse_config(
                block,
                file="docs.toml",
                environ={"BOX_PASSWORD": "p"},
                read_file=lambda _: b"",
                cors_rules=CORS_RULES,
            )
            (upstream,) = config.upstreams.values()
            self.assertIsInstance(upstream.credentials, SessionCredentials)
            self.assertEqual(config.warnings, ())

    def test_boxes(self) -> None:
        """Each box that is tested has a heading, and a row that leads there."""
        titles = re.findall(r"(?m)^## (.+)$", RECIPE.unfenced())
        self.assertEqual(titles.pop(), "Another box")
        self.assertEqual(sorted(titles), sorted([*BOXES, "Syncthing"]))
        rows = re.findall(r"(?m)^\| \[(\w+)\]\(#(\w+)\)", RECIPE.text)
        self.assertEqual(rows, [(title, title.lower()) for title in titles])

    def test_keys(self) -> None:
        """The table has every key."""
        table = re.findall(r"(?m)^\| (`[^|]*) \|", SECTION.text)
        told = set(re.findall(r"`(\w+)`", " ".join(table)))
        keys = {each.name.removesuffix("_s") for each in attrs.fields(SessionCredentials)}
        self.assertEqual(keys - told, {"username", "password"})
