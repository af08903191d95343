"""The site and the man pages as Sphinx builds them: a warning, such as a dead link, is an error."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.parse import parse_config
from corsgate.config.reference import reference
from corsgate.cors.check import CORS_RULES
from tests.docs.test_pages import pages
from tests.programs import require
from tests.prose import Prose
from tests.tree import ROOT, run

MAN = ("share/man/man1/corsgate.1", "share/man/man5/corsgate.toml.5")


def sphinx(out: Path, *options: str) -> str:
    """Build the documents; return what Sphinx says, which is nothing if all is well."""
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-E", *options]
    done = run([*build, "-d", f"{out}-trees", ROOT / "docs", out], ROOT, timeout_s=300)
    if done.returncode == 0:
        return done.stderr
    return f"status {done.returncode}\n{done.stdout}{done.stderr}"


class _Ids(HTMLParser):
    """The places in a page, and the links to places in this page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.sources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names, links to and loads."""
        named = dict(attrs)
        self.ids.add(named.get("id") or "")
        if tag == "a" and named.get("href"):
            self.links.append(named["href"] or "")
        for name in ("src", "href"):
            if tag in ("script", "img", "link") and named.get(name):
                self.sources.append(named[name] or "")


class SiteTests(SynchronousTestCase):
    """``make docs``."""

    def test_site(self) -> None:
        """It is built without a warning, has each page, and no link in it is dead.

        Nothing is loaded from another host, so it can be read without a network.
        """
        out = Path(self.mktemp()).resolve()
        self.assertEqual(sphinx(out, "-b", "html"), "")
        built = {path: _Ids(path.read_text("utf-8")) for path in out.rglob("*.html")}
        names = {path.relative_to(out).as_posix() for path in built}
        for page in pages():
            if page.startswith("docs/") and not page.startswith("docs/man/"):
                self.assertIn(f"{page.removeprefix('docs/').removesuffix('.md')}.html", names)
        dead = []
        for path, found in built.items():
            for link in found.links:
                if re.match(r"(\w+:|//)", link):
                    continue
                name, _, anchor = link.partition("#")
                target = (path.parent / name).resolve() if name else path
                if not target.is_file() or (anchor and anchor not in built[target].ids):
                    dead.append(f"{path.relative_to(out)}: {link}")
            outside = [each for each in found.sources if re.match(r"(\w+:)?//", each)]
            self.assertEqual(outside, [], path.name)
        self.assertEqual(dead, [])
        text = (out / "reference/configuration.html").read_text("utf-8")
        for table in reference():
            for key in table.keys:
                self.assertIn(f">{key.key}<", text)


class ManTests(SynchronousTestCase):
    """``make man``."""

    def test_example(self) -> None:
        """The example of corsgate.toml(5) loads without a warning."""
        (block,) = Prose.read("docs/man/corsgate.toml.md").blocks("toml")
        config = parse_config(
            block,
            file="corsgate.toml",
            environ={"BOX_PASSWORD": "p"},
            read_file=lambda _: b"",
            cors_rules=CORS_RULES,
        )
        self.assertEqual(list(map(str, config.warnings)), [])

    def test_are_current(self) -> None:
        """The pages in the checkout, which a wheel brings, are those that are built now."""
        out = Path(self.mktemp()).resolve()
        self.assertEqual(sphinx(out, "-t", "man", "-b", "man"), "")
        for name in MAN:
            built = (out / Path(name).name).read_text("utf-8")
            self.assertEqual((ROOT / name).read_text("utf-8"), built, f"{name}: run make man")

    def test_are_shown(self) -> None:
        """man shows them without a complaint."""
        man = require("man", "man-db")
        for name in MAN:
            done = run(
                [man, "--warnings", "-l", ROOT / name],
                ROOT,
                {"MANWIDTH": "80", "LC_ALL": "C.UTF-8"},
            )
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)
            for word in ("NAME", "DESCRIPTION", "SEE ALSO"):
                self.assertIn(f"{word}\n", done.stdout)

    def test_are_well_formed(self) -> None:
        """mandoc, which is stricter, finds no error either."""
        mandoc = require("mandoc", "mandoc")
        for name in MAN:
            done = run([mandoc, "-Tlint", "-Werror", ROOT / name], ROOT)
            self.assertEqual((done.returncode, done.stdout), (0, ""), name)
