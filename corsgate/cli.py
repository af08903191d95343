"""The ``corsgate`` command: what there is to do beside running the daemon."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from corsgate.errors import ConfigError, Fault
from corsgate.gate.load import load_config


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Its arguments; by default the process's own.

    Returns:
        The exit status: 0 for success, 1 for a fault of the configuration, 2 for bad usage.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["demo"]:
        # It has options of its own, and needs the reactor that no other command does.
        from corsgate.demo.run import main as demo

        return demo(arguments[1:])
    parser = argparse.ArgumentParser(
        prog="corsgate",
        description="A CORS gateway. The daemon itself is run by: twistd corsgate --config FILE",
    )
    parser.add_argument("--version", action="version", version=f"corsgate {version('corsgate')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="check a configuration file and exit")
    check.add_argument("file", metavar="FILE")
    commands.add_parser("demo", help="run a closed box, an app and the gate between them")
    return _check(parser.parse_args(arguments).file)


def _check(file: str) -> int:
    # Endpoints are made with it, though nothing is opened.
    from twisted.internet import reactor

    try:
        config = load_config(file, reactor)
    except ConfigError as error:
        print(error, file=sys.stderr)
        _warn(error.warnings)
        return 1
    _warn(config.warnings)
    routes, upstreams = len(config.routes), len(config.upstreams)
    print(f"{file}: ok, {routes} route(s) to {upstreams} upstream(s)")
    return 0


def _warn(warnings: Sequence[Fault]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
