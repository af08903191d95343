"""Run a minute with three servers; one is killed, one hangs, and both come back: `make soak`.

The gate and HAProxy run it with the same settings, one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import attrs

from bench import install
from bench.processes import Daemon, LeftOut, free_port
from bench.report import machine, put, table
from bench.soak_load import Load, Outcome

SECONDS: Final = 60
RATE: Final = 150
KILL_S, HANG_S, BACK_S, GO_ON_S = 10, 15, 30, 35
"""When b is killed, c is stopped, b is restarted, and c is continued."""
SLOW_START_S: Final = 5
NOTICED_S: Final = 4
"""How long a proxy may take to notice that a server is back: two passed probes, one per second."""
EVEN: Final = 0.1
"""By what fraction each server's load may differ from a third of the total once all are back."""

_HERE: Final = Path(__file__).resolve().parent
_PROXY_CORE, _LOAD_CORE = 0, 1


@attrs.frozen(kw_only=True)
class Proxy:
    """A proxy to test."""

    name: str
    config: str
    command: Sequence[str]


def proxies() -> list[Proxy]:
    """Return the gate, and HAProxy if it is available."""
    run_twistd = "from twisted.scripts.twistd import run; run()"
    gate = [sys.executable, "-c", run_twistd, "-n", "--pidfile=", "corsgate", "--config"]
    found = [Proxy(name="corsgate", config="soak.toml", command=gate)]
    try:
        haproxy = install.program("haproxy", "haproxy")
    except LeftOut as error:
        print(f"HAProxy is left out: {error}", file=sys.stderr)
        return found
    return [*found, Proxy(name="haproxy", config="soak.cfg", command=[haproxy, "-db", "-f"])]


class Boxes:
    """The three servers.

    Args:
        directory: An empty directory, below which they run.
    """

    def __init__(self, directory: Path) -> None:
        self.ports = {name: free_port() for name in "abc"}
        self._directory = directory
        self._running: dict[str, Daemon] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Boxes:
        for name in self.ports:
            self.start(name)
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.ports:
            self.signal(name, signal.SIGCONT)
        self._stack.close()

    def start(self, name: str) -> None:
        """Start or restart a server."""
        place = self._directory / name
        place.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "bench.soak_box", name, str(self.ports[name])]
        environ = {**os.environ, "PYTHONPATH": str(_HERE.parent)}
        daemon = Daemon(
            command,
            core=_LOAD_CORE,
            port=self.ports[name],
            directory=place,
            environ=environ,
        )
        self._running[name] = self._stack.enter_context(daemon)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a server a signal, if it is running."""
        if self._running[name].running:
            os.kill(self._running[name].pid, number)


@contextmanager
def running(proxy: Proxy, ports: Mapping[str, int], directory: Path) -> Iterator[Daemon]:
    """Run a proxy in front of the servers during the context."""
    place = directory / proxy.name
    place.mkdir()
    values = {**{name: str(port) for name, port in ports.items()}, "directory": str(place)}
    port = free_port()
    text = (_HERE / "configs" / proxy.config).read_text(encoding="utf-8")
    for name, value in {**values, "port": str(port)}.items():
        text = text.replace(f"@{name}@", value)
    config = place / proxy.config
    config.write_text(text, encoding="utf-8")
    environ = {**os.environ, **install.libraries(proxy.command[0])}
    environ["PYTHONPATH"] = str(_HERE.parent)
    command = [*proxy.command, str(config)]
    with Daemon(command, core=_PROXY_CORE, port=port, directory=place, environ=environ) as daemon:
        yield daemon


async def soak(port: int, boxes: Boxes) -> list[Outcome]:
    """Put a proxy under load for a minute while its servers fail.

    Args:
        port: The proxy's port.
        boxes: Its servers.

    Returns:
        The outcome of each request.
    """
    load = Load(port=port, rate=RATE)
    loop = asyncio.get_running_loop()
    events = [
        (KILL_S, lambda: boxes.signal("b", signal.SIGKILL)),
        (HANG_S, lambda: boxes.signal("c", signal.SIGSTOP)),
        (BACK_S, lambda: loop.run_in_executor(None, boxes.start, "b")),
        (GO_ON_S, lambda: boxes.signal("c", signal.SIGCONT)),
    ]
    for at_s, happen in events:
        loop.call_later(at_s, happen)
    await load.run(SECONDS)
    return load.outcomes


@attrs.frozen(kw_only=True)
class Verdict:
    """The result of a proxy's minute.

    Attributes:
        proxy: Its name.
        outcomes: The outcome of each request.
    """

    proxy: str
    outcomes: Sequence[Outcome]

    @property
    def failed(self) -> Sequence[float]:
        """When each failed request was sent, in seconds."""
        return sorted(each.sent_s for each in self.outcomes if each.status != 200)

    @property
    def shares(self) -> Mapping[str, float]:
        """Each server's fraction of the load after all were back and their slow start was over."""
        even_from_s = GO_ON_S + NOTICED_S + SLOW_START_S
        late = Counter(each.server for each in self.outcomes if each.sent_s >= even_from_s)
        return {name: late[name] / late.total() for name in "abc"}

    @property
    def held(self) -> bool:
        """Whether no request failed and the load was even again."""
        even = all(abs(share - 1 / 3) <= EVEN / 3 for share in self.shares.values())
        return not self.failed and even

    def took_ms(self, part: float) -> float:
        """Return a quantile of the times in milliseconds, such as 0.99 for p99."""
        times = sorted(each.took_s for each in self.outcomes)
        return times[min(int(part * len(times)), len(times) - 1)] * 1000

    def row(self) -> list[str]:
        """Return the row of the report."""
        return [
            self.proxy,
            f"{len(self.outcomes):,}",
            f"{len(self.failed):,}",
            *(f"{self.took_ms(part):,.0f}" for part in (0.5, 0.99, 0.999, 1.0)),
            ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items()),
        ]


def report(verdicts: Sequence[Verdict]) -> str:
    """Return the report as Markdown."""
    header = ["proxy", "requests", "failed", "p50 ms", "p99 ms", "p99.9 ms", "slowest ms"]
    rows = [verdict.row() for verdict in verdicts]
    lines = [
        f"{SECONDS} s at {RATE} requests per second; {machine()}.",
        table([*header, "load at the end"], rows),
    ]
    for verdict in verdicts:
        if verdict.failed:
            when = ", ".join(f"{at_s:.1f}" for at_s in verdict.failed[:20])
            lines.append(f"{verdict.proxy}: failed requests were sent at {when} s.")
    return "\n\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak.

    Args:
        arguments: The command line's arguments.

    Returns:
        The exit status: 1 if the gate failed a request, or its load was not even at the end.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the report there")
    options = parser.parse_args(arguments)
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="corsgate-soak-") as name:
        for proxy in proxies():
            place = Path(name) / proxy.name
            place.mkdir()
            print(f"{proxy.name}: {SECONDS} s", file=sys.stderr)
            with Boxes(place) as boxes, running(proxy, boxes.ports, place) as daemon:
                outcomes = asyncio.run(soak(daemon.port, boxes))
            verdicts.append(Verdict(proxy=proxy.name, outcomes=outcomes))
    text = report(verdicts)
    print(text)
    if options.output is not None:
        put(text, options.output)
    return 0 if verdicts[0].held else 1


if __name__ == "__main__":
    sys.exit(main())
