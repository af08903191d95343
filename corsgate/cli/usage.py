"""The help, exit statuses and error output that all commands share."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from difflib import get_close_matches
from types import MappingProxyType
from typing import NoReturn

from corsgate.cors.origin import check_sent_origin
from corsgate.errors import BadValue, ConfigError

FINE = 0
FOUND = 1
"""A finding: a fault, a blocked call, a difference."""
TROUBLE = 2
"""Bad usage, or no result, as in grep and diff."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Fills the paragraphs of a description; those with indented lines, and examples, stay."""

    def add_text(self, text: str | None) -> None:
        """Add a description or examples."""
        if text is None or text.startswith("example:"):
            super().add_text(text)
            return
        width = self._width - self._current_indent
        paragraphs = [
            each if re.search(r"^ ", each, re.MULTILINE) else textwrap.fill(each, width)
            for each in text.split("\n\n")
        ]
        super().add_text("\n\n".join(paragraphs))


_SAME = MappingProxyType({"--origin": "--allow", "--allow": "--origin", "--url": "--upstream"})
"""Options of some commands that have another name in other commands."""


class CommandParser(argparse.ArgumentParser):
    """A parser that says which option was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and a message, and exit."""
        _, is_unknown, words = message.partition("unrecognized arguments: ")
        for word in words.split() if is_unknown else ():
            name = word.partition("=")[0]
            known = self._option_string_actions
            same = _SAME.get(name)
            close = get_close_matches(name, known, n=1, cutoff=0.75)
            meant = [same] if same in known else close
            if name.startswith("--") and meant:
                super().error(f"{message}; did you mean {meant[0]}?")
        super().error(message)


def parser(command: str, description: str, example: str) -> argparse.ArgumentParser:
    """Return a parser for one command.

    Args:
        command: The name of the command.
        description: What the command does, and its exit statuses.
        example: Command lines that work as they are.
    """
    return CommandParser(
        prog=f"corsgate {command}",
        description=description,
        epilog="example:\n" + "".join(f"  {line}\n" for line in example.splitlines()),
        formatter_class=HelpFormatter,
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
