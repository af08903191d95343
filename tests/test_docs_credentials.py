"""``docs/credentials.md``: each configuration in it can be used, and each kind is described."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Config
from corsgate.config.parse import parse_config
from corsgate.config.sections.credentials import KINDS, read_credentials
from corsgate.config.sections.secrets import Sources
from corsgate.config.toml.reader import Notes, Table
from corsgate.cors.check import CORS_RULES
from tests.certificates import Authority
from tests.prose import Prose

PAGE = Prose.read("docs/credentials.md")
SOURCES = "Where secrets come from"
"""The section whose lines are no documents of their own."""

ISSUED = Authority.make().issue("gate")


class _Environ(dict[str, str]):
    """An environment in which every variable is set."""

    def __missing__(self, name: str) -> str:
        return f"value-of-{name}"

    def __contains__(self, name: object) -> bool:
        return True


def read_file(path: str) -> bytes:
    """Return a file: a certificate, a key, or a secret."""
    if path.endswith(".pem"):
        return ISSUED.pem + ISSUED.key_pem
    return b"secret-in-a-file\n"


def environ() -> _Environ:
    """Return an environment."""
    return _Environ(CREDENTIALS_DIRECTORY="/run/credentials/corsgate.service")


def load(source: str) -> Config:
    """Return the configuration of a text."""
    return parse_config(
        source,
        file="docs/credentials.md",
        environ=environ(),
        read_file=read_file,
        cors_rules=CORS_RULES,
        has_jose=True,
    )


def sections() -> Iterator[tuple[str, list[str]]]:
    """Return the title of each section, and its blocks of TOML."""
    for text in PAGE.text.split("\n## ")[1:]:
        title = text.partition("\n")[0]
        yield title, list(Prose(text=text).blocks("toml"))


def kinds_of(config: Config) -> set[str]:
    """Return the kinds of credentials that a configuration uses."""
    used = (upstream.credentials for upstream in config.upstreams.values())
    return {each.kind for each in used if each is not None}


class CredentialsTests(SynchronousTestCase):
    """``docs/credentials.md``."""

    def test_configurations(self) -> None:
        """Each complete configuration loads without a warning, and each part is TOML."""
        complete = 0
        for title, blocks in sections():
            for block in blocks if title != SOURCES else ():
                if "listen" in tomllib.loads(block):
                    complete += 1
                    self.assertEqual(load(block).warnings, (), title)
        self.assertGreater(complete, 1)

    def test_sections(self) -> None:
        """Each section about a kind has a complete configuration of that kind."""
        for title, blocks in sections():
            kinds = set()
            for block in blocks if title != SOURCES else ():
                if "listen" in tomllib.loads(block):
                    kinds |= kinds_of(load(block))
            self.assertEqual(len(kinds), title != SOURCES, title)

    def test_sources(self) -> None:
        """Each way to write a secret is one."""
        (blocks,) = [blocks for title, blocks in sections() if title == SOURCES]
        lines = [line for block in blocks for line in block.splitlines() if "=" in line]
        self.assertGreaterEqual(len(lines), 4)
        for line in lines:
            raw = {"type": "basic", "username": "u", **tomllib.loads(line)}
            table = Table(Notes(file="docs", lines={}), (), raw)
            sources = Sources(environ=environ(), read_file=read_file)
            self.assertIsNotNone(read_credentials(table, sources), line)

    def test_kinds(self) -> None:
        """The table at the top has each kind, and no other."""
        table = PAGE.text.partition("\n## ")[0].partition("| --- |")[2]
        rows = re.findall(r"(?m)^\| \[?`(\w+)`", table)
        self.assertEqual(sorted(rows), sorted({*KINDS}))

    def test_is_linked(self) -> None:
        """The README and the page about security lead here, and links to sections work."""
        for path, link in (
            ("README.md", "docs/credentials.md"),
            ("docs/security.md", "credentials.md"),
        ):
            self.assertIn(f"]({link}", Prose.read(path).text, path)
        titles = {title.lower().replace(" ", "-") for title, _ in sections()}
        for anchor in re.findall(r"\]\(#([\w-]+)\)", PAGE.text):
            self.assertIn(anchor, titles)
