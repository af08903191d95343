"""``docs/reference/credentials.md``: each configuration can be used, each kind is described."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.command import Command
from corsgate.config.model.credentials import parts_of
from corsgate.config.model.values import Config
from corsgate.config.parse import parse_config
from corsgate.config.sections.credential_keys import KINDS
from corsgate.config.sections.credentials import read_credentials
from corsgate.config.sections.secrets import Sources
from corsgate.config.toml.reader import Notes, Table
from corsgate.cors.check import CORS_RULES
from tests.certificates import Authority
from tests.prose import Prose
from tests.tree import run as run_program

PAGE = Prose.read("docs/reference/credentials.md")
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


def run(_: Command) -> bytes:
    """Return what a command prints, without running it."""
    return b"secret-of-a-command\n"


def load(source: str) -> Config:
    """Return the configuration of a text."""
    return parse_config(
        source,
        file="docs/reference/credentials.md",
        environ=environ(),
        read_file=read_file,
        run=run,
        cors_rules=CORS_RULES,
        has_jose=True,
        has_spnego=True,
    )


def sections() -> Iterator[tuple[str, list[str]]]:
    """Return the title of each section, and its blocks of TOML."""
    for text in PAGE.text.split("\n## ")[1:]:
        title = text.partition("\n")[0]
        yield title, list(Prose(text=text).blocks("toml"))


def kinds_of(config: Config) -> set[str]:
    """Return the kinds of credentials that a configuration uses."""
    used = [each.credentials for each in config.upstreams.values()]
    for upstream in config.upstreams.values():
        used += [each.credentials for each in upstream.credentials_by_origin]
    return {part.kind for each in used for part in parts_of(each)}


class CredentialsTests(SynchronousTestCase):
    """``docs/reference/credentials.md``."""

    def test_configurations(self) -> None:
        """Each complete configuration loads without a warning, and each part is TOML."""
        for title, blocks in sections():
            for block in blocks if title != SOURCES else ():
                if "listen" in tomllib.loads(block):
                    self.assertEqual([str(each) for each in load(block).warnings], [], title)

    def test_sections(self) -> None:
        """Each kind has a section of its own, in the order of the table, with a configuration."""
        shown = {}
        for title, blocks in sections():
            if title.startswith("`"):
                complete = [block for block in blocks if "listen" in tomllib.loads(block)]
                shown[title.strip("`")] = [kinds_of(load(block)) for block in complete]
        self.assertEqual(list(shown), table_rows())
        for kind, found in shown.items():
            self.assertGreater(len(found), 0, kind)
            self.assertEqual(found, [{kind}] * len(found), kind)

    def test_combinations(self) -> None:
        """Lists and credentials by origin are shown with more than one kind."""
        for title in ("Several at once", "One origin, one account"):
            (block,) = dict(sections())[title]
            self.assertGreater(len(kinds_of(load(block))), 1, title)

    def test_temporary_credentials(self) -> None:
        """The script prints each part of what the AWS CLI prints; without it, it fails."""
        found = re.search(r"(?ms)^### Temporary credentials$(.*?)^##", PAGE.text)
        assert found is not None, "there is such a section"
        page = Prose(text=found[1])
        (script,), (table,) = page.blocks("text"), page.blocks("toml")
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        keys = {"AccessKeyId": "AKID", "SecretAccessKey": "hunter2", "SessionToken": "token"}
        for name, text in (
            ("aws", f"#!/bin/sh\necho '{json.dumps({'Version': 1, **keys})}'\n"),
            ("aws-key", script),
        ):
            (folder / name).write_text(text)
            (folder / name).chmod(0o700)
        values = tomllib.loads(table)["credentials"]["s3"]
        path = f"{folder}:{os.environ['PATH']}"
        for key, expected in zip(
            ("access_key", "secret_key", "session_token"), keys.values(), strict=True
        ):
            program, argument = values[key]["command"]
            command = [str(folder / Path(program).name), argument]
            done = run_program(command, folder, {"PATH": path})
            self.assertEqual((done.returncode, done.stdout), (0, f"{expected}\n"))
        (folder / "aws").write_text("#!/bin/sh\nexit 1\n")
        self.assertNotEqual(run_program(command, folder, {"PATH": path}).returncode, 0)

    def test_first(self) -> None:
        """The example at the top needs no more than a listener and a route."""
        (block,) = Prose(text=PAGE.text.partition("\n## ")[0]).blocks("toml")
        lines = block.splitlines()
        self.assertEqual(len(lines), 3)
        lines[1] = 'servers = ["http://localhost:8000"]'  # Nobody to warn of on the way.
        route = 'routes = { "/v1" = { upstream = "marklogic" } }'
        listen = 'listen = ["tcp:5555:interface=127.0.0.1"]'
        self.assertEqual(kinds_of(load("\n".join((listen, route, *lines)))), {"digest"})

    def test_sources(self) -> None:
        """Each way to write a secret is one."""
        (blocks,) = [blocks for title, blocks in sections() if title == SOURCES]
        lines = [line for block in blocks for line in block.splitlines() if "=" in line]
        self.assertGreaterEqual(len(lines), 5)
        for line in lines:
            raw = {"type": "basic", "username": "u", **tomllib.loads(line)}
            notes = Notes(file="docs", lines={})
            sources = Sources(environ=environ(), read_file=read_file, run=run)
            found = read_credentials(Table(notes, (), raw), sources)
            self.assertIsNotNone(found, f"{line}: {notes.faults}")

    def test_kinds(self) -> None:
        """The table at the top has each kind, and no other, and leads to its section."""
        self.assertEqual(sorted(table_rows()), sorted(KINDS))

    def test_is_linked(self) -> None:
        """The README and the page about security lead here, and links to sections work."""
        for path, link in (
            ("README.md", "docs/reference/credentials.md"),
            ("docs/explanation/security.md", "../reference/credentials.md"),
        ):
            self.assertIn(f"]({link}", Prose.read(path).text, path)
        titles = re.findall(r"(?m)^##+ (.+)$", PAGE.text)
        anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        for anchor in re.findall(r"\]\(#([\w-]+)\)", PAGE.text):
            self.assertIn(anchor, anchors)

    def test_risks(self) -> None:
        """docs/explanation/security.md says of each kind what it risks, in the same order."""
        _, text = Prose.read("docs/explanation/security.md").text.split(
            "\n### What the kinds risk\n"
        )
        names = re.findall(r"(?m)^- \*\*`(\w+)`(?: and `(\w+)`)?\*\*", re.split(r"\n##", text)[0])
        self.assertEqual([name for pair in names for name in pair if name], table_rows())


def table_rows() -> list[str]:
    """Return the kinds in the table at the top, each of which links to its section."""
    table = PAGE.text.partition("\n## ")[0].partition("| --- |")[2]
    return [
        name
        for name, anchor in re.findall(r"(?m)^\| \[`(\w+)`\]\(#(\w+)\)", table)
        if name == anchor
    ]
