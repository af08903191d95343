"""The ``corsgate`` command, which dispatches to its subcommands."""

from __future__ import annotations

import argparse
import errno
import os
import select
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from types import MappingProxyType

import attrs

_BAD_USAGE = 2
_INTERRUPTED = 128 + 2
_BROKEN_PIPE = 128 + 13
"""The last two are the exit statuses of a program that SIGINT or SIGPIPE ended, as shells report
them."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""The errors of a disk that has no room or is broken."""


@attrs.frozen(kw_only=True)
class Command:
    """A subcommand.

    Attributes:
        module: The module with its ``parser()`` and ``main(argv) -> int``. It is imported only when
            the command runs, so that no command waits for the imports of another.
        help: One line of help.
    """

    module: str
    help: str


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "run": Command(module="corsgate.cli.run", help="run the gate in the foreground"),
        "adopt": Command(
            module="corsgate.cli.adopt",
            help="probe a server, write a configuration for it, and test it",
        ),
        "check": Command(
            module="corsgate.cli.check", help="report every fault and warning in a configuration"
        ),
        "explain": Command(
            module="corsgate.cli.explain", help="explain why a page's call is allowed or blocked"
        ),
        "learn": Command(
            module="corsgate.cli.learn", help="propose the smallest policy for recorded calls"
        ),
        "diff": Command(
            module="corsgate.cli.diff", help="describe what a configuration change does"
        ),
        "refusals": Command(
            module="corsgate.cli.refusals",
            help="list the latest calls that a daemon refused, and what would allow them",
        ),
        "reload": Command(
            module="corsgate.cli.reload",
            help="make a running daemon reload its configuration, and report the outcome",
        ),
        "schema": Command(
            module="corsgate.cli.schema",
            help="print the JSON Schema of configuration files, for editors",
        ),
        "completion": Command(
            module="corsgate.cli.completion",
            help="print a script for command completion in a shell",
        ),
        "demo": Command(
            module="corsgate.demo.run",
            help="run a demo: a server without CORS, an app, and the gate between",
        ),
    }
)


class _HelpFormatter(argparse.HelpFormatter):
    """Begins the help of the longest command on the line of its name."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        # argparse itself forgets that the names of commands are indented.
        self._action_max_length = max(map(len, COMMANDS)) + 4


def parser(*, is_whole: bool = False) -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Args:
        is_whole: Whether to include the options of every command, for documents and completion.
            That imports all commands.
    """
    # This import takes 0.1 s. At the top of the module, Ctrl-C during it would show a traceback.
    from importlib.metadata import version

    whole = argparse.ArgumentParser(
        prog="corsgate",
        description="A CORS gateway: it lets browser apps call REST APIs without CORS support.",
        epilog="For the options of a command and an example, run: corsgate COMMAND --help",
        formatter_class=_HelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"corsgate {version('corsgate')}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.help)
        if is_whole:
            commands.choices[name] = import_module(command.module).parser()
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: The arguments; None for those of this process.

    Returns:
        The exit status: 0 for success; 1 for a finding (a fault, a blocked call, a difference);
        2 for bad usage, or if the command can't decide or write its output; 141 if the reader of
        its output is gone.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _run(arguments)
    except (OSError, SystemExit) as error:
        # argparse exits, after printing the help too. An OSError may be about another file.
        lost = _lost_output(error)
        if lost is None:
            raise
        return lost
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return _INTERRUPTED
    lost = _lost_output()
    return status if lost is None else lost


def _lost_output(error: BaseException | None = None) -> int | None:
    """Write what is buffered for standard output; return the exit status if that is impossible.

    Args:
        error: What ended the command, if anything did.

    Nobody reads a pipe after the end of ``head`` in ``corsgate diff A B | head``, and a disk may be
    full. Then what is buffered goes to the null device. Otherwise Python would fail to write it at
    its exit, with a traceback.

    Source: poll(2), which reports ``POLLERR`` for a pipe without a reader.
    """
    try:
        output = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        # There is no standard output, or it is not a file.
        return None
    lost = None
    try:
        # Python drops what it failed to write because the disk is full, so flush() may succeed.
        if isinstance(error, OSError) and error.errno in _FULL:
            raise error
        sys.stdout.flush()
    except BrokenPipeError:
        lost = _BROKEN_PIPE
    except OSError as fault:
        print(f"the output can't be written: {fault.strerror}", file=sys.stderr)
        lost = _BAD_USAGE
    poll = select.poll()
    poll.register(output, 0)
    if lost is None and any(event & select.POLLERR for _, event in poll.poll(0)):
        lost = _BROKEN_PIPE
    if lost is not None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, output)
        os.close(null)
    return lost


def _run(arguments: Sequence[str]) -> int:
    """Run the command, and return its exit status."""
    if arguments and arguments[0] in COMMANDS:
        module = import_module(COMMANDS[arguments[0]].module)
        return int(module.main(arguments[1:]))
    if not arguments:
        parser().print_help(sys.stderr)
        return _BAD_USAGE
    if not arguments[0].startswith("-"):
        print(f"corsgate: {_unknown(arguments[0])}", file=sys.stderr)
        return _BAD_USAGE
    parser().parse_args(arguments)
    return _BAD_USAGE


def _unknown(word: str) -> str:
    """Return what is wrong with a first argument that is not a command."""
    problem = f"{word!a} is not a command"
    if "://" in word:
        return f"{problem}; to run the gate: corsgate run {ascii(word)[1:-1]} --allow ORIGIN"
    if word.endswith(".toml"):
        return f"{problem}; to run the gate: corsgate run {ascii(word)[1:-1]}"
    close = get_close_matches(word, COMMANDS, n=1)
    if close:
        return f"{problem}; did you mean {close[0]}?"
    return f"{problem}; the commands are {', '.join(COMMANDS)}"
