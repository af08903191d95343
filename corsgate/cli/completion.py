"""``corsgate completion``: print a script for the completion of commands, options and files."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence

from corsgate import cli
from corsgate.cli import usage
from corsgate.cli.usage import FINE

SHELLS = ("bash", "zsh", "tcsh")

_DESCRIPTION = """\
Print a script that lets a shell complete the commands of corsgate, their options and file names. To
try it in a running bash: eval "$(corsgate completion bash)". To have it in every new shell, write
its output to a file that the shell reads:

  bash  ~/.local/share/bash-completion/completions/corsgate
  zsh   _corsgate, in a directory of $fpath
  tcsh  any file, with a line "source FILE" in ~/.tcshrc

exit status: 0"""

_FILES = re.compile(r"FILE|LOG|OLD|NEW")
"""The metavars of values that may be the name of a file."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = usage.parser("completion", _DESCRIPTION, "corsgate completion bash")
    options.add_argument("shell", metavar="SHELL", choices=SHELLS, help=" or ".join(SHELLS))
    return options


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    given = parser().parse_args(argv)
    print(script(given.shell))
    return FINE


def script(shell: str) -> str:
    """Return the script for a shell.

    Args:
        shell: One of `SHELLS`.
    """
    # Only this command needs it.
    import shtab

    whole = cli.parser(is_whole=True)
    for action in _actions(whole):
        if isinstance(action.metavar, str) and _FILES.search(action.metavar):
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab reads it.
        elif isinstance(action.choices, range):
            # A list of all ports would not help.
            action.choices = None
    found: str = shtab.complete(whole, shell)
    return found


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Return the options and arguments of a command and of its subcommands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inside in action.choices.values():
                yield from _actions(inside)
