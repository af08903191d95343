"""All pages of the documents: no command and no configuration on them goes unchecked."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli import parser
from tests.prose import Prose
from tests.tree import ROOT, files, run

CHECKED = {"sh", "console", "toml", "ini", "python", "json", "yaml", "logrotate", "nginx", "html"}
"""Languages whose blocks a test runs or loads; ``text`` is only looked at."""

OTHERS = frozenset(
    (
        *("curl", "echo", "install", "journalctl", "ln", "make", "mkdir", "mv", "openssl", "pip"),
        *("pipx", "python", "python3", "rm", "systemctl", "systemd-ask-password", "twistd", "uv"),
        *(".",),
    )
)
"""Programs besides corsgate that pages may use."""


def pages() -> list[str]:
    """Return the path of each page, relative to the checkout."""
    found = (path.relative_to(ROOT).as_posix() for path in files("docs", "README.md"))
    return [path for path in found if path.endswith(".md")]


def program(words: list[str]) -> tuple[str, list[str]]:
    """Return the program that a command runs, without its directory, and its arguments."""
    words = [*words]
    while words and re.match(r"\w+=", words[0]):
        words.pop(0)
    return words[0].rpartition("/")[2], words[1:]


def simple(command: str) -> Iterator[list[str]]:
    """Return the words of each simple command of a line of shell, without redirections."""
    lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    skip = False
    for word in [*lexer, ";"]:
        if word in ("|", "||", "&&", ";", "&"):
            if words:
                yield words
            words = []
        elif re.fullmatch(r"[<>]+&?\d?", word):
            skip = True
        elif not skip:
            words.append(word)
        else:
            skip = False


class PagesTests(SynchronousTestCase):
    """Each page."""

    def test_languages(self) -> None:
        """Each block is of a language that is known here, so that none escapes the tests."""
        self.assertGreater(len(pages()), 35)
        for page in pages():
            unknown = Prose.read(page).languages() - CHECKED - {"text"}
            self.assertEqual(unknown, set(), page)

    def test_each_has_a_test(self) -> None:
        """A page with something to run or to load is read by a test of its own."""
        tests = {
            path: path.read_text("utf-8")
            for path in files("tests")
            if path.suffix == ".py" and path != Path(__file__).resolve()
        }
        missing = [
            page
            for page in pages()
            if Prose.read(page).languages() & CHECKED
            # test_recipes and make test-boxes read the whole folder.
            if not page.startswith("docs/recipes/")
            if not any(f'"{page}"' in text for text in tests.values())
        ]
        self.assertEqual(missing, [], "write a test in tests/docs/")

    def test_toml(self) -> None:
        """Each configuration, or part of one, is TOML."""
        for page in pages():
            for block in Prose.read(page).blocks("toml"):
                # Some list alternatives: a key may stand in each line.
                lines = block.splitlines() if "\npassword" in block else [block]
                for each in lines:
                    tomllib.loads(each)

    def test_commands(self) -> None:
        """Each command of corsgate has the options that it is given, and the others are known."""
        whole = parser(is_whole=True)
        seen = 0
        for page in pages():
            for block in Prose.read(page).blocks("sh"):
                done = run(["sh", "-n", "-c", block], ROOT)
                self.assertEqual((done.returncode, done.stderr), (0, ""), page)
            for command in Prose.read(page).commands():
                # What a command prints in place of an argument is a process id.
                for words in simple(re.sub(r"\$\([^()]*\)", "17", command)):
                    name, arguments = program(words)
                    if name == "corsgate":
                        self.check(whole, arguments, page)
                        seen += 1
        self.assertGreater(seen, 20)

    def check(self, whole: argparse.ArgumentParser, arguments: list[str], page: str) -> None:
        """Parse the arguments of corsgate."""
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                whole.parse_args(arguments)
        except SystemExit as ended:
            # --help and --version end it with 0.
            self.assertEqual(ended.code, 0, f"{page}: {arguments}\n{said.getvalue()}")

    def test_programs(self) -> None:
        """Each command is one of corsgate, or of a program that is known here."""
        for page in pages():
            for command in Prose.read(page).commands():
                for words in simple(command):
                    name, _ = program(words)
                    known = name in {"corsgate", *OTHERS, "grep", "base64", "head", "jq"}
                    self.assertTrue(known, f"{page}: {words}")

    def test_links(self) -> None:
        """A link to a file of the checkout leads to one, and to a heading that it has.

        Sphinx checks those between pages when it builds the site. This also checks what is
        outside docs/, and pages as a Git host shows them.
        """
        for page in pages():
            prose = Prose.read(page)
            for link in prose.links():
                if re.match(r"\w+:", link):
                    self.assertRegex(link, r"^https?://[\w.:-]+(/\S*)?$", page)
                    continue
                path, _, anchor = link.partition("#")
                target = (ROOT / page).parent / path if path else ROOT / page
                self.assertTrue(target.is_file(), f"{page}: {link}")
                if anchor:
                    anchors = Prose(text=target.read_text("utf-8")).anchors()
                    self.assertIn(anchor, anchors, f"{page}: {link}")

    def test_sees(self) -> None:
        """A line of shell is cut where the shell would cut it."""
        line = (
            "A=1 corsgate check x.toml > y && curl -s 'a | b' </dev/null 2>/dev/null | grep c # d"
        )
        found = [program(words) for words in simple(line)]
        self.assertEqual([name for name, _ in found], ["corsgate", "curl", "grep"])
        self.assertEqual(found[0][1], ["check", "x.toml"])
