"""Tests of `corsgate.cli.usage`: help, exit statuses and error output."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli.usage import FINE, FOUND, TROUBLE, complain, origin_option, parser
from corsgate.errors import BadValue, ConfigError, Fault


class UsageTests(SynchronousTestCase):
    """What all commands share."""

    def test_statuses(self) -> None:
        """They are those of grep and diff, so that a script can tell trouble from a finding."""
        self.assertEqual((FINE, FOUND, TROUBLE), (0, 1, 2))

    def test_trouble_is_on_standard_error(self) -> None:
        """All faults are shown, a line each; standard output stays for results."""
        faults = [Fault(file="c", line=n, problem="it is wrong", fix="") for n in (1, 2)]
        for error, shown in (
            (ConfigError(faults), "c:1: it is wrong\nc:2: it is wrong\n"),
            ("no such thing", "no such thing\n"),
        ):
            out, err = io.StringIO(), io.StringIO()
            with redirect_stdout(out), redirect_stderr(err):
                status = complain(error)
            self.assertEqual((status, out.getvalue(), err.getvalue()), (TROUBLE, "", shown))

    def test_origin(self) -> None:
        """An origin that no browser sends names its option, and the intended one."""
        self.assertEqual(origin_option("http://localhost:4200"), "http://localhost:4200")
        error = self.assertRaises(BadValue, origin_option, "localhost:4200", "--allow")
        self.assertTrue(str(error).startswith("--allow: "))
        self.assertIn('did you mean "http://localhost:4200"?', str(error))

    def test_help_keeps_its_lines(self) -> None:
        """Descriptions are written with their own line ends, and examples can be copied."""
        example = "corsgate x a\ncorsgate x b"
        text = parser("x", "One line.\n\nexit status: 0", example).format_help()
        self.assertIn("usage: corsgate x ", text)
        self.assertIn("\nOne line.\n\nexit status: 0\n", text)
        self.assertTrue(text.endswith("\nexample:\n  corsgate x a\n  corsgate x b\n"), text)

    def test_paragraphs_fill_the_terminal(self) -> None:
        """A paragraph is filled to the width, unless it has indented lines."""
        description = "word " * 18 + "\nword\n\nexit status: 0 fine\n             1 not"
        with mock.patch.dict("os.environ", COLUMNS="60"):
            text = parser("x", description, "corsgate x " + "long " * 20).format_help()
        lines = text.split("\n\n")[1].splitlines()
        self.assertEqual([line.split().count("word") for line in lines], [11, 8])
        self.assertIn("\nexit status: 0 fine\n             1 not\n", text)
        self.assertIn("\n  corsgate x long " + "long " * 18, text)

    def test_bad_usage_is_trouble(self) -> None:
        """argparse exits with the same status."""
        with redirect_stderr(io.StringIO()):
            error = self.assertRaises(SystemExit, parser("x", "", "").parse_args, ["--nonsense"])
        self.assertEqual(error.code, TROUBLE)
