"""The checkout that the tests stand in, and commands run beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

TWISTD = (sys.executable, "-P", "-c", "from twisted.scripts.twistd import run; run()")
"""What the command ``twistd`` does, with this interpreter; -P keeps the current directory out."""

TWIST = (sys.executable, "-P", "-m", "twisted")
"""What the command ``twist`` does."""

_MADE = ("build", "dist", "__pycache__")
"""Directories that tools leave in a checkout, besides hidden ones and ``_trial_temp``."""


def files(*names: str) -> Iterator[Path]:
    """Return the files at or below names in the checkout, without what tools have made.

    Args:
        names: Paths relative to the checkout; one that isn't there gives nothing.
    """
    for name in names:
        for path in sorted((ROOT / name).rglob("*")) if (ROOT / name).is_dir() else [ROOT / name]:
            if path.is_file() and not any(made(part) for part in path.relative_to(ROOT).parts):
                yield path


def made(name: str) -> bool:
    """Return whether a file or directory of this name is made by tools, so that none is ours."""
    return (
        name in _MADE
        or name.endswith((".egg-info", ".pyc"))
        or name.startswith(("_trial_temp", "dropin.cache", "twistd."))
        or (name.startswith(".") and name not in (".ci", ".gitignore"))
    )


def run(
    command: Sequence[str | Path],
    cwd: Path,
    environ: Mapping[str, str] | None = None,
    timeout_s: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with its output as text.

    Args:
        command: The program and its arguments.
        cwd: Where it runs.
        environ: Variables on top of `outside`'s.
        timeout_s: When to give up, in seconds.
    """
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**outside(), **(environ or {})},
        timeout=timeout_s,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def outside() -> dict[str, str]:
    """Return the environment without what make and trial put in it.

    Trial hands its own sys.path to its workers by PYTHONPATH, which would make the checkout
    importable where a test wants to see whether an installation is.
    """
    gone = ("PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    return {name: value for name, value in os.environ.items() if name not in gone}
