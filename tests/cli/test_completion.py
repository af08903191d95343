"""Tests of `corsgate.cli.completion`: what a shell offers when Tab is pressed."""

from __future__ import annotations

import shlex
from pathlib import Path

from corsgate.cli import COMMANDS
from corsgate.cli.completion import SHELLS
from tests.cli.commands import CommandTestCase, corsgate
from tests.programs import require
from tests.tree import run

ASK = """\
source {script}
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
COMP_LINE="${{COMP_WORDS[*]}}"
COMP_POINT=${{#COMP_LINE}}
_shtab_corsgate corsgate
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
"""What bash does when Tab is pressed after some words."""


class CompletionTests(CommandTestCase):
    """The scripts."""

    def offered(self, *words: str) -> list[str]:
        """Return what bash offers for the last of some words."""
        script = Path(self.file(corsgate("completion", "bash").out, "corsgate.bash")).resolve()
        (script.parent / "gate.toml").write_text("")
        typed = " ".join(shlex.quote(word) for word in ("corsgate", *words))
        asked = ASK.format(script=script, words=typed)
        done = run([require("bash", "bash"), "--norc", "-c", asked], script.parent)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_commands(self) -> None:
        """All commands are offered, or those that begin as typed."""
        self.assertLessEqual(set(COMMANDS), set(self.offered("")))
        self.assertEqual(self.offered("ex"), ["explain"])
        self.assertEqual(self.offered("nonsense"), [])

    def test_options(self) -> None:
        """A command's own options are offered, and no other command's."""
        offered = self.offered("explain", "--")
        self.assertLessEqual({"--config", "--live", "--origin"}, set(offered))
        self.assertNotIn("--gate-port", offered)
        self.assertIn("--gate-port", self.offered("demo", "--"))

    def test_files(self) -> None:
        """A file is offered where one is named, and nothing where a number is."""
        self.assertEqual(self.offered("check", "ga"), ["gate.toml"])
        self.assertEqual(self.offered("explain", "--config", "ga"), ["gate.toml"])
        self.assertEqual(self.offered("diff", "a.toml", "ga"), ["gate.toml"])
        self.assertEqual(self.offered("demo", "--gate-port", "1"), [])

    def test_values(self) -> None:
        """The shells are offered to the command itself."""
        self.assertEqual(sorted(self.offered("completion", "")), sorted(SHELLS))

    def test_zsh(self) -> None:
        """The script is valid for zsh, and is the function that zsh loads for the command."""
        text = corsgate("completion", "zsh").out
        self.assertTrue(text.startswith("#compdef corsgate\n"), text[:60])
        done = run([require("zsh", "zsh"), "-n", self.file(text, "_corsgate")], Path.cwd())
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_tcsh(self) -> None:
        """tcsh reads the script without an error."""
        path = self.file(corsgate("completion", "tcsh").out, "corsgate.csh")
        done = run([require("tcsh", "tcsh"), "-f", "-c", f"source {path}; complete"], Path.cwd())
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("corsgate", done.stdout)

    def test_unknown_shell(self) -> None:
        """The error names the shells that there are."""
        done = corsgate("completion", "cmd")
        self.assertEqual(done.status, 2)
        self.assertIn("'bash', 'zsh', 'tcsh'", done.err)
