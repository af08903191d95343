"""The ``corsgate`` command: what there is to do beside running the daemon."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from types import MappingProxyType

import attrs


@attrs.frozen(kw_only=True)
class Command:
    """One of the commands.

    Attributes:
        module: Where its ``main(argv) -> int`` is. It is imported only for this command, so
            that none waits for what another needs.
        help: What it is for.
    """

    module: str
    help: str


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "check": Command(
            module="corsgate.cli.check", help="name every fault and warning of a configuration"
        ),
        "explain": Command(
            module="corsgate.cli.explain", help="say why a page's call is allowed or blocked"
        ),
        "learn": Command(
            module="corsgate.cli.learn", help="propose the smallest policy for recorded calls"
        ),
        "diff": Command(
            module="corsgate.cli.diff", help="say what a change of a configuration gives and takes"
        ),
        "schema": Command(
            module="corsgate.cli.schema", help="print the JSON Schema that editors complete by"
        ),
        "demo": Command(
            module="corsgate.demo.run", help="run a closed box, an app and the gate between them"
        ),
    }
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Its arguments; by default the process's own.

    Returns:
        The exit status: 0 for success, 1 for what the command looked for (a fault, a call that
        is blocked, a difference), 2 for bad usage and what can't be judged.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in COMMANDS:
        module = import_module(COMMANDS[arguments[0]].module)
        return int(module.main(arguments[1:]))
    parser = argparse.ArgumentParser(
        prog="corsgate",
        description="A CORS gateway. The daemon itself is run by: twistd corsgate --config FILE",
        epilog="Each command has a --help of its own, with an example.",
    )
    parser.add_argument("--version", action="version", version=f"corsgate {version('corsgate')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.help)
    parser.parse_args(arguments)
    return 2
