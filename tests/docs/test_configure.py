"""``docs/howto/configure.md``: its file is the one in etc/, and its commands run."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.prose import Prose, claims, claims_of, split
from tests.running import Box, Gate
from tests.tree import ROOT, run

PAGE = Prose.read("docs/howto/configure.md")
APP = "http://localhost:4200"


class PageTests(SynchronousTestCase):
    """The page."""

    def test_every_command_is_claimed(self) -> None:
        """Every command has a test, and no other language hides one."""
        self.assertEqual(PAGE.unclaimed(claims_of(CommandTests)), [])
        self.assertEqual(PAGE.languages(), {"sh", "console", "toml"})

    def test_minimal(self) -> None:
        """The configuration shown is ``etc/minimal.toml``."""
        text = (ROOT / "etc" / "minimal.toml").read_text("utf-8")
        self.assertEqual(list(PAGE.blocks("toml")), [text])


class CommandTests(SynchronousTestCase):
    """The commands."""

    @claims(r"BOX_PASSWORD=admin corsgate run etc/minimal\.toml$")
    def test_run(self) -> None:
        """The gate starts on the file and opens a box that wants digest credentials."""
        (command,) = [each for each in PAGE.commands() if " run " in each]
        environ, words = split(command)
        with Box("admin", "admin") as box:
            text = (ROOT / words[-1]).read_text("utf-8")
            file = Path(self.mktemp() + ".toml").resolve()
            file.write_text(
                text.replace("tcp:5555:", "tcp:0:").replace("http://localhost:8000", box.url),
                "utf-8",
            )
            environ["PYTHONPATH"] = str(ROOT)
            with Gate([*words[:-1], str(file)], environ) as gate:
                answer = gate.get("/v1/x", APP)
                self.assertEqual((answer.status, answer.body), (200, b"opened"))
                self.assertEqual(answer.headers["Access-Control-Allow-Origin"], APP)
                self.assertEqual(gate.get("/v1/x", "http://evil.example").status, 403)

    @claims(r"corsgate check ", r"BOX_PASSWORD=admin corsgate check ")
    def test_check(self) -> None:
        """The output of each command is as shown, with faults on standard error."""
        self.assertEqual(len(PAGE.dialogues()), 2)
        for command, shown in PAGE.dialogues():
            environ, words = split(command)
            done = run(words, ROOT, environ)
            expected = (0, shown, "") if environ else (1, "", shown)
            self.assertEqual((done.returncode, done.stdout, done.stderr), expected)

    @claims(r"corsgate schema > corsgate\.schema\.json$")
    def test_schema(self) -> None:
        """What it writes is a schema."""
        (command,) = [each for each in PAGE.commands() if " schema " in each]
        words = shlex.split(command.partition(" > ")[0])
        done = run([sys.executable, "-m", *words], ROOT)
        self.assertIn("$schema", json.loads(done.stdout))
