"""``corsgate adopt``: probe a server, write a configuration for it, and test the gate with it."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from corsgate.cli import usage
from corsgate.cli.adopt_client import why
from corsgate.cli.adopt_look import Stop
from corsgate.cli.adopt_session import Adoption
from corsgate.cli.load import StandIns
from corsgate.config.parse import parse_with
from corsgate.config.toml.writer import toml_value
from corsgate.cors.check import CORS_RULES
from corsgate.errors import BadValue, ConfigError
from corsgate.explain.url import Url
from corsgate.transport.files import read_file

_DESCRIPTION = """\
Probe a box (a server that can't be changed), write a configuration for it, start the gate, and
test that a page of ORIGIN can use the box through it.

The box receives about 25 requests, all of them GET, HEAD or OPTIONS. Each is printed with its
outcome, and together they take less than a minute. If the box requires a login, you are asked for
it. Each kind of login that the box offers is tried once, and none after two rejections, so that no
account is locked. The password is not written to the file. The file names an environment variable
instead.

On a terminal, the gate then keeps running until Ctrl-C. Otherwise it is stopped after the test.

exit status: 0 written and tested, 1 something does not work, 2 bad usage or no response"""

_EXAMPLE = """\
corsgate adopt http://localhost:8000/v1 --origin http://localhost:4200
corsgate adopt https://10.0.0.5 --origin http://localhost:4200 --user admin --auth-env BOX_PW"""

DEFAULT_OUTPUT = "gate.toml"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = usage.parser("adopt", _DESCRIPTION, _EXAMPLE)
    options.add_argument(
        "url", metavar="URL", help="the URL of the box's API; its path becomes the route"
    )
    options.add_argument(
        "--origin",
        metavar="ORIGIN",
        action="append",
        required=True,
        dest="origins",
        help="an origin whose pages may use the box; repeat it for several",
    )
    options.add_argument("--user", metavar="NAME", help="the user name for the login")
    options.add_argument(
        "--auth-env",
        metavar="VARIABLE",
        help="the environment variable with the password or token; FILE will name it",
    )
    options.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default=DEFAULT_OUTPUT,
        help=f"where to write the configuration (default: {DEFAULT_OUTPUT})",
    )
    options.add_argument("--force", action="store_true", help="overwrite FILE")
    options.add_argument(
        "--port", metavar="N", type=int, help="the gate's port (default: the first free from 5555)"
    )
    options.add_argument("--no-start", action="store_true", help="only write the configuration")
    return options


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    command = parser()
    given = command.parse_args(argv)
    if given.port is not None and not 0 < given.port < 65536:
        command.error("--port must be from 1 to 65535")
    if given.auth_env is not None and not _VARIABLE.fullmatch(given.auth_env):
        command.error("--auth-env must be the name of an environment variable")
    if given.user is not None and not given.user.isprintable():
        command.error("--user contains control characters")
    try:
        url = _url(given.url)
        _check_origins(given.origins)
    except (BadValue, ConfigError) as error:
        return usage.complain(str(error))
    for file in (given.output, f"{Path(given.output).with_suffix('')}-ca.pem"):
        if Path(file).exists() and not given.force:
            return usage.complain(f"{file} exists; give --force to overwrite it, or --output")
    adoption = Adoption(
        url=url,
        origins=tuple(given.origins),
        output=given.output,
        user=given.user,
        auth_env=given.auth_env,
        overwrites=given.force,
        port=given.port,
        starts=not given.no_start,
        today=date.today().isoformat(),
    )
    try:
        return adoption.run()
    except Stop as stop:
        usage.complain(str(stop))
        return stop.status
    except OSError as error:
        return usage.complain(f"{given.url}: {why(error)}")
    except (KeyboardInterrupt, EOFError):
        # Ctrl-C, or Ctrl-D at a question.
        print("\nstopped", file=sys.stderr)
        return usage.TROUBLE


def _url(text: str) -> Url:
    """Return the URL. Without a scheme it is http, until the box turns out to use TLS."""
    url = Url.parse(text if "://" in text else f"http://{text}")
    if url.has_userinfo:
        raise BadValue(
            "the URL contains a user or password", "leave it out, and give --user and --auth-env"
        )
    return url


def _check_origins(origins: Sequence[str]) -> None:
    """Reject origins that are invalid in a policy, before anything is sent.

    Raises:
        BadValue: At least one is invalid.
    """
    text = (
        'listen = ["tcp:0"]\n[upstreams.box]\nservers = ["http://localhost"]\n'
        'credentials = { type = "bearer", token = "x" }\n[routes."/"]\nupstream = "box"\n'
        f"cors = {{ allow_origins = {toml_value(list(origins))} }}\n"
    )
    try:
        parse_with(
            text.encode("utf-8", "surrogateescape"),
            file="--origin",
            sources=StandIns(environ={}, read_file=read_file, stands_in=True),
            cors_rules=CORS_RULES,
        )
    except ConfigError as error:
        found = [f"--origin: {fault.problem}; {fault.fix}" for fault in error.faults]
        raise BadValue("\n".join(found), "") from None
