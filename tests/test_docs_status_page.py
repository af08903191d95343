"""``docs/howto/status-page.md``: its commands run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from corsgate.admin.events import MAX_WATCHERS
from corsgate.admin.refused_calls import SHOWN
from tests.admin.support import AdminTestCase, port_of
from tests.programs import output, require
from tests.prose import Prose
from tests.tree import ROOT

PAGE = Prose.read("docs/howto/status-page.md")


class StatusPageTests(AdminTestCase):
    """``docs/howto/status-page.md``."""

    async def test_commands(self) -> None:
        """Each command gets what it is said to get."""
        curl = require("curl", "curl")
        (toml,) = PAGE.blocks("toml")
        gate = self.front(await self.upstream(), rest=toml.replace("9901", "0"))
        service = self.whole(gate)
        (block,) = PAGE.blocks("sh")
        events, post, get = block.splitlines()

        async def run(command: str, *more: str) -> str:
            command = command.replace("9901", str(port_of(service)))
            return await output(curl, ["--silent", *more, *shlex.split(command)[1:]])

        self.assertIn("event: status", await run(events, "--max-time", "1"))
        for command in (post, get):
            explained = json.loads(await run(command))
            self.assertFalse(explained["allowed"])
            self.assertIn("reason: ", explained["text"])

    def test_numbers(self) -> None:
        """The numbers are those of the code."""
        self.assertIn(f"the last {SHOWN} with", PAGE.text)
        self.assertEqual(MAX_WATCHERS, 8)
        self.assertIn("At most eight pages", PAGE.text)

    def test_is_pointed_to(self) -> None:
        """The README and the page on metrics lead here, and the picture is there."""
        for place in ("README.md", "docs/howto/metrics.md"):
            self.assertIn("status-page.md)", Path(ROOT / place).read_text("utf-8"))
        picture = (ROOT / "docs" / "status.png").read_bytes()
        self.assertEqual(picture[:8], b"\x89PNG\r\n\x1a\n")
