"""Programs of other people's that tests run against the gate."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import NoReturn

from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest

from tests.peers import reactor


def require(name: str, package: str) -> str:
    """Return where a program is.

    Args:
        name: The program.
        package: The Debian package that has it.

    Raises:
        SkipTest: It isn't there, and this is no CI run.
        AssertionError: It isn't there in CI, where it must not go unseen.
    """
    # Debian has servers where only root looks for them.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        missing(f"there is no {name} here (Debian: {package})")
    return found


def missing(reason: str) -> NoReturn:
    """Skip a test for lack of something, but not in CI.

    Args:
        reason: What there is not, and what would bring it.

    Raises:
        SkipTest: This is no CI run.
        AssertionError: It is one.
    """
    if os.environ.get("CI"):
        raise AssertionError(reason)
    raise SkipTest(reason)


async def output(program: str, arguments: Sequence[str], said: bytes = b"") -> str:
    """Run a program while the reactor runs; return what it printed, its errors last.

    Args:
        program: Its path.
        arguments: Its arguments.
        said: What it reads from standard input, which then ends.
    """
    out, errors, _ = await getProcessOutputAndValue(
        program, arguments, env=dict(os.environ), reactor=reactor, stdinBytes=said
    )
    text: bytes = out + errors
    return text.decode("utf-8", "replace")
