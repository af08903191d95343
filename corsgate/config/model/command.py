"""A command that prints a secret."""

from __future__ import annotations

import attrs

from corsgate.config.model.rules import show
from corsgate.config.model.validators import rule
from corsgate.errors import BadValue

DEFAULT_TIMEOUT_S = 10.0
"""The default time limit of a command, in seconds."""

MAX_TIMEOUT_S = 60.0
"""The longest configurable time limit, since startup and reloads wait for the command."""

MAX_OUTPUT_BYTES = 64 * 1024
"""The maximum size of a command's output."""

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
            is looked up in $PATH. They are not shown, because an argument may itself be a secret.
        timeout_s: The time limit, in seconds.
    """

    arguments: tuple[str, ...] = attrs.field(repr=False, validator=rule(_check_arguments))
    timeout_s: float = attrs.field(default=DEFAULT_TIMEOUT_S, validator=rule(_check_timeout))

    @property
    def program(self) -> str:
        """The program in quotes, for messages, without its arguments."""
        return show(self.arguments[0])


def printed_secret(command: Command, output: bytes) -> str:
    """Return the secret from the output of a command.

    It is the first line, since ``pass`` and other programs print notes below a password. PEM output
    is returned whole.

    Args:
        command: The command, for messages.
        output: What it printed to standard output.

    Raises:
        BadValue: There is no secret. The message shows nothing of the output.
    """
    try:
        text = output.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadValue(
            f"the output of {command.program} is not in UTF-8", "make it print text in UTF-8"
        ) from None
    if text.startswith(_PEM):
        return text
    line = text.partition("\n")[0].removesuffix("\r")
    if not line:
        raise BadValue(
            f"{command.program} printed no secret: the first line of its output is empty",
            "make it print the secret on the first line of its standard output",
        )
    return line
