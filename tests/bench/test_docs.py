"""``docs/explanation/performance.md``: its commands are understood, each measurement explained."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentParser

from twisted.trial.unittest import SynchronousTestCase

from bench import run, scale
from bench.loads import LOADS
from bench.measure import proxies
from bench.report import END, START
from tests.prose import Prose
from tests.tree import ROOT

DOCUMENT = Prose.read("docs/explanation/performance.md")
PARSERS = {"bench": run.parser, "bench-scale": scale.parser}


class Documents(SynchronousTestCase):
    """The document."""

    def test_commands(self) -> None:
        """Each names a target of the Makefile, with options that there are."""
        commands = DOCUMENT.commands()
        self.assertGreater(len(commands), 4)
        for command in commands:
            make, target, *variables = shlex.split(command)
            self.assertEqual(make, "make")
            parser: ArgumentParser = PARSERS[target]()
            for variable in variables:
                name, _, value = variable.partition("=")
                self.assertEqual(name, "ARGS")
                parser.parse_args(shlex.split(value))

    def test_explains_loads_and_proxies(self) -> None:
        """What the tables call by a name is explained above them."""
        text = " ".join(DOCUMENT.text.partition(START)[0].split())
        for load in LOADS:
            self.assertIn(f"*{load.title}*", text)
        gates = [proxy.name for proxy in proxies() if proxy.python is not None]
        for name in (*gates, "http-proxy", "http-proxy-default"):
            self.assertIn(f"`{name}`", text)

    def test_has_places_for_figures(self) -> None:
        """`--output` finds where the figures go."""
        for line in (START, END, scale.START, scale.END):
            self.assertEqual(DOCUMENT.text.splitlines().count(line), 1, line)


class Makefile(SynchronousTestCase):
    """Its targets."""

    def test_has_every_program(self) -> None:
        """Each program in ``bench/`` has a target, and `make help` lists every target."""
        text = (ROOT / "Makefile").read_text("utf-8")
        programs = [
            path.stem
            for path in sorted((ROOT / "bench").glob("*.py"))
            # `attack_box` and the like are started by `attack`.
            if ("_" not in path.stem or path.stem == "soak_reload")
            and '__name__ == "__main__"' in path.read_text("utf-8")
        ]
        self.assertIn("calls", programs)
        self.assertEqual(sorted(re.findall(r"-m bench\.(\w+)", text)), programs)
        (targets,) = re.findall(r"(?m)^\.PHONY: help (.*)$", text)
        self.assertEqual(re.findall(r"@echo 'make ([\w-]+)", text), targets.split())
