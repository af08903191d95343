"""wrk and h2load, which make the loads and tell what came of them."""

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
    """What the sender of a load saw.

    Attributes:
        requests: How many ended.
        bytes: How many came in their bodies at least.
        duration_us: How long that took.
        failed: How many got an error status, or none.
        p50_us: The median of the latencies.
        p99_us: What one of a hundred exceeds.
    """

    requests: int
    bytes: int
    duration_us: int
    failed: int
    p50_us: int
    p99_us: int


class Driver:
    """Puts proxies under load, from one core.

    Args:
        core: The core.

    Raises:
        LeftOut: wrk can't be had.
    """

    def __init__(self, core: int) -> None:
        self._wrk = install.program("wrk", "wrk")
        self._core = core

    def drive(self, load: Load, port: int, target: str, seconds: int) -> Outcome:
        """Put a proxy under load.

        Args:
            load: The load.
            port: The proxy's on 127.0.0.1.
            target: The requests' target.
            seconds: How long.

        Raises:
            LeftOut: The sender has failed, or the proxy has failed requests.
        """
        url = f"{'https' if load.tls else 'http'}://127.0.0.1:{port}{target}"
        if load.http2:
            outcome = self._drive_h2load(load, url, seconds)
        else:
            command = wrk_command(self._wrk, load, url, seconds)
            outcome = Outcome(**json.loads(self._run(command, seconds).splitlines()[-1]))
        if outcome.failed or not outcome.requests:
            raise LeftOut(f"{outcome.failed} requests failed beside {outcome.requests}")
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
    """Return what runs wrk.

    Args:
        wrk: Its path.
        load: The load.
        url: What is asked for.
        seconds: How long.
    """
    command = [wrk, "--threads", "1", "--timeout", "10s", "--duration", f"{seconds}s"]
    command += ["--connections", str(load.connections), "--script", str(_SCRIPT), url, "--"]
    command += [load.method, str(load.upload), str(load.numbers if load.numbered else -1)]
    return command + [word for field in load.fields.items() for word in field]


def h2load_command(h2load: str, load: Load, url: str, seconds: int, log: Path) -> list[str]:
    """Return what runs h2load.

    Args:
        h2load: Its path.
        load: The load.
        url: What is asked for.
        seconds: How long.
        log: Where it writes a line for each request.
    """
    command = [h2load, "--threads=1", f"--duration={seconds}", f"--log-file={log}"]
    command += [f"--clients={load.connections}", f"--max-concurrent-streams={load.streams}"]
    command += [f"--header={name}: {value}" for name, value in load.fields.items()]
    return [*command, url]


def h2load_outcome(written: str, log: Sequence[str]) -> Outcome:
    """Return what h2load saw.

    Args:
        written: What it wrote.
        log: A line for each request: when it was sent, its status, and what it took in
            microseconds.

    Raises:
        LeftOut: That isn't what h2load writes.
    """
    found = _H2LOAD.search(written)
    times = sorted(int(line.split("\t")[2]) for line in log)
    if found is None or not times:
        raise LeftOut(f"h2load tells no figures: {written.strip()[-200:]}")
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
