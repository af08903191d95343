"""``corsgate refusals``: list the latest calls that a daemon refused, and what would allow them."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from corsgate.cli import usage
from corsgate.cli.control_client import (
    DEFAULT_PIDFILE,
    ControlError,
    add_daemon_options,
    ask,
    chosen,
)
from corsgate.cli.usage import FINE, complain
from corsgate.daemon.control import REFUSALS
from corsgate.daemon.log_place import place_of
from corsgate.gate.log_style import Place
from corsgate.gate.log_text import printable

_ROUNDS = 3
"""How often to ask the daemon, which explains only some new refusals in each response."""

_DESCRIPTION = f"""\
List the latest browser calls that a running daemon refused because of its CORS policy, newest
first. Each entry has the time, the call, the number of times, the reason, and the TOML that would
allow it. Add only what you want to allow, since anybody can send any Origin.

Without --pid and --pidfile, the daemon in {DEFAULT_PIDFILE} of the current directory is asked, or
else the only one that is running on this machine. Only its own user and root have access.

exit status: 0 the refusals were printed, or there are none
             2 no daemon or several daemons were found, or it does not respond"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    options = usage.parser("refusals", _DESCRIPTION, "corsgate refusals --json")
    add_daemon_options(options)
    options.add_argument("--json", action="store_true", help="print JSON, for programs")
    return options


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    given = parser().parse_args(argv)
    try:
        pid = chosen(given.pid, given.pidfile)
        found = _asked(pid)
    except ControlError as error:
        return complain(str(error))
    except (OSError, ValueError) as error:
        return complain(
            f"the daemon did not send its refusals: {error}; it may be an older version"
        )
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        for line in as_lines(found, place_of(1, os.environ)):
            print(line)
    return FINE


def _asked(pid: int) -> dict[str, Any]:
    """Return the refusals, each explained if a few requests suffice for that."""
    found: dict[str, Any] = {}
    for _ in range(_ROUNDS):
        found = json.loads(ask(pid, REFUSALS))
        if all(each["explained"] for each in found["refusals"]):
            break
    return found


def as_lines(found: Mapping[str, Any], place: Place) -> Iterator[str]:
    """Return the refusals as lines for people.

    Args:
        found: The daemon's response.
        place: Where the lines are printed.
    """
    refusals = found["refusals"]
    if not refusals:
        yield "no refused calls since the daemon started"
        return
    file = found["file"] or ""
    for number, refusal in enumerate(refusals):
        if number:
            yield ""
        yield from _one(refusal, file, place)


def _one(refusal: Mapping[str, Any], file: str, place: Place) -> Iterator[str]:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(refusal["time_s"]))
    call = f"{refusal['method']} {refusal['url'] or refusal['path']} from {refusal['origin']}"
    asked = [refusal["asked_method"], refusal["asked_headers"]]
    if any(asked):
        call += f", asking for {' with '.join(filter(None, asked))}"
    times = f" ({refusal['count']:,} times)" if refusal["count"] > 1 else ""
    yield f"{place.paint('dim', when)} {printable(call)}{times}"
    yield f"  reason: {place.paint('yellow', printable(refusal['reason']))}"
    if refusal["near_miss"]:
        yield f"  near miss: {printable(refusal['near_miss'])}"
    if refusal["toml"]:
        yield f"  to allow it, write in {printable(file)}:"
        yield ""
        for line in refusal["toml"].rstrip("\n").split("\n"):
            yield "    " + place.paint("cyan", printable(line))
    if refusal["option"]:
        yield f"  to allow it, start the gate with {place.paint('cyan', refusal['option'])}"
    for advice in refusal["advice"]:
        yield f"  note: {printable(advice)}"
    if not refusal["explained"]:
        yield "  no proposal yet; run this command again"
