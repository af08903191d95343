"""The command that explains a call of the demo's page, as a user can type it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path


def explain_command(
    config: Path, folder: Path, python: str, on_path: str | None
) -> Mapping[str, str]:
    """Return the command, and the option that makes it use the demo's gate.

    Args:
        config: The gate's configuration.
        folder: The directory of the demo's start, which the user's terminal is probably in.
        python: The Python that runs the demo.
        on_path: The path of ``corsgate`` in the shell's search path; None if it is not there.

    Returns:
        The members ``explain`` and ``config``, both quoted for a shell.
    """
    beside = Path(python).with_name("corsgate")
    if on_path is not None:
        program = "corsgate"
    elif beside.is_file():
        program = shlex.quote(shown_path(beside, folder))
    else:
        program = f"{shlex.quote(python)} -m corsgate"
    return {
        "explain": f"{program} explain",
        "config": f"--config {shlex.quote(shown_path(config, folder))}",
    }


def shown_path(path: Path, folder: Path) -> str:
    """Return a path relative to a folder if it is inside; otherwise unchanged."""
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)
