"""Measure the start, from exec to READY=1, as systemd sees it: `make bench-startup`."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import attrs

RUNS = 7

_TOML = """\
listen = ["tcp:0:interface=127.0.0.1"]
[upstreams.box]
servers = ["http://127.0.0.1:1"]
[routes."/"]
upstream = "box"
"""
_TWISTD = "from twisted.scripts.twistd import run; run()"


@attrs.frozen(kw_only=True, order=True)
class Start:
    """One start.

    Attributes:
        cpu_s: Its CPU time in seconds, which doesn't depend on other work on the machine.
        wall_s: Its duration in seconds.
    """

    cpu_s: float
    wall_s: float


def start(config: str, directory: str) -> Start:
    """Start a gate, and end it when it is ready.

    Args:
        config: Its configuration file.
        directory: A directory for the socket that receives its messages to systemd.

    Raises:
        SystemExit: It did not start.
    """
    address = f"{directory}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(60)
        began_s = time.monotonic()
        command = [sys.executable, "-c", _TWISTD, "-n", "--pidfile=", "corsgate"]
        gate = subprocess.Popen(  # noqa: S603  # it is this interpreter
            [*command, "--config", config],
            env={**os.environ, "NOTIFY_SOCKET": address},
            stdout=subprocess.DEVNULL,
        )
        try:
            message = receiver.recv(4096)
            wall_s = time.monotonic() - began_s
            if not message.startswith(b"READY=1"):
                raise SystemExit(message.decode())
            # proc(5): the 14th and 15th fields, counted after the command in parentheses.
            fields = Path(f"/proc/{gate.pid}/stat").read_text().rpartition(") ")[2].split()
            ticks = int(fields[11]) + int(fields[12])
        finally:
            gate.kill()
            gate.wait()
            os.unlink(address)
    return Start(cpu_s=ticks / os.sysconf("SC_CLK_TCK"), wall_s=wall_s)


def main() -> None:
    """Measure several starts, and print the best."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", nargs="?", help="a configuration file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        config = options.config or f"{directory}/corsgate.toml"
        if options.config is None:
            Path(config).write_text(_TOML)
        best = min(start(config, directory) for _ in range(RUNS))
    print(f"from exec to READY=1: {best.cpu_s:.2f} s of CPU in {best.wall_s:.2f} s, best of {RUNS}")


if __name__ == "__main__":
    main()
