"""The help, exit statuses and error output that all commands share."""

from __future__ import annotations

import argparse
import sys

from corsgate.cors.origin import check_sent_origin
from corsgate.errors import BadValue, ConfigError

FINE = 0
FOUND = 1
"""A finding: a fault, a blocked call, a difference."""
TROUBLE = 2
"""Bad usage, or no result, as in grep and diff."""


def parser(command: str, description: str, example: str) -> argparse.ArgumentParser:
    """Return a parser for one command.

    Args:
        command: The name of the command.
        description: What the command does, and its exit statuses.
        example: Command lines that work as they are.
    """
    return argparse.ArgumentParser(
        prog=f"corsgate {command}",
        description=description,
        epilog="example:\n" + "".join(f"  {line}\n" for line in example.splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def origin_option(text: str, option: str = "--origin") -> str:
    """Return the value of an option, which must be an origin that a browser can send.

    Raises:
        BadValue: It is not; the message names the option, and the origin that was probably meant.
    """
    try:
        return check_sent_origin(text)
    except BadValue as fault:
        raise BadValue(f"{option}: {fault.problem}", fault.fix) from None


def complain(error: ConfigError | str) -> int:
    """Print why a command can't continue; return the exit status for that."""
    print(error, file=sys.stderr)
    return TROUBLE
