"""README.md: its commands run, its links lead somewhere, its figures are those measured."""

from __future__ import annotations

import re
import shlex
import sys

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli import parser
from tests.prose import Prose, claims, claims_of, split
from tests.running import Box, Gate
from tests.tree import ROOT, run

PROSE = Prose.read("README.md")
README = PROSE.text
APP = "http://localhost:4200"
MAX_LINES = 150


class ReadmeTests(SynchronousTestCase):
    """What the README says holds."""

    def test_every_command_is_claimed(self) -> None:
        """Every command in the README has a test, and no other language hides one."""
        self.assertEqual(PROSE.unclaimed(claims_of(CommandTests)), [])
        self.assertEqual(PROSE.languages(), {"sh"})

    def test_length(self) -> None:
        """It can be read in a few minutes."""
        self.assertLessEqual(len(README.splitlines()), MAX_LINES)

    def test_links(self) -> None:
        """Each link within the checkout leads to a file; those to a part, to a heading of it."""
        links = [link for link in PROSE.links() if not re.match(r"\w+:", link)]
        self.assertGreater(len(links), 20)
        for link in links:
            path, _, anchor = link.partition("#")
            self.assertTrue((ROOT / path).is_file(), link)
            if anchor:
                self.assertIn(anchor, Prose.read(path).anchors(), link)

    def test_figures(self) -> None:
        """The table has the CPU time that docs/explanation/performance.md has."""
        row = re.search(
            r"(?m)^\| 1 KB, same fields +\|(.*)\|$",
            Prose.read("docs/explanation/performance.md").text,
        )
        assert row is not None
        corsgate, _, caddy, kept, default, nginx, *_ = (each.strip() for each in row[1].split("|"))
        shown = f"| CPU time of a 1 KB request, in µs | {corsgate} | {nginx} | {caddy} |"
        self.assertIn(f"{shown} {kept} to {default} |", README)

    def test_options_exist(self) -> None:
        """Each option and command that the text names is one of the program's."""
        done = run([sys.executable, "-m", "corsgate", "run", "--help"], ROOT)
        explained = run([sys.executable, "-m", "corsgate", "explain", "--help"], ROOT)
        for option in re.findall(r"`(--[\w-]+)`", README):
            self.assertIn(option, done.stdout + explained.stdout, option)
        known = parser().format_help()
        for command in re.findall(r"`corsgate (\w+)", README):
            self.assertIn(f"    {command} ", known, command)


class CommandTests(SynchronousTestCase):
    """The commands do what the README says."""

    def make(self, target: str, *options: str) -> list[str]:
        """Return the commands that ``make`` would run for a target."""
        done = run(["make", "--dry-run", "--no-print-directory", *options, target], ROOT)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    @claims(r"pipx install \.$", r"uv tool install \.$", r"python3 -m venv \.venv && ")
    def test_install(self) -> None:
        """What is installed has the command; test_packaging makes real environments."""
        setup = (ROOT / "setup.cfg").read_text("utf-8")
        self.assertIn("console_scripts =\n    corsgate = corsgate.cli:main\n", setup)
        installs = [each for each in PROSE.commands() if "install" in each]
        self.assertEqual(len(installs), 3)
        for command in installs:
            self.assertEqual(command.split()[-1], ".", "the clone itself, until it is on PyPI")

    @claims("make run$")
    def test_make_run(self) -> None:
        """The demo is what is run; the demo's own tests start it."""
        self.assertTrue(self.make("run")[-1].startswith(".venv/bin/python -m corsgate demo"))
        done = run([sys.executable, "-m", "corsgate", "demo", "--help"], ROOT)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_make_test(self) -> None:
        """All tests run, three at a time; rules, layout and types are all checked."""
        self.assertEqual(self.make("test")[-1], ".venv/bin/python -m twisted.trial -j3 tests")
        self.assertEqual(
            self.make("lint")[-3:],
            [
                ".venv/bin/ruff check bench corsgate docs examples tests twisted",
                ".venv/bin/ruff format --check bench corsgate docs examples tests twisted",
                ".venv/bin/mypy",
            ],
        )

    def test_make_installs_first(self) -> None:
        """Targets set up ``.venv``, and again when the dependencies have changed."""
        for target in ("test", "lint", "docs", "man"):
            steps = self.make(target, "--what-if=setup.cfg")
            venvs = [step for step in steps if step.endswith(" -m venv .venv")]
            self.assertEqual(len(venvs), 1, target)
            installs = [step for step in steps if " -m pip install " in step]
            self.assertEqual(len(installs), 1, target)
            wanted = "--editable ." if target == "run" else "--editable '.[test]'"
            self.assertTrue(installs[0].endswith(wanted), installs)

    @claims(r"corsgate run http://localhost:8000 --allow http://localhost:4200 --auth digest$")
    def test_quick_start(self) -> None:
        """The gate opens a box that wants digest credentials to the app, and to nobody else.

        Nobody types here, so a variable has what the gate would ask for.
        """
        (command,) = [each for each in PROSE.commands() if each.startswith("corsgate run")]
        with Box("user", "password") as box:
            _, words = split(command.replace("http://localhost:8000", box.url))
            words += ["--auth-env", "BOX_AUTH", "--listen", "tcp:0:interface=127.0.0.1"]
            environ = {"BOX_AUTH": "user:password", "PYTHONPATH": str(ROOT)}
            with Gate(words, environ) as gate:
                answer = gate.get("/v1/x", APP)
                self.assertEqual((answer.status, answer.body), (200, b"opened"))
                self.assertEqual(answer.headers["Access-Control-Allow-Origin"], APP)
                self.assertEqual(gate.preflight("/v1/x", APP, "PUT", "content-type").status, 204)
                seen = len(box.requests)
                self.assertEqual(gate.get("/v1/x", "http://evil.example").status, 403)
                self.assertEqual(len(box.requests), seen)

    @claims(r"corsgate adopt http://localhost:8000 --origin http://localhost:4200$")
    def test_adopt(self) -> None:
        """The command has these arguments; its own tests adopt boxes."""
        (command,) = [each for each in PROSE.commands() if each.startswith("corsgate adopt")]
        parser(is_whole=True).parse_args(shlex.split(command)[1:])
