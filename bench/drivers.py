"""Run wrk and h2load, which make the loads, and read their results."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from bench import install
from bench.loads import Load
from bench.processes import LeftOut

_SCRIPT: Final = Path(__file__).resolve().parent / "wrk.lua"
_GRACE_S: Final = 30.0
_H2LOAD: Final = re.compile(
    r"^finished in (?P<seconds>[\d.]+)s,.*"
    r"^requests: .* (?P<done>\d+) done, (?P<succeeded>\d+) succeeded, "
    r"(?P<failed>\d+) failed, (?P<errored>\d+) errored, (?P<timeout>\d+) timeout$.*"
    r"^traffic: .* \((?P<bytes>\d+)\) data$",
    re.MULTILINE | re.DOTALL,
)


@attrs.frozen(kw_only=True)
class Outcome:
    """The results of a load, as its sender saw them.

    Attributes:
        requests: How many requests ended.
        bytes: The minimum number of bytes received in bodies.
        duration_us: How long it took, in microseconds.
        failed: How many got an error status, or no response.
        p50_us: The median latency, in microseconds.
        p99_us: The 99th percentile of the latencies, in microseconds.
    """

    requests: int
    bytes: int
    duration_us: int
    failed: int
    p50_us: int
    p99_us: int


class Driver:
    """Puts proxies under load, running on one core.

    Args:
        core: The core.

    Raises:
        LeftOut: wrk is not available.
    """

    def __init__(self, core: int) -> None:
        self._wrk = install.program("wrk", "wrk")
        self._core = core

    def drive(self, load: Load, port: int, target: str, seconds: int) -> Outcome:
        """Put a proxy under load.

        Args:
            load: The load.
            port: The proxy's port on 127.0.0.1.
            target: The requests' target.
            seconds: For how long.

        Raises:
            LeftOut: The sender failed, or the proxy failed requests.
        """
        url = f"{'https' if load.tls else 'http'}://127.0.0.1:{port}{target}"
        if load.http2:
            outcome = self._drive_h2load(load, url, seconds)
        else:
            command = wrk_command(self._wrk, load, url, seconds)
            outcome = Outcome(**json.loads(self._run(command, seconds).splitlines()[-1]))
        if outcome.failed or not outcome.requests:
            raise LeftOut(f"{outcome.failed} requests failed, {outcome.requests} succeeded")
        if outcome.bytes < outcome.requests * load.length:
            raise LeftOut(f"{outcome.requests} responses have {outcome.bytes} bytes in all")
        return outcome

    def _drive_h2load(self, load: Load, url: str, seconds: int) -> Outcome:
        h2load = install.program("h2load", "nghttp2-client")
        with tempfile.TemporaryDirectory(prefix="corsgate-h2load-") as directory:
            log = Path(directory) / "requests"
            command = h2load_command(h2load, load, url, seconds, log)
            written = self._run(command, seconds)
            return h2load_outcome(written, log.read_text(encoding="ascii").splitlines())

    def _run(self, command: Sequence[str], seconds: int) -> str:
        pinned = ["taskset", "-c", str(self._core), *command]
        try:
            done = subprocess.run(  # noqa: S603 - the command is our own
                pinned,
                capture_output=True,
                text=True,
                check=True,
                timeout=seconds + _GRACE_S,
                env={**os.environ, **install.libraries(command[0])},
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise LeftOut(f"{Path(command[0]).name} failed: {error}") from error
        return done.stdout


def wrk_command(wrk: str, load: Load, url: str, seconds: int) -> list[str]:
    """Return the command that runs wrk.

    Args:
        wrk: Its path.
        load: The load.
        url: The URL to request.
        seconds: For how long.
    """
    command = [wrk, "--threads", "1", "--timeout", "10s", "--duration", f"{seconds}s"]
    command += ["--connections", str(load.connections), "--script", str(_SCRIPT), url, "--"]
    command += [load.method, str(load.upload), str(load.numbers if load.numbered else -1)]
    return command + [word for field in load.fields.items() for word in field]


def h2load_command(h2load: str, load: Load, url: str, seconds: int, log: Path) -> list[str]:
    """Return the command that runs h2load.

    Args:
        h2load: Its path.
        load: The load.
        url: The URL to request.
        seconds: For how long.
        log: The file to which it writes a line for each request.
    """
    command = [h2load, "--threads=1", f"--duration={seconds}", f"--log-file={log}"]
    command += [f"--clients={load.connections}", f"--max-concurrent-streams={load.streams}"]
    command += [f"--header={name}: {value}" for name, value in load.fields.items()]
    return [*command, url]


def h2load_outcome(written: str, log: Sequence[str]) -> Outcome:
    """Return h2load's results.

    Args:
        written: Its output.
        log: A line for each request: when it was sent, its status, and how long it took in
            microseconds.

    Raises:
        LeftOut: The output is not in h2load's format.
    """
    found = _H2LOAD.search(written)
    times = sorted(int(line.split("\t")[2]) for line in log)
    if found is None or not times:
        raise LeftOut(f"h2load printed no figures: {written.strip()[-200:]}")
    done, succeeded = int(found["done"]), int(found["succeeded"])
    broken = sum(int(found[name]) for name in ("errored", "timeout"))
    return Outcome(
        requests=succeeded,
        bytes=int(found["bytes"]),
        duration_us=round(float(found["seconds"]) * 1e6),
        failed=done - succeeded + broken,
        p50_us=times[len(times) // 2],
        p99_us=times[len(times) * 99 // 100],
    )
