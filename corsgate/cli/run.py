"""``corsgate run``: run the gate in the foreground, without twistd."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corsgate.cli import usage

if TYPE_CHECKING:
    from corsgate.config.quick_auth import QuickAuth
    from corsgate.tap import Options

_DESCRIPTION = """\
Run the gate in the foreground until Ctrl-C. Give the URL of a server and the origins of the pages
that may call it, or a configuration file. To run the gate as a service, use:
twistd corsgate --config FILE

exit status: 0 stopped by Ctrl-C or SIGTERM
             1 a port can't be used
             2 bad usage
             78 a fault in the configuration"""

_EXAMPLE = """\
corsgate run http://localhost:8000 --allow http://localhost:4200
corsgate run http://localhost:8000 --allow http://localhost:4200 --auth digest:admin
corsgate run gate.toml"""

_INTERRUPTED = 130
"""The exit status that shells report for a program ended by SIGINT."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = usage.parser("run", _DESCRIPTION, _EXAMPLE)
    made.add_argument(
        "target",
        metavar="URL|FILE.toml",
        nargs="?",
        help="the server's URL, or the configuration file",
    )
    made.add_argument("-c", "--config", metavar="FILE", help="the configuration file (TOML)")
    made.add_argument("-u", "--upstream", metavar="URL", help="the same as URL")
    made.add_argument(
        "--allow",
        "--allow-origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        dest="origins",
        help="an origin whose pages may call the server; repeat it for several",
    )
    made.add_argument(
        "--allow-credentials",
        action="store_true",
        help="let browsers send their own credentials, such as cookies",
    )
    made.add_argument(
        "--auth",
        metavar="KIND[:USER]",
        help="log in to the server: basic, digest, auto, ntlm, bearer or header:NAME. You are "
        "asked for missing parts. KIND:USER:PASSWORD also works, but other users of this machine "
        "can see it in the list of processes",
    )
    made.add_argument(
        "--auth-env",
        metavar="VARIABLE",
        help="the environment variable with the parts that --auth lacks, such as USER:PASSWORD or "
        "the password; without --auth, with all parts: KIND:USER:PASSWORD",
    )
    made.add_argument(
        "--listen",
        metavar="PORT",
        help="5556, 127.0.0.1:5556 or an endpoint string (default: port 5555 of loopback)",
    )
    made.add_argument(
        "--print-config",
        action="store_true",
        help="print the equivalent configuration file, without secrets, and exit",
    )
    return made


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    command = parser()
    given = command.parse_args(argv)
    arguments = _arguments(command, given)
    try:
        # These imports load most of the program, which takes a second.
        from twisted.python.usage import UsageError

        from corsgate.tap import Options

        options = Options()
        options.names = {"--upstream": "URL", "--allow-origin": "--allow"}
        try:
            options.parseOptions(arguments)  # type: ignore[no-untyped-call]
        except UsageError as error:
            command.error(str(error))
        return _print_config(options) if given.print_config else _run(options)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return _INTERRUPTED
    except SystemExit as ended:
        return int(ended.code or 0)


def _arguments(command: argparse.ArgumentParser, given: argparse.Namespace) -> list[str]:
    """Return the equivalent arguments of the twistd plugin."""
    file, upstream = given.config, given.upstream
    if given.target is not None:
        if file is not None or upstream is not None:
            command.error(f"{given.target!r} can't be combined with --config or --upstream")
        if _is_file(given.target):
            file = given.target
        else:
            upstream = given.target
    if file is None and upstream is None:
        command.error("give the URL of a server and --allow ORIGIN, or a configuration file")
    if file is not None and given.print_config:
        command.error("--print-config can't be combined with a configuration file")
    options = (
        ("config", file),
        ("upstream", upstream),
        ("auth", given.auth),
        ("auth-env", given.auth_env),
        ("listen", given.listen),
    )
    return [
        *(f"--{name}={value}" for name, value in options if value is not None),
        *(f"--allow-origin={origin}" for origin in given.origins),
        *(("--allow-credentials",) if given.allow_credentials else ()),
    ]


def _is_file(target: str) -> bool:
    """Return whether the argument is a file rather than a URL."""
    return "://" not in target and (target.endswith(".toml") or Path(target).is_file())


def _run(options: Options) -> int:
    """Run the gate until it is stopped."""
    from twisted.internet import reactor

    from corsgate.daemon.foreground import run_in_foreground
    from corsgate.daemon.signals import hold_signals
    from corsgate.tap import makeService

    _complete(options)
    hold_signals(on_terminal=os.isatty(0))
    parent: Any = {"nodaemon": True}
    options.parent = parent
    run_in_foreground(makeService(options), reactor)
    return usage.FINE


def _print_config(options: Options) -> int:
    """Print the equivalent configuration file."""
    from corsgate.config.quick_auth import parse_auth
    from corsgate.config.quick_toml import quick_toml
    from corsgate.errors import ConfigError

    _complete(options, needs_secret=False)
    try:
        config = options.quick()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return os.EX_CONFIG
    given = options["auth"]
    # The file needs a variable that contains only the secret, not the name as well.
    has_secret_alone = given is not None and not parse_auth(given).lacks_name
    variable = options["auth-env"] if has_secret_alone else None
    print(quick_toml(config, variable), end="")
    for warning in config.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return usage.FINE


def _complete(options: Options, *, needs_secret: bool = True) -> None:
    """Ask the user for the name and secret that ``--auth`` lacks.

    Args:
        options: The options. Their `completed` is set, unless there is no terminal to ask on or
            the options have a fault, which is reported when the configuration is made.
        needs_secret: Whether to ask for the secret; otherwise a placeholder is used.
    """
    import attrs

    from corsgate.errors import ConfigError

    if options["config"] is not None:
        return
    try:
        auth = options.auth()
    except ConfigError:
        return
    if auth is None:
        return
    likely = attrs.evolve(auth, name=auth.name or "user", secret=auth.secret or "secret")
    try:
        options.quick(likely)
    except ConfigError:
        # Report other faults before the user types a password in vain.
        options.completed = likely
        return
    if auth.lacks_name or (auth.secret is None and needs_secret):
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return
        auth = _ask(auth, options["upstream"], needs_secret=needs_secret)
    options.completed = auth if needs_secret else attrs.evolve(auth, secret=likely.secret)


def _ask(auth: QuickAuth, upstream: str, *, needs_secret: bool) -> QuickAuth:
    """Return credentials with the parts that the user types. A secret is not shown."""
    from getpass import getpass

    import attrs

    from corsgate.config.quick_auth import KINDS

    kind = KINDS[auth.kind]
    missing = kind.name if auth.lacks_name else kind.hidden
    try:
        if auth.lacks_name:
            print(f"{kind.name.capitalize()} for {upstream}: ", end="", file=sys.stderr, flush=True)
            name = sys.stdin.readline()
            if not name.endswith("\n"):
                raise EOFError
            auth = attrs.evolve(auth, name=name.strip())
            missing = kind.hidden
        if auth.secret is None and needs_secret:
            whose = f"{auth.name} at {upstream}" if kind.name else upstream
            secret = getpass(f"{kind.hidden.capitalize()} for {whose}: ")
            auth = attrs.evolve(auth, secret=secret)
    except EOFError:
        print(f"\nno {missing} was given", file=sys.stderr)
        raise SystemExit(usage.TROUBLE) from None
    return auth
