"""One client opens a thousand connections to a gate with a low limit of descriptors.

``python -m bench.attack_descriptors`` prints what another client sees meanwhile, for the gate and
for nginx. It runs on loopback, and takes a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import attrs

from bench.attack_stage import raise_descriptor_limit
from bench.install import program
from bench.processes import Daemon, LeftOut, free_port

LIMIT: Final = 1024
ATTACKERS: Final = 1000
REQUESTS: Final = 200
BACK_AFTER_S: Final = 2.0
"""After how many seconds the attacker reopens a closed connection."""
PATIENCE_S: Final = 5.0

_ATTACKER, _VICTIM = "127.0.0.1", "127.0.0.2"
_GET: Final = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
_ATTACKS: Final = {
    "silent": b"",
    "idle after a request": _GET,
    "half a head": _GET[:20],
}

_GATE = """
listen = ["tcp:{port}:interface=127.0.0.1"]
access_log = "off"
[upstreams.box]
servers = ["http://127.0.0.1:{box}"]
[routes."/"]
upstream = "box"
"""
_NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{ worker_connections 1000; }}
http {{
    access_log off;
    client_body_temp_path {directory}/1; proxy_temp_path {directory}/2;
    fastcgi_temp_path {directory}/3; uwsgi_temp_path {directory}/4; scgi_temp_path {directory}/5;
    upstream box {{ server 127.0.0.1:{box}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://box; proxy_http_version 1.1; proxy_set_header Connection "";
        }}
    }}
}}
"""


@attrs.frozen(kw_only=True)
class Proxy:
    """A proxy to attack.

    Attributes:
        name: Its name in the report.
        config: The text of its configuration.
        command: Returns the command that runs it with the configuration at a path.
    """

    name: str
    config: str
    command: Callable[[Path], Sequence[str]]


@attrs.define(kw_only=True)
class Seen:
    """The results of the victim's requests.

    Attributes:
        served: How many got a 200.
        failed: How many got anything else, or nothing.
        slowest_s: How long the slowest one took.
        attackers: How many connections the attacker had in the end.
        descriptors: How many descriptors the proxy had open then.
        lines: How many lines the proxy logged.
    """

    served: int = 0
    failed: int = 0
    slowest_s: float = 0.0
    attackers: int = 0
    descriptors: int = 0
    lines: int = 0


def proxies() -> list[Proxy]:
    """Return the gate, and nginx if it is available."""
    run_twistd = "from twisted.scripts.twistd import run; run()"
    gate = [sys.executable, "-c", run_twistd, "-n", "--pidfile=", "corsgate", "--config"]
    found = [
        Proxy(name="corsgate", config=_GATE, command=lambda config: [*gate, str(config)]),
    ]
    try:
        nginx = program("nginx", "nginx")
    except LeftOut as error:
        print(f"nginx is left out: {error}", file=sys.stderr)
        return found
    return [
        *found,
        Proxy(name="nginx", config=_NGINX, command=lambda config: [nginx, "-c", str(config)]),
    ]


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve the requests of one connection, as the server behind both proxies."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
    writer.close()


async def attack(port: int, sent: bytes, held: set[object]) -> None:
    """Hold one connection, and reopen it whenever it is closed."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(_ATTACKER, 0)
            )
            held.add(writer)
            writer.write(sent)
            try:
                while await reader.read(4096):
                    pass
            finally:
                held.discard(writer)
                writer.close()
        await asyncio.sleep(BACK_AFTER_S)


async def ask(port: int) -> bool:
    """Return whether the victim gets a 200 on a new connection."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(_VICTIM, 0)
            )
            try:
                writer.write(_GET)
                return (await reader.readline()).startswith(b"HTTP/1.1 200")
            finally:
                writer.close()
    except OSError:
        return False


async def run(daemon: Daemon, sent: bytes) -> Seen:
    """Attack a proxy, and send the victim's requests meanwhile."""
    seen, held, clock = Seen(), set[object](), asyncio.get_running_loop().time
    attackers = [asyncio.create_task(attack(daemon.port, sent, held)) for _ in range(ATTACKERS)]
    try:
        await asyncio.sleep(1)
        for _ in range(REQUESTS):
            began = clock()
            if await ask(daemon.port):
                seen.served += 1
            else:
                seen.failed += 1
            seen.slowest_s = max(seen.slowest_s, clock() - began)
            if seen.failed >= 3:
                break  # Each may take seconds, and the result is clear enough.
        seen.attackers = len(held)
        seen.descriptors = _descriptors(daemon.pid)
    finally:
        for task in attackers:
            task.cancel()
        await asyncio.gather(*attackers, return_exceptions=True)
    return seen


async def attack_all() -> None:
    """Run every attack against every proxy, and print the results."""
    box = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(f"{ATTACKERS} connections of {_ATTACKER}, ulimit -n {LIMIT}; requests of {_VICTIM}:")
    print(f"{'':10}{'attack':22}{'served':>8}{'failed':>8}{'slowest':>10}{'held':>6}{'fds':>6}")
    async with box:
        for proxy in proxies():
            for name, sent in _ATTACKS.items():
                with tempfile.TemporaryDirectory() as directory:
                    port, box_port = free_port(), box.sockets[0].getsockname()[1]
                    config = Path(directory, "config")
                    config.write_text(
                        proxy.config.format(port=port, box=box_port, directory=directory)
                    )
                    command = ["sh", "-c", 'ulimit -n "$0" && exec "$@"', str(LIMIT)]
                    daemon = Daemon(
                        [*command, *proxy.command(config)],
                        core=0,
                        port=port,
                        directory=Path(directory),
                        environ=dict(os.environ),
                    )
                    with daemon:
                        seen = await run(daemon, sent)
                    logged = Path(directory, "output").read_text(errors="replace").splitlines()
                print(
                    f"{proxy.name:10}{name:22}{seen.served:8}{seen.failed:8}"
                    f"{seen.slowest_s:8.2f} s{seen.attackers:6}{seen.descriptors:6}"
                )
                for line in logged:
                    if re.search("descriptor|connection\\(s\\)", line):
                        print(f"{'':10}{line}")


def _descriptors(pid: int) -> int:
    """Return how many descriptors a process or one of its children has open, the largest number."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return max(len(os.listdir(f"/proc/{each}/fd")) for each in (str(pid), *children))


def main() -> int:
    """Run all attacks."""
    raise_descriptor_limit()
    asyncio.run(attack_all())
    return 0


if __name__ == "__main__":
    sys.exit(main())
