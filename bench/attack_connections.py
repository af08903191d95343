"""One address holds all upstream connections; how long does a GET from another take?

``python -m bench.attack_connections`` runs each form of the attack for some seconds, on loopback.
The attackers use the address 127.0.0.1, the victim uses 127.0.0.2.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

from bench.attack_clients import FORMS
from bench.attack_stage import PATIENCE_S, RATE, Front, Seen, box, environ, gate, watch
from bench.processes import usage
from bench.report import machine, table

MOST: Final = 1024
"""The default maximum number of connections to the server."""
SECONDS: Final = 4.0
SETTLE_S: Final = 1.0
BAR_S: Final = 1.0
"""How long the victim's GET may take at p99."""

# By default, one address may not open enough HTTP/1.1 connections to hold all of the upstream's.
_LIMITS: Final = "[limits]\nmax_connections_per_client = 2000\n"


@attrs.frozen(kw_only=True)
class Outcome:
    """What the victim saw during one form of the attack.

    Attributes:
        form: The form's name.
        seen: The victim's results.
        held: How many connections the server had when the victim started.
        cpu_s: The CPU time that the gate used meanwhile.
    """

    form: str
    seen: Seen
    held: int
    cpu_s: float

    def row(self) -> list[str]:
        """Return the row of the report."""
        seen = self.seen
        times = (f"{seen.took_s(part) * 1000:,.0f}" for part in (0.5, 0.99, 1.0))
        count = f"{len(seen.times)}"
        return [self.form, f"{self.held:,}", count, f"{seen.failed}", *times, f"{self.cpu_s:.1f}"]


@contextmanager
def attackers(form: str, front: Front) -> Iterator[None]:
    """Run an attack; all its connections are open when this is entered."""
    command = [sys.executable, "-m", "bench.attack_clients", form, str(front.port), str(front.tls)]
    process = subprocess.Popen(  # noqa: S603 - the command is our own
        command, stdout=subprocess.PIPE, env=environ(), start_new_session=True
    )
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError(f"the attack ended before it was ready: {form}")
        yield
    finally:
        process.kill()
        process.wait()


def run(form: str, directory: Path) -> Outcome:
    """Run one form of the attack, and measure."""
    directory.mkdir()
    with (
        box(directory) as server,
        gate(directory, server.port, _LIMITS) as front,
        attackers(form, front),
    ):
        held = _settle(server.port)
        before = usage(front.daemon.pid).cpu_s
        seen = asyncio.run(watch(front.port, SECONDS))
        cpu_s = usage(front.daemon.pid).cpu_s - before
    return Outcome(form=form, seen=seen, held=held, cpu_s=cpu_s)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all forms of the attack.

    Args:
        arguments: The command line's arguments.

    Returns:
        The exit status: 1 if a GET failed, or the p99 exceeded the bar.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.attack_connections", description=__doc__)
    parser.add_argument("--form", help="only the forms with this in their names")
    options = parser.parse_args(arguments)
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="corsgate-attack-") as name:
        for number, form in enumerate(FORMS):
            if options.form is None or options.form in form:
                print(form, file=sys.stderr)
                outcomes.append(run(form, Path(name) / str(number)))
    header = ["attack", "held", "GETs", "failed", "p50 ms", "p99 ms", "slowest ms", "CPU s"]
    print(f"{RATE} GETs per second for {SECONDS:g} s each; {machine()}.\n")
    print(table(header, [outcome.row() for outcome in outcomes]))
    held = all(not each.seen.failed and each.seen.took_s(0.99) <= BAR_S for each in outcomes)
    return 0 if held else 1


def _settle(port: int) -> int:
    """Wait until all connections to a server are held, or a time limit; return how many are."""
    deadline = time.monotonic() + PATIENCE_S
    while _connections(port) < MOST and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(SETTLE_S)
    return _connections(port)


def _connections(port: int) -> int:
    """Return how many connections a server on 127.0.0.1 has now, see proc(5)."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(each[1].endswith(f":{port:04X}") and each[3] == "01" for each in fields)


if __name__ == "__main__":
    sys.exit(main())
