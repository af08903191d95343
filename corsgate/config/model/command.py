"""A command that prints a secret."""

from __future__ import annotations

import attrs

from corsgate.config.model.rules import show
from corsgate.config.model.validators import rule
from corsgate.errors import BadValue

DEFAULT_TIMEOUT_S = 10.0
"""How long a command may run, in seconds."""

MAX_TIMEOUT_S = 60.0
"""The longest time that may be configured: a start and a reload wait for the command."""

MAX_OUTPUT_BYTES = 64 * 1024
"""How much a command may print."""

_PEM = "-----BEGIN "


def _check_arguments(arguments: tuple[str, ...]) -> None:
    if not arguments or not arguments[0]:
        raise BadValue("there is no program", 'write it first, such as ["pass", "show", "box"]')
    program = arguments[0]
    if "/" in program and not program.startswith("/"):
        raise BadValue(
            "the path of the program is relative",
            "write an absolute path, or a name without / that is looked up in $PATH",
        )
    if any("\0" in each for each in arguments):
        raise BadValue("it contains a NUL character", "remove it")


def _check_timeout(timeout_s: float) -> None:
    if not 0 < timeout_s <= MAX_TIMEOUT_S:
        raise BadValue(
            "the timeout is out of range",
            f'write more than "0s" and at most "{MAX_TIMEOUT_S:.0f}s"',
        )


@attrs.frozen(kw_only=True)
class Command:
    """A command that prints a secret. It is run without a shell.

    Attributes:
        arguments: The program and its arguments. The program is an absolute path, or a name that
            is looked up in $PATH. Not shown: an argument may be a secret itself.
        timeout_s: How long it may run, in seconds.
    """

    arguments: tuple[str, ...] = attrs.field(repr=False, validator=rule(_check_arguments))
    timeout_s: float = attrs.field(default=DEFAULT_TIMEOUT_S, validator=rule(_check_timeout))

    @property
    def program(self) -> str:
        """The program in quotes, for messages. The arguments are left out of them."""
        return show(self.arguments[0])


def printed_secret(command: Command, output: bytes) -> str:
    """Return the secret in the output of a command.

    It is the first line, since ``pass`` and others print notes below a password. Output in PEM is
    taken whole.

    Args:
        command: The command, for messages.
        output: What it printed to standard output.

    Raises:
        BadValue: There is no secret. The message shows nothing of the output.
    """
    try:
        text = output.decode("utf-8")
    except UnicodeDecodeError:
        raise BadValue(
            f"the output of {command.program} is not in UTF-8", "have it print text"
        ) from None
    if text.startswith(_PEM):
        return text
    line = text.partition("\n")[0].removesuffix("\r")
    if not line:
        raise BadValue(
            f"{command.program} printed no secret: the first line of its output is empty",
            "have it print the secret to standard output",
        )
    return line
