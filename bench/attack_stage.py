"""The common parts of the attacks: a server, a gate and nginx in front of it, and the victim.

Everything listens on 127.0.0.1. Attackers also use that address, victims use 127.0.0.2.
"""

from __future__ import annotations

import asyncio
import os
import resource
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final

import attrs

from bench import install
from bench.measure import make_certificate
from bench.processes import Daemon, LeftOut, free_port

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
RATE: Final = 40
"""How many GETs a victim sends per second."""
PATIENCE_S: Final = 12.0
VICTIM: Final = "127.0.0.2"

_HERE: Final = Path(__file__).resolve().parent
_SERVED_CORE, _LOAD_CORE = 0, 1
_GATE: Final = """\
listen = ["tcp:{plain}:interface=127.0.0.1"]
hosts = ["localhost"]
access_log = "{directory}/access.log"
[[listener]]
endpoint = "tcp:{tls}:interface=127.0.0.1"
certificates = [{{ chain = "{directory}/chain.pem", key = "{directory}/key.pem" }}]
http2 = true
[upstreams.box]
servers = ["http://127.0.0.1:{box}"]
idle_timeout = "1s"
[routes."/"]
upstream = "box"
{rest}
"""
_NGINX: Final = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 8192;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log {directory}/access.log combined;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    large_client_header_buffers 8 32k;
    keepalive_requests 1000000000;
    upstream box {{ server 127.0.0.1:{box}; keepalive 128; }}
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl http2;
        ssl_certificate {directory}/chain.pem;
        ssl_certificate_key {directory}/key.pem;
        location / {{
            proxy_pass http://box;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


@attrs.frozen(kw_only=True)
class Front:
    """A proxy to attack.

    Attributes:
        name: Its name.
        daemon: Its process.
        port: Its port for HTTP without TLS.
        tls: Its port for HTTP over TLS.
        directory: The directory in which it runs, with ``access.log``.
    """

    name: str
    daemon: Daemon
    port: int
    tls: int
    directory: Path

    @property
    def descriptors(self) -> int:
        """How many descriptors its process has open; for nginx, its worker."""
        pid = self.daemon.pid
        with suppress(OSError, IndexError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            pid = int(children[0]) if self.name == "nginx" else pid
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@contextmanager
def box(directory: Path) -> Iterator[Daemon]:
    """Run the server behind the proxies."""
    port, place = free_port(), directory / "box"
    place.mkdir()
    command = [sys.executable, "-m", "bench.attack_box", str(port)]
    with Daemon(command, core=_LOAD_CORE, port=port, directory=place, environ=environ()) as daemon:
        yield daemon


@contextmanager
def gate(directory: Path, server: int, rest: str = "") -> Iterator[Front]:
    """Run a gate in front of a server.

    Args:
        directory: The directory below which it makes its own.
        server: The server's port.
        rest: Further lines of the configuration, such as ``[limits]``.
    """
    place = directory / "gate"
    place.mkdir()
    run_twistd = "from twisted.scripts.twistd import run; run()"
    command = [sys.executable, "-c", run_twistd, "-n", "--pidfile=", "corsgate", "--config"]
    with _front("corsgate", command, _GATE, place, server, rest) as front:
        yield front


@contextmanager
def nginx(directory: Path, server: int) -> Iterator[Front]:
    """Run nginx in front of a server.

    Raises:
        LeftOut: nginx is not available.
    """
    place = directory / "nginx"
    place.mkdir()
    command = [install.program("nginx", "nginx-light"), "-p", str(place), "-e", "stderr", "-c"]
    with _front("nginx", command, _NGINX, place, server, "") as front:
        yield front


@contextmanager
def _front(
    name: str, command: Sequence[str], text: str, place: Path, server: int, rest: str
) -> Iterator[Front]:
    make_certificate(place)
    port, tls = free_port(), free_port()
    config = place / "config"
    config.write_text(
        text.format(plain=port, tls=tls, box=server, directory=place, rest=rest), encoding="utf-8"
    )
    with_libraries = {**environ(), **install.libraries(command[0])}
    with Daemon(
        [*command, str(config)],
        core=_SERVED_CORE,
        port=port,
        directory=place,
        environ=with_libraries,
    ) as daemon:
        yield Front(name=name, daemon=daemon, port=port, tls=tls, directory=place)


def fronts(stack: ExitStack, directory: Path, server: int) -> Iterator[Front]:
    """Run the gate, and nginx if it is available, one after the other."""
    yield stack.enter_context(gate(directory, server))
    try:
        yield stack.enter_context(nginx(directory, server))
    except LeftOut as error:
        print(f"nginx is left out: {error}", file=sys.stderr)


@attrs.frozen(kw_only=True)
class Seen:
    """The victim's results.

    Attributes:
        times: How long each GET took in seconds, sorted.
        failed: How many of them got no 200.
    """

    times: Sequence[float]
    failed: int

    def took_s(self, part: float) -> float:
        """Return the quantile of the times in seconds, such as 0.99 for p99."""
        return self.times[min(int(part * len(self.times)), len(self.times) - 1)]


async def visit(port: int, address: str = VICTIM) -> bool:
    """Send a GET on its own connection; return whether it got a 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        writer.write(b"GET /small HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    finally:
        writer.close()


async def watch(port: int, seconds: float, address: str = VICTIM) -> Seen:
    """Send `RATE` GETs per second; return the results."""
    loop = asyncio.get_running_loop()
    times: list[float] = []
    failed = 0

    async def one() -> None:
        nonlocal failed
        began, served = loop.time(), False
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                served = await visit(port, address)
        times.append(loop.time() - began)
        failed += not served

    start = loop.time()
    tasks = []
    for number in range(int(seconds * RATE)):
        await asyncio.sleep(start + number / RATE - loop.time())
        tasks.append(loop.create_task(one()))
    await asyncio.gather(*tasks)
    return Seen(times=sorted(times), failed=failed)


def raise_descriptor_limit() -> None:
    """Raise this process's limit of descriptors to the maximum."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@cache
def client_context(protocol: str) -> ssl.SSLContext:
    """Return a TLS context for clients of a protocol, which accepts any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


def environ() -> dict[str, str]:
    """Return the environment with this package on Python's path."""
    return {**os.environ, "PYTHONPATH": str(_HERE.parent)}
