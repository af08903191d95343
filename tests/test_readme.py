"""Every command in README.md is run here, or checked by its parts where it needs root."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from klein import Klein
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site

from tests.demo.wire import ask
from tests.prose import Prose, split
from tests.running import Box, Gate
from tests.test_examples import running
from tests.tree import ROOT, run

PROSE = Prose.read("README.md")
README = PROSE.text
APP = "http://localhost:4200"
PYTHONPATH = {"PYTHONPATH": str(ROOT)}

_Method = TypeVar("_Method", bound=Callable[..., object])


def claims(*patterns: str) -> Callable[[_Method], _Method]:
    """Mark a test as the one for the commands that match a pattern from their first letter on."""

    def mark(method: _Method) -> _Method:
        method.claims = patterns  # type: ignore[attr-defined]  # What the marks are for.
        return method

    return mark


def claimed(pattern: str) -> list[str]:
    """Return the commands that match a pattern; there must be some."""
    found = [command for command in PROSE.commands() if re.match(pattern, command)]
    if not found:
        raise AssertionError(f"README has no command like {pattern!r} any more")
    return found


class ReadmeTests(SynchronousTestCase):
    """What the README says holds."""

    def test_every_command_is_claimed(self) -> None:
        """Every command in the README has a test, and no other language hides one."""
        patterns = [
            pattern
            for test in vars(CommandTests).values()
            for pattern in getattr(test, "claims", ())
        ]
        unclaimed = [
            command
            for command in PROSE.commands()
            if not any(re.match(pattern, command) for pattern in patterns)
        ]
        self.assertEqual(unclaimed, [])
        languages = set(re.findall(r"(?m)^```(\w*)$", README)) - {""}
        self.assertEqual(languages, {"sh", "console", "toml", "python"})
        fences = re.findall(r"(?m)^ *(?:```|~~~)", README)
        shown = list(PROSE.blocks("sh", "console", "toml", "python"))
        self.assertEqual(len(fences), 2 * len(shown))

    def test_ten_lines(self) -> None:
        """The configuration shown is ``etc/minimal.toml``."""
        text = (ROOT / "etc" / "minimal.toml").read_text(encoding="utf-8")
        self.assertEqual(list(PROSE.blocks("toml")), [text])
        self.assertEqual(len(text.splitlines()), 10)

    def test_own_server(self) -> None:
        """The Python shown serves an application by its policy."""
        (text,) = PROSE.blocks("python")
        scope: dict[str, Any] = {"app": Klein(), "Site": Site}
        exec(text, scope)
        answer = ask(scope["site"].resource, "GET", "/", ("Origin", APP))
        self.assertEqual(answer.status, 404)
        self.assertEqual(answer.one(b"access-control-allow-origin"), APP.encode())

    def test_links(self) -> None:
        """Each link within the checkout, and each file named in ``etc/``, is there."""
        links = re.findall(r"\]\(([^)]+)\)", README) + re.findall(
            r"(?<!/)\b(?:etc|examples)/[\w.]+", README
        )
        missing = [
            link
            for link in links
            if not re.match(r"\w+:", link)
            and not link.startswith("/")
            and not (ROOT / link).is_file()
        ]
        self.assertEqual(missing, [])


class CommandTests(SynchronousTestCase):
    """The commands do what the README says."""

    def make(self, target: str, *options: str) -> list[str]:
        """Return the commands that ``make`` would run for a target."""
        done = run(["make", "--dry-run", "--no-print-directory", *options, target], ROOT)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    @claims("make run$")
    def test_make_run(self) -> None:
        """The demo is what is run; the demo's own tests start it."""
        self.assertEqual(self.make("run")[-1], ".venv/bin/python -m corsgate demo")
        done = run([sys.executable, "-m", "corsgate", "demo", "--help"], ROOT)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    @claims("make test$")
    def test_make_test(self) -> None:
        """All tests are run, two at a time."""
        self.assertEqual(self.make("test")[-1], ".venv/bin/python -m twisted.trial -j2 tests")

    @claims("make lint$")
    def test_make_lint(self) -> None:
        """Rules, layout and types are all checked."""
        self.assertEqual(
            self.make("lint")[-3:],
            [
                ".venv/bin/ruff check bench corsgate examples tests twisted",
                ".venv/bin/ruff format --check bench corsgate examples tests twisted",
                ".venv/bin/mypy",
            ],
        )

    def test_make_installs_first(self) -> None:
        """Each target sets up ``.venv``, and again when the dependencies have changed."""
        for target in ("run", "test", "lint"):
            steps = self.make(target, "--what-if=setup.cfg")
            venvs = [step for step in steps if step.endswith(" -m venv .venv")]
            self.assertEqual(len(venvs), 1, target)
            installs = [step for step in steps if " -m pip install " in step]
            self.assertEqual(len(installs), 1, target)
            wanted = "--editable ." if target == "run" else "--editable '.[test]'"
            self.assertTrue(installs[0].endswith(wanted), installs)

    def check_gate(self, words: list[str], environ: dict[str, str], box: Box) -> None:
        """Start a gate before the box; it opens the box to the app, and to nobody else."""
        with Gate(words, {**environ, **PYTHONPATH}) as gate:
            answer = gate.get("/v1/x", APP)
            self.assertEqual((answer.status, answer.body), (200, b"opened"))
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], APP)
            self.assertEqual(gate.preflight("/v1/x", APP, "PUT", "content-type").status, 204)
            seen = len(box.requests)
            self.assertEqual(gate.get("/v1/x", "http://evil.example").status, 403)
            self.assertEqual(len(box.requests), seen)

    @claims(r"BOX_AUTH=\S+ \.venv/bin/twistd -n --pidfile= corsgate --upstream ")
    def test_quick_mode(self) -> None:
        """The gate starts without a file and opens a box that wants digest credentials."""
        with Box("user", "password") as box:
            for command in claimed(r"BOX_AUTH=\S+ \.venv/bin/twistd "):
                environ, words = split(command.replace("http://localhost:8000", box.url))
                self.check_gate([*words, "--listen", "tcp:0:interface=127.0.0.1"], environ, box)

    @claims(r"BOX_PASSWORD=admin \.venv/bin/twistd -n --pidfile= corsgate --config ")
    def test_minimal(self) -> None:
        """The gate starts on the ten lines and opens a box that wants digest credentials."""
        with Box("admin", "admin") as box:
            for command in claimed(r"BOX_PASSWORD=\w+ \.venv/bin/twistd "):
                environ, words = split(command)
                text = (ROOT / words[-1]).read_text(encoding="utf-8")
                file = Path(self.mktemp()).resolve()
                file.write_text(
                    text.replace("tcp:5555:", "tcp:0:").replace("http://localhost:8000", box.url),
                    encoding="utf-8",
                )
                self.check_gate([*words[:-1], str(file)], environ, box)

    @claims(r"\.venv/bin/python examples/")
    def test_examples(self) -> None:
        """The named example starts and prints its address; test_examples has more."""
        for command in claimed(r"\.venv/bin/python examples/"):
            _, example, port = shlex.split(command)
            with running(example.removeprefix("examples/"), "0") as url:
                self.assertRegex(url, r"^http://localhost:\d+/")
            self.assertTrue(port.isdecimal())

    def test_no_pid_files(self) -> None:
        """No gate leaves a ``twistd.pid`` where it is run, which would stop the next one."""
        for command in PROSE.commands():
            if "corsgate -" in command and "twistd" in command:
                self.assertIn(" --pidfile= ", command)

    @claims(r"\.venv/bin/corsgate check ", r"BOX_PASSWORD=admin \.venv/bin/corsgate check ")
    def test_check(self) -> None:
        """The output of the command is as shown, with faults on standard error."""
        for command, shown in PROSE.dialogues():
            environ, words = split(command)
            done = run(words, ROOT, environ)
            expected = (0, shown, "") if environ else (1, "", shown)
            self.assertEqual((done.returncode, done.stdout, done.stderr), expected)

    @claims(r"python3 -m venv /opt/corsgate$", r"/opt/corsgate/bin/", "install ")
    def test_install(self) -> None:
        """All is put where the unit looks for it; test_packaging makes real environments."""
        unit = (ROOT / "etc" / "corsgate.service").read_text(encoding="utf-8")
        root = Path(self.mktemp()).resolve()
        (root / "etc/systemd/system").mkdir(parents=True)
        for command in claimed("install "):
            words = [re.sub("^/", f"{root}/", word) for word in shlex.split(command)]
            done = run(words, ROOT)
            self.assertEqual((done.returncode, done.stderr), (0, ""), command)
        installed = root / "etc/systemd/system/corsgate.service"
        self.assertEqual(installed.read_text(encoding="utf-8"), unit)
        config = re.search(r"--config /(\S+)", unit)
        secret = re.search(r"LoadCredential=[^:]+:/(\S+)", unit)
        assert config is not None
        assert secret is not None
        self.assertEqual((root / config[1]).read_bytes(), (ROOT / "etc/minimal.toml").read_bytes())
        self.assertEqual((root / secret[1]).parent.stat().st_mode & 0o777, 0o700)
        programs = [command.split()[0] for command in claimed("/opt/corsgate/bin/")]
        self.assertEqual(programs, ["/opt/corsgate/bin/pip", "/opt/corsgate/bin/twistd"])
        self.assertIn(f"ExecStart={programs[1]} ", unit)

    @claims("systemctl daemon-reload$", "systemctl enable --now corsgate$")
    def test_enable(self) -> None:
        """The unit has the name that is enabled, and says what wants it."""
        unit = (ROOT / "etc" / "corsgate.service").read_text(encoding="utf-8")
        self.assertIn("[Install]\nWantedBy=multi-user.target\n", unit)
        systemctl = shutil.which("systemctl")
        if systemctl is not None:
            done = run([systemctl, "enable", "--help"], ROOT)
            self.assertIn("--now", done.stdout)
