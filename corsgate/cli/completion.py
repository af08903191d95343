"""``corsgate completion``: print a script that completes commands, options and files in a shell."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence

from corsgate import cli
from corsgate.cli import usage
from corsgate.cli.usage import FINE

SHELLS = ("bash", "zsh", "tcsh")

_DESCRIPTION = """\
Print a script that lets a shell complete the commands of corsgate, their options and the names of
files. To try it in a running bash: eval "$(corsgate completion bash)". For every new shell, write
its output into a file that the shell reads:

  bash  ~/.local/share/bash-completion/completions/corsgate
  zsh   _corsgate, in a directory of $fpath
  tcsh  any file, with a line "source FILE" in ~/.tcshrc

exit status: 0"""

_FILES = re.compile(r"FILE|LOG|OLD|NEW")
"""What the help calls the values that may be the name of a file."""


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
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # Where shtab looks.
        elif isinstance(action.choices, range):
            # Nobody wants a list of all ports.
            action.choices = None
    found: str = shtab.complete(whole, shell)
    return found


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Return the options and arguments of a command, and of all commands inside it."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inside in action.choices.values():
                yield from _actions(inside)
