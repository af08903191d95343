"""The pages in docs/recipes/: each configuration passes ``corsgate check``, and each is linked."""

from __future__ import annotations

import re
from unittest import mock

from tests.boxes.recipes import FOLDER, blocks, names
from tests.cli.commands import CommandTestCase, corsgate
from tests.prose import Prose

INDEX = Prose.read("docs/recipes/README.md").text


class RecipeTests(CommandTestCase):
    """``make test-boxes`` tests what the recipes do; this needs no box."""

    def test_pages(self) -> None:
        """Each kind of box that is promised has a page, and the index lists them all."""
        self.assertGreaterEqual(len(names()), 16)
        self.assertEqual(sorted(re.findall(r"\]\(([\w-]+)\.md\)", INDEX)), names())
        self.assertIn("](docs/recipes/README.md)", Prose.read("README.md").text)

    def test_configurations(self) -> None:
        """Each configuration is right, and warns of nothing."""
        for name in names():
            self.assertTrue(blocks(name), name)
            for text in blocks(name):
                named = re.findall(r'env = "(\w+)"', text)
                path = self.file(text)
                with mock.patch.dict("os.environ", dict.fromkeys(named, "secret")):
                    done = corsgate("check", path)
                self.assertEqual((done.status, done.err), (0, ""), name)

    def test_words(self) -> None:
        """Each page says what it was tested with, in lines of the usual length."""
        for path in sorted(FOLDER.glob("*.md")):
            text = path.read_text("utf-8")
            if path.stem != "README":
                self.assertRegex(text.rpartition("\n\n")[2], "^Tested (with|against) ", path.name)
            prose = re.sub(r"(?ms)^```.*?^```$", "", text)
            long = [line for line in prose.splitlines() if len(line) > 110]
            self.assertEqual(long, [], path.name)
