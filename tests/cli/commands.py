"""Run commands in the test's own process, and keep their output."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli import main


@attrs.frozen(kw_only=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output, parsed as JSON."""
        return json.loads(self.out)


def corsgate(*arguments: str, stdin: str = "") -> Done:
    """Run a command to its end."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), mock.patch("sys.stdin", io.StringIO(stdin)):
        try:
            status = main(arguments)
        except SystemExit as error:
            status = int(error.code or 0)
    return Done(status=status, out=out.getvalue(), err=err.getvalue())


class CommandTestCase(SynchronousTestCase):
    """A test of a command that reads files."""

    def file(self, text: str, name: str = "gate.toml") -> str:
        """Write a file and return its path."""
        directory = Path(self.mktemp())
        directory.mkdir()
        path = directory / name
        path.write_text(text, "utf-8")
        return str(path)
