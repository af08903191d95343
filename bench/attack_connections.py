"""One address holds all upstream connections; what does another one's GET take?

``python -m bench.attack_connections``: each form of the attack for some seconds, on loopback. The
attackers come from 127.0.0.1, the victim from 127.0.0.2.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import attrs

from bench.attack_clients import FORMS
from bench.processes import Daemon, free_port, usage
from bench.report import machine, table

MOST: Final = 1024
"""How many connections to the server there may be."""
SECONDS: Final = 4.0
SETTLE_S: Final = 1.0
RATE: Final = 40
PATIENCE_S: Final = 12.0
BAR_S: Final = 1.0
"""What the victim's GET may take at p99."""

_HERE: Final = Path(__file__).resolve().parent
_GATE_CORE, _LOAD_CORE = 0, 1
_CONFIG: Final = """\
listen = ["tcp:{port}:interface=127.0.0.1:backlog=1024"]
hosts = ["localhost"]
access_log = "{directory}/access"
[[listener]]
endpoint = "tcp:{tls}:interface=127.0.0.1:backlog=1024"
certificates = [{{ chain = "{directory}/cert.pem", key = "{directory}/key.pem" }}]
http2 = true
[upstreams.box]
servers = ["http://127.0.0.1:{box}"]
max_connections = {most}
[routes."/"]
upstream = "box"
[limits]
max_connections_per_client = 2000
"""


@attrs.frozen(kw_only=True)
class Outcome:
    """What the victim saw of one form of the attack.

    Attributes:
        form: The form.
        times: How long each GET took in seconds, sorted.
        failed: How many of them got no 200.
        held: How many connections the server had when the victim began.
        cpu_s: What the gate used meanwhile.
    """

    form: str
    times: Sequence[float]
    failed: int
    held: int
    cpu_s: float

    def took_s(self, part: float) -> float:
        """Return what so large a part of the GETs took at most."""
        return self.times[min(int(part * len(self.times)), len(self.times) - 1)]

    def row(self) -> list[str]:
        """Return its row of the report."""
        times = (f"{self.took_s(part) * 1000:,.0f}" for part in (0.5, 0.99, 1.0))
        count = f"{len(self.times)}"
        return [self.form, f"{self.held:,}", count, f"{self.failed}", *times, f"{self.cpu_s:.1f}"]


@contextmanager
def box(directory: Path) -> Iterator[Daemon]:
    """Run the server that is attacked."""
    port = free_port()
    place = directory / "box"
    place.mkdir()
    command = [sys.executable, "-m", "bench.attack_box", str(port)]
    with Daemon(command, core=_LOAD_CORE, port=port, directory=place, environ=_environ()) as daemon:
        yield daemon


@contextmanager
def gate(directory: Path, server: Daemon) -> Iterator[tuple[Daemon, int]]:
    """Run a gate in front of it; yield it and the port that it speaks TLS on."""
    place = directory / "gate"
    place.mkdir()
    _make_certificate(place)
    port, tls = free_port(), free_port()
    text = _CONFIG.format(port=port, tls=tls, box=server.port, directory=place, most=MOST)
    (place / "gate.toml").write_text(text, encoding="utf-8")
    run_twistd = "from twisted.scripts.twistd import run; run()"
    command = [sys.executable, "-c", run_twistd, "-n", "--pidfile=", "corsgate"]
    command += ["--config", str(place / "gate.toml")]
    with Daemon(command, core=_GATE_CORE, port=port, directory=place, environ=_environ()) as daemon:
        yield daemon, tls


@contextmanager
def attackers(form: str, port: int, tls: int) -> Iterator[None]:
    """Run an attack, which has opened all that it wants when this is entered."""
    command = [sys.executable, "-m", "bench.attack_clients", form, str(port), str(tls)]
    process = subprocess.Popen(  # noqa: S603 - the command is our own
        command, stdout=subprocess.PIPE, env=_environ(), start_new_session=True
    )
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError(f"the attack ended before it began: {form}")
        yield
    finally:
        process.kill()
        process.wait()


async def visit(port: int) -> bool:
    """Send the victim's GET on a connection of its own; return whether it got a 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
    try:
        writer.write(b"GET /small HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    finally:
        writer.close()


async def measure(port: int) -> tuple[list[float], int]:
    """Return how long the victim's GETs took, and how many of them failed."""
    loop = asyncio.get_running_loop()
    times: list[float] = []
    failed = 0

    async def one() -> None:
        nonlocal failed
        began, served = loop.time(), False
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                served = await visit(port)
        times.append(loop.time() - began)
        failed += not served

    start = loop.time()
    tasks = []
    for number in range(int(SECONDS * RATE)):
        await asyncio.sleep(start + number / RATE - loop.time())
        tasks.append(loop.create_task(one()))
    await asyncio.gather(*tasks)
    return sorted(times), failed


def run(form: str, directory: Path) -> Outcome:
    """Attack in one form, and measure."""
    directory.mkdir()
    with (
        box(directory) as server,
        gate(directory, server) as (daemon, tls),
        attackers(form, daemon.port, tls),
    ):
        held = _settle(server.port)
        before = usage(daemon.pid).cpu_s
        times, failed = asyncio.run(measure(daemon.port))
        cpu_s = usage(daemon.pid).cpu_s - before
    return Outcome(form=form, times=times, failed=failed, held=held, cpu_s=cpu_s)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all forms of the attack.

    Args:
        arguments: Of the command line.

    Returns:
        The exit status: 1 where a GET failed, or took longer than the bar at p99.
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
    held = all(not each.failed and each.took_s(0.99) <= BAR_S for each in outcomes)
    return 0 if held else 1


def _settle(port: int) -> int:
    """Wait until all connections to a server are held, if they come to be; return how many."""
    deadline = time.monotonic() + PATIENCE_S
    while _connections(port) < MOST and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(SETTLE_S)
    return _connections(port)


def _connections(port: int) -> int:
    """Return how many connections a server on 127.0.0.1 has now, from proc(5)."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(each[1].endswith(f":{port:04X}") and each[3] == "01" for each in fields)


def _make_certificate(place: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(command, cwd=place, check=True, capture_output=True)  # noqa: S603 - our own


def _environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_HERE.parent)}


if __name__ == "__main__":
    sys.exit(main())
