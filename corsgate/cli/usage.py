"""What the commands have in common: their help, their exit statuses, their faults."""

from __future__ import annotations

import argparse
import sys

from corsgate.errors import ConfigError

FINE = 0
FOUND = 1
"""A fault, a call that is blocked, a difference: what the command looks for."""
TROUBLE = 2
"""Bad usage, or something that can't be judged, as grep and diff have it."""


def parser(command: str, description: str, example: str) -> argparse.ArgumentParser:
    """Return a parser for one command.

    Args:
        command: Its name.
        description: What it does and how it exits.
        example: Lines that can be run as they are.
    """
    return argparse.ArgumentParser(
        prog=f"corsgate {command}",
        description=description,
        epilog="example:\n" + "".join(f"  {line}\n" for line in example.splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def complain(error: ConfigError | str) -> int:
    """Say what keeps a command from doing its work; return the exit status for that."""
    print(error, file=sys.stderr)
    return TROUBLE
