"""``corsgate run``: the command line. `tests.processes.test_run` runs it as a process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from subprocess import CompletedProcess
from unittest import mock

from corsgate.config.model.values import DigestCredentials
from corsgate.config.parse import parse_config
from corsgate.config.quick import quick_config
from corsgate.cors.check import CORS_RULES
from tests.cli.commands import CommandTestCase, corsgate
from tests.tree import ROOT, run

URL = "http://localhost:8000"
ORIGIN = "http://localhost:4200"
QUICK = ("run", URL, "--allow", ORIGIN)
MARK = "hunter2"


def started(*arguments: str) -> CompletedProcess[str]:
    """Run the command as a process that does not start the gate, and has no terminal."""
    return run([sys.executable, "-m", "corsgate", *arguments], ROOT)


class UsageTests(CommandTestCase):
    """What it does not run."""

    def test_bad_usage(self) -> None:
        """Nothing to run, or two things to run, is bad usage; so is what the plugin rejects."""
        file = self.file("")
        for arguments, part in (
            ((), "give the URL of a server and --allow ORIGIN, or a configuration file"),
            (("--allow", ORIGIN), "give the URL of a server"),
            ((URL, "--upstream", URL), "can't be combined with --config or --upstream"),
            ((file, "--config", file), "can't be combined with --config or --upstream"),
            ((file, "--allow", ORIGIN), "--config can't be combined with --allow-origin"),
            ((file, "--allow-credentials"), "can't be combined with --allow-credentials"),
            ((file, "--print-config"), "--print-config can't be combined with a"),
            ((*QUICK[1:], "--auth", "basic:a:b", "--auth-env", "A"), "not both"),
        ):
            done = corsgate("run", *arguments)
            self.assertEqual((done.status, done.out), (2, ""), arguments)
            self.assertIn(part, done.err)
            self.assertNotIn("Traceback", done.err)

    def test_nobody_to_ask(self) -> None:
        """Without a terminal, what is missing is a fault that names ``--auth-env``."""
        for arguments in (("--auth", "digest"), ("--auth", "digest:me"), ("--auth", "bearer")):
            done = started(*QUICK, *arguments)
            self.assertEqual((done.returncode, done.stdout), (78, ""))
            self.assertIn("command line: --auth: it has no ", done.stderr)
            self.assertIn("--auth-env VARIABLE", done.stderr)

    def test_faults(self) -> None:
        """All faults are reported together, and no secret is shown."""
        done = started("run", "localhost:8000", "--auth", f"mystic:{MARK}:{MARK}")
        self.assertEqual((done.returncode, done.stdout), (78, ""))
        self.assertIn("command line: URL: ", done.stderr)
        self.assertIn('write "http://localhost:8000"', done.stderr)
        self.assertIn("--allow: it is missing; write --allow http://", done.stderr)
        self.assertIn("it does not start with a kind of credentials", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 3)
        self.assertNotIn(MARK, done.stderr)


class PrintConfigTests(CommandTestCase):
    """``--print-config``."""

    def printed(self, *arguments: str) -> str:
        """Return what is printed; nothing may be written to standard error."""
        done = corsgate(*QUICK, *arguments, "--print-config")
        self.assertEqual((done.status, done.err), (0, ""))
        return done.out

    def test_means_the_same(self) -> None:
        """The file has no fault or warning, and means what the command line means."""
        toml = self.printed("--auth", f"digest:me:{MARK}", "--listen", "5556")
        self.assertNotIn(MARK, toml)
        file = self.file(toml)
        with mock.patch.dict(os.environ, {"BOX_PASSWORD": MARK}):
            done = corsgate("check", file)
        self.assertEqual((done.status, done.err), (0, ""))
        quick = quick_config(
            upstream=URL,
            allow_origins=[ORIGIN],
            auth=f"digest:me:{MARK}",
            listen="5556",
            cors_rules=CORS_RULES,
        )
        read = parse_config(
            Path(file).read_bytes(),
            file=file,
            environ={"BOX_PASSWORD": MARK},
            read_file=lambda path: b"",
            cors_rules=CORS_RULES,
        )
        self.assertEqual(read, quick)
        assert isinstance(read.upstreams["api"].credentials, DigestCredentials)

    def test_variables(self) -> None:
        """The file reads the variable of ``--auth-env`` if that has the secret alone."""
        usual, own = '{ env = "BOX_PASSWORD" }', '{ env = "MY" }'
        with mock.patch.dict(
            os.environ, {"MY": MARK, "PAIR": f"me:{MARK}", "B": f"basic:u:{MARK}"}
        ):
            self.assertIn(own, self.printed("--auth", "digest:me", "--auth-env", "MY"))
            self.assertIn(own, self.printed("--auth", "bearer", "--auth-env", "MY"))
            self.assertIn(usual, self.printed("--auth", "digest", "--auth-env", "PAIR"))
            self.assertIn(usual, self.printed("--auth-env", "B"))

    def test_without_a_secret(self) -> None:
        """The secret need not be there, but the user must be."""
        self.assertIn('username = "me"', self.printed("--auth", "digest:me"))
        done = corsgate(*QUICK, "--auth", "digest", "--print-config")
        self.assertEqual((done.status, done.out), (78, ""))
        self.assertIn("it has no user name", done.err)
