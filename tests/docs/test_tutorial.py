"""``docs/tutorial.md``: a newcomer who does what it says sees what it says, in a real browser."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from twisted.trial.unittest import SynchronousTestCase

from tests.browser import Browser, need_browser
from tests.programs import require
from tests.prose import Prose, claims, claims_of, split
from tests.running import Box, Gate
from tests.tree import ROOT, outside, run

PAGE = Prose.read("docs/tutorial.md")
LISTEN = ("--listen", "tcp:0:interface=127.0.0.1")
ENVIRON = {"PYTHONPATH": str(ROOT)}
HELLO = '{"title": "Hello from the box"}'


def commands(pattern: str) -> list[str]:
    """Return the commands that match from their first letter on; there must be some."""
    found = [command for command in PAGE.commands() if re.match(pattern, command)]
    assert found, f"the tutorial has no command like {pattern!r}"
    return found


class Served:
    """A directory that Python serves on loopback, by a command of the page.

    Attributes:
        url: Its origin, by the name that the page uses.
    """

    def __init__(self, command: str, cwd: Path) -> None:
        _, *words = shlex.split(command)
        words[words.index("http.server") + 1] = "0"
        self._process = subprocess.Popen(
            [sys.executable, "-u", *words],
            cwd=cwd,
            env=outside(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        found = re.search(r" port (\d+) ", self._process.stdout.readline())
        assert found is not None
        self.url = f"http://localhost:{found[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class PageTests(SynchronousTestCase):
    """The page."""

    def test_every_command_is_claimed(self) -> None:
        """Every command has a test, and no other language hides one."""
        self.assertEqual(PAGE.unclaimed(claims_of(TutorialTests)), [])
        self.assertEqual(PAGE.languages(), {"sh", "console", "html"})


class TutorialTests(SynchronousTestCase):
    """Its steps."""

    @claims("mkdir box page$", "echo ", "python3 -m http.server ", "curl ")
    @claims(r"corsgate run http://localhost:8000 --allow http://localhost:4200$")
    def test_browser(self) -> None:
        """The page is blocked at the box, and reads it through the gate; no other origin does."""
        need_browser()
        place = Path(self.mktemp()).resolve()
        place.mkdir()
        for command in commands("mkdir|echo"):
            run(["sh", "-c", command], place)
        box_command, page_command = commands("python3 -m http.server")
        (html,) = PAGE.blocks("html")
        index = place / "page/index.html"
        with ExitStack() as stack:
            box = stack.enter_context(Served(box_command, place))
            page = stack.enter_context(Served(page_command, place))
            browser = Browser()
            stack.callback(browser.close)

            index.write_text(html.replace("http://localhost:8000", box.url), "utf-8")
            browser.open(page.url)
            browser.wait_for_text("#out", "TypeError: Failed to fetch")
            (message,) = [each for each in browser.console() if "blocked by CORS" in each]
            self.explains(message, page.url)

            command = commands("corsgate run")[0].replace("http://localhost:8000", box.url)
            _, words = split(command.replace("http://localhost:4200", page.url))
            gate = stack.enter_context(Gate([*words, *LISTEN], ENVIRON))
            index.write_text(html.replace(":8000", f":{gate.port}"), "utf-8")
            browser.open(page.url)
            browser.wait_for_text("#out", HELLO)

            require("curl", "curl")
            for command, shown in PAGE.dialogues():
                if command.startswith("curl"):
                    asked = command.replace(":5555", f":{gate.port}")
                    asked = asked.replace("http://localhost:4200", page.url)
                    done = run(["sh", "-c", asked], place)
                    expected = shown.replace("http://localhost:4200", page.url)
                    self.assertEqual(done.stdout.replace("\r", ""), expected, done.stderr)

    def explains(self, message: str, origin: str) -> None:
        """The browser's own message has the cause that the page shows."""
        said = message.partition('"')[0] if message.startswith('"') else message
        text = said[said.index("Access to fetch") :]
        done = run([sys.executable, "-m", "corsgate", "explain", "--error", text], ROOT)
        self.assertIn("The response has no Access-Control-Allow-Origin", done.stdout)
        self.assertIn(f'allow_origins = ["{origin}"]', done.stdout)

    @claims("corsgate adopt ")
    def test_adopt(self) -> None:
        """The command is the one of the README, which has a test."""
        (command,) = commands("corsgate adopt")
        self.assertIn(command, Prose.read("README.md").commands())

    @claims("corsgate explain ")
    def test_explain(self) -> None:
        """What the command prints is what is shown."""
        (dialogue,) = [each for each in PAGE.dialogues() if each[0].startswith("corsgate")]
        _, words = split(dialogue[0])
        done = run(words, ROOT)
        self.assertEqual((done.stdout, done.stderr), (dialogue[1], ""))

    @claims(r"corsgate run \S+ --allow \S+ --auth digest:admin$", "corsgate check ")
    @claims(r"corsgate run \S+ --allow \S+ --print-config > gate\.toml$")
    @claims(r"corsgate run gate\.toml$")
    def test_file(self) -> None:
        """The options, with a login, become a file that passes the check and serves the same."""
        place = Path(self.mktemp()).resolve()
        place.mkdir()
        with Box("admin", "secret") as box:
            (command,) = commands(r".*--print-config")
            _, words = split(command.partition(" > ")[0].replace("http://localhost:8000", box.url))
            auth = ("--auth", "digest:admin", *LISTEN)
            printed = run([*words, *auth], ROOT)
            self.assertEqual((printed.returncode, printed.stderr), (0, ""))
            (place / "gate.toml").write_text(printed.stdout, "utf-8")
            environ = {"BOX_PASSWORD": "secret", **ENVIRON}
            (check,) = commands("corsgate check")
            done = run(split(check)[1], place, environ)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            (served,) = commands(r"corsgate run gate\.toml$")
            _, words = split(served)
            with Gate([*words[:-1], str(place / "gate.toml")], environ) as gate:
                answer = gate.get("/x", "http://localhost:4200")
                self.assertEqual((answer.status, answer.body), (200, b"opened"))

    @claims(r"python3 -m venv \.venv$", r"\.venv/bin/pip install \.$", r"\. \.venv/bin/activate$")
    @claims("corsgate --version$")
    def test_install(self) -> None:
        """The program says its version; test_packaging installs it in new environments."""
        done = run([sys.executable, "-m", "corsgate", "--version"], ROOT)
        self.assertRegex(done.stdout, r"^corsgate \d+\.\d+\.\d+\n$")
