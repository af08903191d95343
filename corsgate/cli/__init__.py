"""The ``corsgate`` command, which dispatches to its subcommands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType

import attrs


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
        2 for bad usage, or if the command can't tell.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in COMMANDS:
        module = import_module(COMMANDS[arguments[0]].module)
        return int(module.main(arguments[1:]))
    parser().parse_args(arguments)
    return 2
