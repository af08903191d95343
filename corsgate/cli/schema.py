"""``corsgate schema``: print the JSON Schema of configurations, for editors."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from corsgate.cli import usage
from corsgate.cli.usage import FINE
from corsgate.config.schema import config_schema

_DESCRIPTION = """\
Print the JSON Schema (draft 2020-12) of configuration files. An editor with a TOML language server
uses it to complete and check files whose first line is "#:schema corsgate.schema.json" (or another
path or URL).

exit status: 0"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return usage.parser("schema", _DESCRIPTION, "corsgate schema > corsgate.schema.json")


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    parser().parse_args(argv)
    print(json.dumps(config_schema(), indent=2))
    return FINE
