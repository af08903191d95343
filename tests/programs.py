"""Third-party programs that tests run against the gate."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import NoReturn

from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest

from tests.peers import reactor


def require(name: str, package: str) -> str:
    """Return the path of a program.

    Args:
        name: The program.
        package: The Debian package that has it.

    Raises:
        SkipTest: It is not installed.
        AssertionError: It is not installed, in CI, where a skipped test could be missed.
    """
    # Debian installs servers in a directory that only root has in PATH.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        missing(f"{name} is not installed (Debian: {package})")
    return found


def missing(reason: str) -> NoReturn:
    """Skip a test that lacks something; in CI, fail.

    Args:
        reason: What is missing, and how to get it.

    Raises:
        SkipTest: Outside CI.
        AssertionError: In CI.
    """
    if os.environ.get("CI"):
        raise AssertionError(reason)
    raise SkipTest(reason)


async def output(program: str, arguments: Sequence[str], said: bytes = b"") -> str:
    """Run a program while the reactor runs; return its standard output, then its standard error.

    Args:
        program: The path of the program.
        arguments: The arguments of the program.
        said: Its standard input.
    """
    out, errors, _ = await getProcessOutputAndValue(
        program, arguments, env=dict(os.environ), reactor=reactor, stdinBytes=said
    )
    text: bytes = out + errors
    return text.decode("utf-8", "replace")
