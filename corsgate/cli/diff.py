"""``corsgate diff``: describe what a configuration change does."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from corsgate.cli import usage
from corsgate.cli.load import load
from corsgate.cli.usage import FINE, FOUND, complain
from corsgate.config.diff import differences
from corsgate.errors import ConfigError

_DESCRIPTION = """\
Describe what NEW adds to OLD (+), removes from it (-) and changes (~): origins, methods, headers,
routes, servers, names of credentials, listeners and limits. Secrets are never shown. If a secret
can't be read on this machine, only a change of its source is reported.

exit status: 0 no difference, 1 differences, 2 a file can't be read or has faults"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = usage.parser("diff", _DESCRIPTION, "corsgate diff etc/minimal.toml etc/demo.toml")
    options.add_argument("old", metavar="OLD", help="the configuration file before the change")
    options.add_argument("new", metavar="NEW", help="the configuration file after the change")
    options.add_argument("--json", action="store_true", help="print JSON")
    return options


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    given = parser().parse_args(argv)
    try:
        old, new = load(given.old), load(given.new)
    except ConfigError as error:
        return complain(error)
    found = differences(old.config, new.config, old.document, new.document)
    if given.json:
        result = [
            {"kind": each.kind.name.lower(), "where": each.where, "words": each.words}
            for each in found
        ]
        print(json.dumps(result, indent=2))
    else:
        print("".join(f"{each}\n" for each in found), end="")
    return FOUND if found else FINE
