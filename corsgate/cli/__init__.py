"""The ``corsgate`` command, which dispatches to its subcommands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType

import attrs

_INTERRUPTED = 130
_CLOSED_PIPE = 141
"""The exit statuses of a program that SIGINT or SIGPIPE ended, as shells report them."""


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
            help="look at a box, write a configuration for it, and prove it",
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
            module="corsgate.cli.diff", help="describe the effect of a change of a configuration"
        ),
        "refusals": Command(
            module="corsgate.cli.refusals",
            help="list the last calls that a running daemon refused, and what would allow them",
        ),
        "reload": Command(
            module="corsgate.cli.reload",
            help="have a running daemon reload its configuration, and report the outcome",
        ),
        "schema": Command(
            module="corsgate.cli.schema",
            help="print the JSON Schema of configurations, for editors",
        ),
        "completion": Command(
            module="corsgate.cli.completion",
            help="print a script that completes commands in a shell",
        ),
        "demo": Command(
            module="corsgate.demo.run", help="run a closed box, an app and the gate between them"
        ),
    }
)


def parser(*, is_whole: bool = False) -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Args:
        is_whole: Whether the options of every command are in it, for documents and completion.
            That imports all commands.
    """
    # This takes a tenth of a second, in which Ctrl-C would end in a traceback.
    from importlib.metadata import version

    whole = argparse.ArgumentParser(
        prog="corsgate",
        description="A CORS gateway: it lets browser apps call REST APIs without CORS support.",
        epilog="Each command has its own --help, with an example.",
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
        argv: The arguments; None for those of the process.

    Returns:
        The exit status: 0 for success; 1 for a finding (a fault, a blocked call, a difference);
        2 for bad usage, or if the command can't decide.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments and arguments[0] in COMMANDS:
            module = import_module(COMMANDS[arguments[0]].module)
            status = int(module.main(arguments[1:]))
            if sys.stdout is not None:
                # So that a closed pipe is noticed here.
                sys.stdout.flush()
            return status
        parser().parse_args(arguments)
    except BrokenPipeError:
        # Who read the output has enough, such as `head`; Python must not write the rest at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _CLOSED_PIPE
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return _INTERRUPTED
    return 2
