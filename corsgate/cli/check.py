"""``corsgate check``: report every fault and warning in a configuration."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

import attrs

from corsgate.cli import usage
from corsgate.cli.usage import FINE, FOUND
from corsgate.config.model.values import Config
from corsgate.config.sections.tls import tls_findings
from corsgate.config.toml.lines import key_lines, key_text, line_of
from corsgate.config.warning_lines import warning_lines
from corsgate.errors import ConfigError, Fault
from corsgate.explain.box_view import origins_seen
from corsgate.gate.load import load_config
from corsgate.gate.startup_checks import listener_path
from corsgate.transport.files import read_given

_DESCRIPTION = """\
Report every fault and warning in a configuration file, each with its line and its fix. Also report
what is missing on this machine. No port is opened, so a port in use is only reported at startup.

exit status: 0 no faults (there may be warnings), 1 faults, 2 bad usage"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    options = usage.parser("check", _DESCRIPTION, "corsgate check --json etc/demo.toml")
    options.add_argument("file", metavar="FILE", help="the configuration file (TOML)")
    options.add_argument("--json", action="store_true", help="print JSON")
    return options


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    given = parser().parse_args(argv)
    # Creating an endpoint needs a reactor, although no port is opened.
    from twisted.internet import reactor

    faults: Sequence[Fault] = ()
    warnings: Sequence[Fault] = ()
    seen: Sequence[str] = ()
    sources: list[bytes] = []

    def read(file: str) -> bytes:
        # The file is read only once, since a pipe can't be read again.
        sources.append(read_given(file))
        return sources[0]

    try:
        config = load_config(given.file, reactor, read=read)
    except ConfigError as error:
        faults, warnings = error.faults, error.warnings
    else:
        found = (*config.warnings, *_tls_warnings(given.file, sources[0], config))
        warnings = sorted(found, key=lambda warning: warning.line or 0)
        seen = list(origins_seen(config))
    if given.json:
        result = {
            "file": given.file,
            "ok": not faults,
            "faults": [attrs.asdict(fault) for fault in faults],
            "warnings": [attrs.asdict(warning) for warning in warnings],
            "seen": seen,
        }
        print(json.dumps(result, indent=2))
        return FOUND if faults else FINE
    for fault in faults:
        print(fault, file=sys.stderr)
    for line in warning_lines(warnings):
        print(f"warning: {line}", file=sys.stderr)
    if not faults:
        routes, upstreams = len(config.routes), len(config.upstreams)
        print(f"{given.file}: ok, {routes} route(s) to {upstreams} upstream(s)")
        print(*seen, sep="\n", end="\n" if seen else "")
    return FOUND if faults else FINE


def _tls_warnings(file: str, source: bytes, config: Config) -> list[Fault]:
    """Return the current warnings about TLS, each with its line in the file."""
    lines = key_lines(source.decode("utf-8-sig"))
    warnings = []
    for path, problem in tls_findings(config, time.time()):
        if path[0] == "listener":
            path = (*listener_path(lines, int(path[1])), *path[2:])
        line, key = line_of(lines, path), key_text(path)
        warnings.append(Fault(file=file, line=line, key=key, problem=problem, fix=""))
    return warnings
