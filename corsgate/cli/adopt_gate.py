"""Starts the gate with the file that ``corsgate adopt`` wrote, and calls it as a browser would."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic, sleep

from corsgate.adopt.checklist import Case, Check, first_calls, goes_on, more_calls, verdict
from corsgate.adopt.probes import clip
from corsgate.cli.adopt_client import BoxClient, Deadline
from corsgate.explain.url import Url

START_S = 12.0
"""The minimum time that the gate has to start listening, in seconds."""

PROOF_S = 14.0
"""The maximum time for all calls together, in seconds."""

FIRST_PORT = 5555
_MOST_PORTS = 50
_POLL_S = 0.05


class GateFailed(Exception):
    """The gate did not start; the message is the end of its log."""


def command(file: str) -> list[str]:
    """Return the command that runs the gate with a configuration file."""
    return [sys.executable, "-m", "corsgate", "run", "--config", file]


def free_port(first: int = FIRST_PORT) -> int:
    """Return the first unused loopback port, starting at `first`; `first` if all are in use."""
    for port in range(first, first + _MOST_PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    return first


@contextmanager
def running(
    file: str, port: int, environ: Mapping[str, str], start_s: float = START_S
) -> Iterator[None]:
    """Run the gate.

    Args:
        file: Its configuration file.
        port: The port that it listens on.
        environ: Environment variables to add to those of this process.
        start_s: The maximum time until it listens, in seconds.

    Raises:
        GateFailed: It ended, or does not listen in time.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603  # The file is an argument, not a shell's word.
            command(file),
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            end = monotonic() + start_s
            while not _listens(port):
                if process.poll() is not None or monotonic() > end:
                    log.seek(0)
                    lines = log.read(64 * 1024).decode("utf-8", "replace").splitlines()[-5:]
                    said = "; ".join(clip(line, 200) for line in lines)
                    raise GateFailed(said or f"it did not listen within {start_s:.0f} s")
                sleep(_POLL_S)
            yield
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def prove(case: Case) -> Iterator[Check]:
    """Call the gate as a browser would; yield the result of each call.

    Once the box rejects the gate's login, nothing more is sent to it.
    """
    port = case.gate.effective_port
    client = BoxClient(case.gate, [("127.0.0.1", port)], Deadline(PROOF_S))
    for probe in first_calls(case):
        reply = client.send(probe)
        check = verdict(case, probe, reply)
        yield check
    if not goes_on(check, reply):
        return
    for probe in more_calls(case):
        yield verdict(case, probe, client.send(probe))


def gate_url(port: int) -> Url:
    """Return the gate's URL on a port."""
    return Url.parse(f"http://localhost:{port}/")
