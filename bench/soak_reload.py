"""Change a gate's configuration every second under steady load: `make soak-reload`.

The gate runs under twistd, as in production. Routes, policies, servers, certificates and listeners
change in turn, each followed by SIGHUP. Every fifth file is broken on purpose. The exit status is 1
if a request was lost or got a wrong response, or if a reload had a wrong effect.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from bench.processes import Daemon, LeftOut, free_port
from bench.report import machine, table
from bench.soak_reload_config import KINDS, Files, Ports, Step
from bench.soak_reload_load import LIFE_S, PATIENCE_S, Clients, Http1, Tally

SECONDS: Final = 60
INTERVAL_S: Final = 1.0
"""The time between two reloads."""
_WAIT_S: Final = 10.0
"""A reload that takes longer counts as failed; one that takes longer than the interval as slow."""
_POLL_S: Final = 0.02
_SETTLE_S: Final = 3.0
"""How many seconds the gate has to close connections after its clients have left."""

_HERE: Final = Path(__file__).resolve().parent
_GATE_CORE, _LOAD_CORE = 0, 1


@attrs.frozen(kw_only=True)
class Sample:
    """The resources that the gate's process holds at one time.

    Attributes:
        rss_kb: Resident memory, in KiB.
        descriptors: Open descriptors.
        threads: All threads.
    """

    rss_kb: int
    descriptors: int
    threads: int


def sample(pid: int) -> Sample:
    """Return the resources that a process holds now.

    Raises:
        LeftOut: The process has ended.
    """
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    found = dict(re.findall(r"(?m)^(VmRSS|Threads):\s+(\d+)", status))
    if "VmRSS" not in found:
        raise LeftOut("the gate has ended under load")
    return Sample(
        rss_kb=int(found["VmRSS"]),
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),
        threads=int(found["Threads"]),
    )


@attrs.define
class Reloads:
    """Repeatedly changes the configuration file of a gate, and makes the gate reload it.

    Attributes:
        files: The configuration.
        daemon: The gate.
        output: The file of the gate's log.
        port: The gate's port.
        good: How many reloads worked, by kind; those of broken files were rejected and logged.
        bad: How many did not, by kind and actual effect.
        slow: How many took longer than the interval, which delayed the next one.
        samples: The gate's resources after each reload.
    """

    files: Files
    daemon: Daemon
    output: Path
    port: int
    good: Counter[str] = attrs.Factory(Counter)
    bad: Counter[str] = attrs.Factory(Counter)
    slow: int = 0
    samples: list[Sample] = attrs.Factory(list)

    async def run(self, seconds: float) -> None:
        """Reload once per interval, for some seconds."""
        clock = asyncio.get_running_loop().time
        start = due = clock()
        while due - start < seconds:
            await asyncio.sleep(max(due - clock(), 0))
            served = self.files.version
            step = self.files.change()
            began = clock()
            os.kill(self.daemon.pid, signal.SIGHUP)
            await self._check(step, served)
            self.samples.append(sample(self.daemon.pid))
            self.slow += clock() - began > INTERVAL_S
            due = max(due + INTERVAL_S, clock())

    async def _check(self, step: Step, served: int) -> None:
        """Wait until a reload has had its expected effect."""
        clock = asyncio.get_running_loop().time
        until, what = clock() + _WAIT_S, "no effect"
        while clock() < until:
            version = await self._version()
            if step.kind == "broken":
                logged = step.mark in self.output.read_text("utf-8", "replace")
                if version == served and logged:
                    self.good[step.kind] += 1
                    return
                what = "not logged" if version == served else f"version {version} is served"
            elif version == self.files.version:
                self.good[step.kind] += 1
                return
            await asyncio.sleep(_POLL_S)
        self.bad[f"{step.kind}: {what}"] += 1

    async def _version(self) -> int | None:
        """Return the configuration version that a new connection gets."""
        try:
            connection = Http1(*await asyncio.open_connection("127.0.0.1", self.port))
        except OSError:
            return None
        try:
            await connection.send("GET", "/version")
            found = re.search(rb"(?i)x-version: (\d+)", await connection.head())
        except (OSError, asyncio.IncompleteReadError):
            return None
        finally:
            connection.close()
        return int(found[1]) if found else None


@attrs.frozen(kw_only=True)
class Outcome:
    """The outcome of a soak.

    Attributes:
        seconds: How long it took.
        tally: The outcomes of the clients' requests.
        reloads: The outcomes of the reloads.
        left: The gate's resources after its clients had left.
        status: The gate's exit status.
        complaints: Lines of its log that report errors.
    """

    seconds: float
    tally: Tally
    reloads: Reloads
    left: Sample
    status: int | None
    complaints: Sequence[str]

    @property
    def held(self) -> bool:
        """Whether nothing was lost or wrong, and each reload had the expected effect."""
        tally, first = self.tally, self.reloads.samples[0]
        flat = self.left.descriptors <= first.descriptors
        ended = self.status == 0 and not self.complaints
        return not (tally.lost or tally.wrong or self.reloads.bad) and flat and ended

    def report(self) -> str:
        """Return the report as Markdown."""
        tally, reloads = self.tally, self.reloads
        samples = [*reloads.samples, self.left]
        count, fds = len(reloads.samples), [each.descriptors for each in samples]
        at = {part: reloads.samples[min(count * part // 100, count - 1)] for part in (10, 50, 100)}
        memory = ", ".join(f"{each.rss_kb / 1024:.1f} at {part} %" for part, each in at.items())
        good = ", ".join(f"{kind} {reloads.good[kind]}" for kind in (*KINDS, "broken"))
        facts = [
            f"requests, streams and sockets: {tally.done.total():,} done,"
            f" {tally.lost.total():,} lost, {tally.wrong.total():,} with a wrong response",
            f"sent again after an idle connection was closed: {tally.again:,}; WebSockets closed"
            f" with 1001: {tally.sent_away:,}; refused while there was no listener:"
            f" {tally.refused:,}",
            f"reloads: {reloads.good.total():,} as expected ({good}), {reloads.bad.total():,} not",
            f"memory (MiB): {memory}; {self.left.rss_kb / 1024:.1f} once the clients had left",
            f"descriptors: {min(fds)} to {max(fds)}, {self.left.descriptors} at the end;"
            f" threads: at most {max(each.threads for each in samples)}",
            f"exit status {self.status}, {len(self.complaints)} line(s) of errors",
        ]
        for name, counts in (("lost", tally.lost), ("wrong", tally.wrong), ("reload", reloads.bad)):
            facts += [f"{name}: {what}: {number:,}" for what, number in counts.most_common(20)]
        facts += [f"log: {line[:300]}" for line in self.complaints[:10]]
        header = f"{self.seconds:.0f} s, a reload every {INTERVAL_S:g} s; {machine()}."
        rows = [[kind, f"{number:,}"] for kind, number in tally.done.items()]
        return "\n\n".join(
            (header, table(["clients", "done"], rows), "\n".join(f"- {fact}" for fact in facts))
        )


async def soak(seconds: float, reloads: Reloads, clients: Clients) -> Sample:
    """Put a gate under load while it reloads; return its resources afterwards."""
    async with asyncio.timeout(seconds + LIFE_S + 2 * PATIENCE_S + _WAIT_S):
        await asyncio.gather(clients.run(seconds), reloads.run(seconds))
    await asyncio.sleep(_SETTLE_S)
    return sample(reloads.daemon.pid)


def run(seconds: float, directory: Path) -> Outcome:
    """Run a soak in a directory, and end all its processes."""
    boxes = [free_port() for _ in range(3)]
    ports = Ports(plain=free_port(), tls=free_port(), extra=free_port(), boxes=boxes)
    files = Files(directory, ports)
    environ = {**os.environ, "PYTHONPATH": str(_HERE.parent)}
    place = directory / "box"
    place.mkdir()
    twistd = "from twisted.scripts.twistd import run; run()"
    command = [sys.executable, "-c", twistd, "-n", "--pidfile=", "corsgate", "--config"]
    box = Daemon(
        [sys.executable, "-m", "bench.soak_reload_box", *map(str, boxes)],
        core=_LOAD_CORE,
        port=boxes[-1],
        directory=place,
        environ=environ,
    )
    gate = Daemon(
        [*command, str(files.config)],
        core=_GATE_CORE,
        # This port is opened last, so all others are open by then.
        port=ports.tls,
        directory=directory,
        environ=environ,
    )
    with box:
        with gate:
            output = directory / "output"
            clients = Clients(ports, str(files.authority))
            reloads = Reloads(files, gate, output, ports.plain)
            left = asyncio.run(soak(seconds, reloads, clients))
        logged = output.read_text("utf-8", "replace").splitlines()
    return Outcome(
        seconds=seconds,
        tally=clients.tally,
        reloads=reloads,
        left=left,
        status=gate.status,
        complaints=[line for line in logged if re.search("Traceback|Unhandled|critical", line)],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak.

    Args:
        arguments: The command line's arguments.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.soak_reload", description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"default: {SECONDS}")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="leave all files there")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="corsgate-soak-") as name:
        directory = Path(name)
        if options.keep is not None:
            directory = options.keep.absolute()
            directory.mkdir(parents=True)
        try:
            outcome = run(options.seconds, directory)
        except LeftOut as error:
            output = directory / "output"
            last = output.read_text("utf-8", "replace").splitlines() if output.exists() else []
            print("\n".join((*last[-20:], str(error))), file=sys.stderr)
            return 1
    print(outcome.report())
    return 0 if outcome.held else 1


if __name__ == "__main__":
    sys.exit(main())
