"""Each shortcut can be forced off, and is honoured somewhere."""

from __future__ import annotations

import ast

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.shortcuts import ALL, Shortcuts
from tests.tree import files


class ShortcutsTests(SynchronousTestCase):
    def test_all_are_taken(self) -> None:
        """The daemon takes all of them."""
        self.assertTrue(all(attrs.asdict(ALL).values()))

    def test_each_is_honoured(self) -> None:
        """Each is read somewhere from something that is called shortcuts."""
        read = set()
        for path in files("corsgate"):
            if path.suffix == ".py":
                for node in ast.walk(ast.parse(path.read_bytes())):
                    if isinstance(node, ast.Attribute):
                        owner = ast.unparse(node.value).rpartition(".")[2]
                        if owner.lstrip("_") == "shortcuts":
                            read.add(node.attr)
        self.assertEqual(read, {field.name for field in attrs.fields(Shortcuts)})
