"""``corsgate schema``: print the JSON Schema of configurations, for editors."""

from __future__ import annotations

import json
from collections.abc import Sequence

from corsgate.cli.usage import FINE, parser
from corsgate.config.schema import config_schema

_DESCRIPTION = """\
Print the JSON Schema (draft 2020-12) of configuration files. An editor with a TOML language server
uses it to complete and check files whose first line is "#:schema corsgate.schema.json" (or another
path or URL).

exit status: 0"""


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    parser("schema", _DESCRIPTION, "corsgate schema > corsgate.schema.json").parse_args(argv)
    print(json.dumps(config_schema(), indent=2))
    return FINE
