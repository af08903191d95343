"""``corsgate schema``: print the JSON Schema of configuration files, for editors."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from corsgate.cli import usage
from corsgate.cli.usage import FINE
from corsgate.config.schema import config_schema

_DESCRIPTION = """\
Print the JSON Schema (draft 2020-12) of configuration files. Editors with a TOML language server
use it to complete and check files whose first line is "#:schema corsgate.schema.json". Instead of
the name, the line may have a path or a URL.

exit status: 0"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return usage.parser("schema", _DESCRIPTION, "corsgate schema > corsgate.schema.json")


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    parser().parse_args(argv)
    print(json.dumps(config_schema(), indent=2))
    return FINE
