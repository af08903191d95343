"""The parts of pages that are made from the program."""

from __future__ import annotations

import argparse

from twisted.trial.unittest import SynchronousTestCase

from corsgate import cli
from corsgate.cli import COMMANDS
from corsgate.config.reference import reference
from docs.generated import commands, escaped, filled, keys


class GeneratedTests(SynchronousTestCase):
    """``docs/generated.py``."""

    def test_commands(self) -> None:
        """Each command has a section with each of its options."""
        text = commands()
        for name in COMMANDS:
            self.assertIn(f"\n## corsgate {name}\n", f"\n{text}")
        for option in ("`--origin O`", "`--from LOG|URL`", "`-h, --help`", "`--gate-port PORT`"):
            self.assertIn(f"\n{option}\n: ", text)

    def test_each_option_has_help(self) -> None:
        """No option or argument of a command goes without a word."""
        whole = cli.parser(is_whole=True)
        (found,) = [each for each in whole._actions if isinstance(each, argparse._SubParsersAction)]
        for name, parser in found.choices.items():
            for action in parser._actions:
                self.assertTrue(action.help, f"{name}: {action.option_strings or action.dest}")

    def test_keys(self) -> None:
        """Each key of each table is there, with its example."""
        text = keys()
        for table in reference():
            self.assertIn(f"\n## {escaped(table.heading)}\n", f"\n{text}")
            for key in table.keys:
                self.assertIn(f"\n`{key.key}`\n: ", text)
                self.assertIn(f"\n  {key.example}\n", text)

    def test_level(self) -> None:
        """Sections are one level below the heading that stands right above them."""
        filled_in = filled("# T\n\n## Commands\n\n<!-- generated: commands -->\n")
        self.assertIn("\n### corsgate check\n", filled_in)
        self.assertIn("## Commands\n", filled_in)
        self.assertIn("\n## corsgate check\n", filled("words\n\n<!-- generated: commands -->\n"))

    def test_contents(self) -> None:
        """A list of pages becomes a table of contents; other text stays."""
        text = "# T\n\n<!-- pages: a b/c -->\n<!-- else -->\n"
        toc = "```{toctree}\n:hidden:\n:glob:\n\na\nb/c\n```"
        self.assertEqual(filled(text), f"# T\n\n{toc}\n<!-- else -->\n")

    def test_unknown_part(self) -> None:
        """A part that there is not stops the build."""
        self.assertRaises(KeyError, filled, "<!-- generated: nonsense -->\n")

    def test_escaped(self) -> None:
        """What means something in Markdown is shown as it is."""
        self.assertEqual(escaped("X-*  and\n[a] <b> `c_d`"), r"X-\* and \[a\] \<b\> \`c\_d\`")
