"""The configurations in docs/credentials.md are right, and the page has each kind."""

from __future__ import annotations

import re
from unittest import mock

from tests.cli.commands import CommandTestCase, corsgate
from tests.prose import Prose

PAGE = Prose.read("docs/credentials.md")


class PageTests(CommandTestCase):
    """docs/credentials.md."""

    def test_configurations(self) -> None:
        """Each passes ``corsgate check``, and warns of nothing."""
        found = list(PAGE.blocks("toml"))
        self.assertGreaterEqual(len(found), 4)
        for text in found:
            named = re.findall(r'env = "(\w+)"', text)
            path = self.file(text)
            with mock.patch.dict("os.environ", dict.fromkeys(named, "secret")):
                done = corsgate("check", path)
            self.assertEqual((done.status, done.err), (0, ""), text)

    def test_kinds(self) -> None:
        """What a section names as ``type`` is what its heading says."""
        for kind in ("header", "query", "aws_sigv4"):
            section = PAGE.text.partition(f"\n## {kind}\n")[2].partition("\n## ")[0]
            self.assertIn(f'type = "{kind}"', section)
