"""``corsgate run``: the daemon for people, in the foreground and without twistd."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from corsgate.cli import usage

_DESCRIPTION = """\
Run the gate in the foreground until Ctrl-C. Give the URL to forward to and the origins that may
call it, or a configuration file. As a service, run it as: twistd corsgate --config FILE

exit status: 0 after Ctrl-C or SIGTERM, 1 if it can't listen, 2 bad usage,
78 a fault in the configuration"""

_EXAMPLE = """\
corsgate run http://localhost:8000 --allow http://localhost:4200
corsgate run gate.toml"""

_INTERRUPTED = 130
"""The exit status of a program that SIGINT ended, as shells report it."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    given = usage.parser("run", _DESCRIPTION, _EXAMPLE)
    given.add_argument("target", metavar="URL|FILE.toml", nargs="?")
    given.add_argument("-c", "--config", metavar="FILE", help="the configuration file (TOML)")
    given.add_argument(
        "--allow", "--allow-origin", metavar="ORIGIN", action="append", default=[], dest="origins"
    )
    given.add_argument("--auth", metavar="KIND:USER:PASSWORD")
    given.add_argument("--auth-env", metavar="VARIABLE")
    given.add_argument("--listen", metavar="WHERE")
    return given


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    command = parser()
    given = command.parse_args(argv)
    try:
        # This imports most of the program, which takes a second.
        from twisted.internet import reactor
        from twisted.python.usage import UsageError

        from corsgate.daemon.foreground import run_in_foreground
        from corsgate.daemon.signals import hold_signals
        from corsgate.tap import Options, makeService

        hold_signals(on_terminal=os.isatty(0))
        options: Any = Options()
        options.parent = {"nodaemon": True}
        try:
            options.parseOptions(_arguments(given))
        except UsageError as error:
            command.error(str(error))
        run_in_foreground(makeService(options), reactor)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except SystemExit as ended:
        return int(ended.code or 0)
    return usage.FINE


def _arguments(given: argparse.Namespace) -> list[str]:
    """Return the arguments of the plugin that mean the same."""
    arguments = []
    file, upstream = given.config, None
    if given.target is not None and given.target.endswith(".toml"):
        file = given.target
    else:
        upstream = given.target
    for name, value in (
        ("config", file),
        ("upstream", upstream),
        ("auth", given.auth),
        ("auth-env", given.auth_env),
        ("listen", given.listen),
    ):
        if value is not None:
            arguments.append(f"--{name}={value}")
    return [*arguments, *(f"--allow-origin={origin}" for origin in given.origins)]
