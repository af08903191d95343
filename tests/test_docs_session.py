"""Load each configuration of a session in ``docs/reference/credentials.md``."""

from __future__ import annotations

import re

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import SessionCredentials
from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from tests.prose import Prose
from tests.session_boxes import BOXES

_, SECTION = Prose.read("docs/reference/credentials.md").text.split("\n## `session`\n")
SECTION = re.split(r"\n## ", SECTION)[0]


class SessionTests(SynchronousTestCase):
    """The section about ``session``."""

    def test_configurations(self) -> None:
        """Each is valid, and has nothing to warn of but a box that speaks plain http."""
        names = []
        for block in Prose(text=SECTION).blocks("toml"):
            config = parse_config(
                block,
                file="docs.toml",
                environ={"BOX_PASSWORD": "p"},
                read_file=lambda _: b"",
                cors_rules=CORS_RULES,
            )
            (upstream,) = config.upstreams.values()
            self.assertIsInstance(upstream.credentials, SessionCredentials)
            warnings = [str(each) for each in config.warnings]
            clear = [each for each in warnings if "sent unencrypted" in each]
            self.assertEqual(warnings, clear)
            names += re.findall(r"\A# (\w+)\n", block)
        self.assertEqual(sorted(names), sorted([*BOXES, "Syncthing"]))

    def test_keys(self) -> None:
        """The table has every key."""
        table = re.findall(r"(?m)^\| (`[^|]*) \|", SECTION)
        told = set(re.findall(r"`(\w+)`", " ".join(table)))
        keys = {each.name.removesuffix("_s") for each in attrs.fields(SessionCredentials)}
        self.assertEqual(keys - told, {"username", "password"})
