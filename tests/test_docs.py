"""Every command in ``docs/howto/cors.md`` is run, and its output is what is shown."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.cli.servers import Server
from tests.config.support import parse
from tests.learn.test_minimal import RECORD
from tests.prose import Prose, split
from tests.tree import ROOT, run

CORS = Prose.read("docs/howto/cors.md")
APP = "http://localhost:4200"


class CorsTests(SynchronousTestCase):
    """``docs/howto/cors.md``."""

    def test_dialogues(self) -> None:
        """What each command writes is what is shown, with the status that is told."""
        self.assertGreater(len(CORS.dialogues()), 2)
        for command, shown in CORS.dialogues():
            environ, words = split(command)
            done = run(words, ROOT, environ)
            self.assertEqual((done.stdout, done.stderr, done.returncode), (shown, "", 1), command)

    def test_commands(self) -> None:
        """The others run too, with a server and a record in place of the reader's."""
        fields = {"Access-Control-Allow-Origin": APP, "Access-Control-Allow-Methods": "PUT"}
        server = Server(lambda method, path: (200, fields))
        self.addCleanup(server.stop)
        record = Path(self.mktemp()).resolve()
        record.write_text(RECORD, encoding="utf-8")
        lines = [line for block in CORS.blocks("sh") for line in block.splitlines()]
        self.assertEqual(len(lines), 3)
        for command in lines:
            given = command.replace("http://localhost:8000", server.url)
            environ, words = split(given.replace("recorded.har", str(record)))
            done = run(words, ROOT, environ)
            self.assertEqual((done.returncode, done.stderr), (0, ""), command)
            self.assertNotEqual(done.stdout, "")

    def test_json(self) -> None:
        """Every key that a command answers in JSON is described."""
        url = "http://localhost:5555/v1/x"
        error = f"Access to fetch at '{url}' from origin '{APP}' has been blocked by CORS policy: x"
        page = ("--origin", "http://b.example", "--method", "PUT")
        explain = ("explain", "--json", "--config", "etc/minimal.toml")
        described = Prose.read("docs/reference/json.md").text
        for words in (
            ("check", "--json", "etc/minimal.toml"),
            ("diff", "--json", "etc/minimal.toml", "etc/demo.toml"),
            (*explain, *page, url),
            (*explain, *page, "--error", error),
        ):
            _, command = split(shlex.join((".venv/bin/corsgate", *words)))
            done = run(command, ROOT)
            keys = set(_keys(json.loads(done.stdout)))
            self.assertGreater(len(keys), 2)
            self.assertEqual([key for key in keys if f"`{key}`" not in described], [], words)

    def test_languages(self) -> None:
        """No block is of a language that is not run."""
        languages = set(re.findall(r"(?m)^```(\w*)$", CORS.text)) - {""}
        self.assertEqual(languages, {"sh", "console"})

    def test_is_pointed_to(self) -> None:
        """The README leads to it."""
        self.assertIn("](docs/howto/cors.md)", Prose.read("README.md").text)


class AddressTests(SynchronousTestCase):
    """``docs/reference/addresses.md``."""

    def test_examples(self) -> None:
        """Each example is a valid part of a configuration."""
        (block,) = Prose.read("docs/reference/addresses.md").blocks("toml")
        listen = 'listen = ["tcp:5555:interface=127.0.0.1"]\n'
        route = '[routes."/"]\nupstream = "box"\n'
        config = parse(f"{listen}{block}\n{route}")
        aliases = config.upstreams["box"].addresses.aliases
        self.assertEqual(aliases, ("http://box.lan", "https://box.example.com"))

    def test_is_pointed_to(self) -> None:
        """The README leads to it."""
        self.assertIn("](docs/reference/addresses.md)", Prose.read("README.md").text)


class StartTests(SynchronousTestCase):
    """Commands start quickly."""

    def test_imports(self) -> None:
        """A command that doesn't need it imports no Twisted, and none imports another command."""
        script = (
            "import sys, json, io, contextlib\n"
            "from corsgate.cli import main\n"
            "with contextlib.redirect_stdout(io.StringIO()):\n"
            "    main(sys.argv[1:])\n"
            "print(json.dumps(sorted(sys.modules)))\n"
        )
        explain = ["explain", "--config", "etc/minimal.toml", "--origin", APP, "http://localhost/"]
        for arguments in (["schema"], explain, ["diff", *["etc/demo.toml"] * 2]):
            _, words = split(".venv/bin/corsgate")
            done = run([words[0], "-c", script, *arguments], ROOT)
            self.assertEqual(done.stderr, "")
            modules = json.loads(done.stdout)
            self.assertEqual([m for m in modules if m.startswith("twisted")], [], arguments)
            commands = [m for m in modules if m.startswith("corsgate.cli.")]
            for other in ("check", "explain", "learn", "diff", "schema"):
                self.assertEqual(
                    f"corsgate.cli.{other}" in commands, other == arguments[0], arguments
                )


def _keys(value: object) -> Iterator[str]:
    """Return the keys of all objects in what JSON held."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        yield from _keys(each)
