"""Help, exit statuses and error output, shared by all commands."""

from __future__ import annotations

import argparse
import sys

from corsgate.errors import ConfigError

FINE = 0
FOUND = 1
"""A finding: a fault, a blocked call, a difference."""
TROUBLE = 2
"""Bad usage, or no decision is possible; as in grep and diff."""


def parser(command: str, description: str, example: str) -> argparse.ArgumentParser:
    """Return a parser for one command.

    Args:
        command: The name of the command.
        description: What the command does, and its exit statuses.
        example: Command lines that can be run unchanged.
    """
    return argparse.ArgumentParser(
        prog=f"corsgate {command}",
        description=description,
        epilog="example:\n" + "".join(f"  {line}\n" for line in example.splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def complain(error: ConfigError | str) -> int:
    """Print why a command can't continue; return the exit status for that."""
    print(error, file=sys.stderr)
    return TROUBLE
