"""Small requests with a high cost: CPU, disk, bursts of connections, TLS that ends too early.

``python -m bench.attack_floods`` runs each against the gate and, for comparison, nginx.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes
from hpack import Encoder
from hyperframe.frame import Frame, HeadersFrame, SettingsFrame

from bench.attack_stage import (
    PREFACE,
    Front,
    Seen,
    box,
    client_context,
    fronts,
    raise_descriptor_limit,
    visit,
)
from bench.processes import usage
from bench.report import machine, table

MOST_TIMES: Final = 10
"""How many times the CPU time of a plain request of the same size a request may take."""
MOST_LINE_BYTES: Final = 4096
REQUESTS: Final = 200
BURST: Final = 1000
GOODBYES: Final = 100
SETTLE_S: Final = 2.0

_STREAMS: Final = 50
REPEATS: Final = 7

Fields = Sequence[tuple[bytes, bytes]]

# Some targets get an error page, others a response of the server.
HOSTILE: Final[Mapping[str, tuple[bytes, Fields]]] = {
    "Accept of 3,900 semicolons, error page": (b"/%zz", [(b"Accept", b";" * 3900)]),
    "Accept of 3,900 commas, error page": (b"/%zz", [(b"Accept", b"," * 3900)]),
    "Forwarded of 30,000 commas": (b"/", [(b"Forwarded", b"," * 30_000)]),
    "X-Forwarded-For of 30,000 commas": (b"/", [(b"X-Forwarded-For", b"," * 30_000)]),
    "TE of 30,000 commas": (b"/", [(b"TE", b"," * 30_000)]),
    "Connection of 30,000 commas": (b"/", [(b"Connection", b"," * 30_000)]),
    "Cookie of 10,000 pairs": (b"/", [(b"Cookie", b"a=;" * 10_000)]),
    "Via of 30,000 commas": (b"/", [(b"Via", b"," * 30_000)]),
    "Access-Control-Request-Headers of 10,000 names": (
        b"/",
        [
            (b"Origin", b"https://foreign.example"),
            (b"Access-Control-Request-Method", b"PUT"),
            (b"Access-Control-Request-Headers", b"a,b" * 10_000),
        ],
    ),
    "Origin of 30,000 bytes": (b"/", [(b"Origin", b"https://" + b"a." * 15_000)]),
    "90 fields": (b"/", [(b"X-%d" % each, b"a" * 300) for each in range(90)]),
}


def request(target: bytes, fields: Fields) -> bytes:
    """Return the bytes of a GET, or of a preflight if the fields make it one."""
    names = [name for name, _ in fields]
    method = b"OPTIONS" if b"Access-Control-Request-Method" in names else b"GET"
    lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: localhost"]
    return b"\r\n".join([*lines, *(b"%b: %b" % field for field in fields)]) + b"\r\n\r\n"


def plain(size: int) -> bytes:
    """Return a plain GET of a given size in bytes."""
    rest = size - len(request(b"/", [(b"X", b"")]))
    fields = [(b"X%d" % each, b"a" * 3000) for each in range(rest // 3010)]
    fields.append((b"X", b"a" * max(0, size - len(request(b"/", [*fields, (b"X", b"")])))))
    return request(b"/", fields)


def cpu_us(front: Front, data: bytes) -> float:
    """Return the CPU time in microseconds that a proxy takes per request."""
    before, left = usage(front.daemon.pid).cpu_s, REQUESTS
    began = before
    while left:
        with socket.create_connection(("127.0.0.1", front.port), timeout=30) as client:
            # A proxy may close the connection after each response.
            while left:
                try:
                    client.sendall(data)
                    closes = _read_response(client)
                except OSError:
                    closes = True
                left -= 1
                if closes:
                    break
    return (usage(front.daemon.pid).cpu_s - began) / REQUESTS * 1e6


def _read_response(client: socket.socket) -> bool:
    """Read a response; return whether the connection ends after it."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = client.recv(65536)
        if not more:
            return True
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    lowered = head.lower()
    length = 0
    if b"content-length: " in lowered:
        length = int(lowered.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += client.recv(65536)
    return b"connection: close" in lowered


def spend_cpu(place: Path) -> tuple[str, bool]:
    """Send costly requests; return a table, and whether the bar held."""
    rows: dict[str, list[str]] = {name: [name, f"{_size(name):,}"] for name in HOSTILE}
    held = True
    with ExitStack() as stack:
        server = stack.enter_context(box(place))
        for front in fronts(stack, place, server.port):
            cpu_us(front, plain(100))
            sizes: dict[int, float] = {}
            for name, (target, fields) in HOSTILE.items():
                data = request(target, fields)
                if len(data) not in sizes:
                    sizes[len(data)] = cpu_us(front, plain(len(data)))
                spent, usual = cpu_us(front, data), sizes[len(data)]
                rows[name] += [f"{spent:,.0f}", f"{spent / usual:.1f}"]
                held = held and (front.name != "corsgate" or spent <= MOST_TIMES * usual)
    header = [
        "CPU of a request",
        "bytes",
        "gate us",
        "of a plain one",
        "nginx us",
        "of a plain one",
    ]
    return table(header, [_padded(row, len(header)) for row in rows.values()]), held


def _size(name: str) -> int:
    return len(request(*HOSTILE[name]))


def fill_disk(place: Path) -> tuple[str, bool]:
    """Send heads that HPACK shrinks to a few bytes; return how much they add to the access log."""
    rows, held = [], True
    with ExitStack() as stack:
        server = stack.enter_context(box(place))
        for front in fronts(stack, place, server.port):
            log = front.directory / "access.log"
            sent = _repeat_heads(front)
            time.sleep(SETTLE_S)
            lines = log.read_bytes().splitlines()
            longest = max(map(len, lines), default=0)
            each = sum(map(len, lines)) / max(len(lines), 1)
            rows.append([front.name, f"{sent:,}", f"{len(lines)}", f"{each:,.0f}", f"{longest:,}"])
            held = held and (front.name != "corsgate" or longest <= MOST_LINE_BYTES)
    header = [f"Disk: {REPEATS} fields of 3,900 bytes, \\x80 each", "sent for each", "lines"]
    return table([*header, "bytes a line", "longest"], rows), held


def _repeat_heads(front: Front) -> int:
    """Send requests whose fields are in the HPACK table; return the size of each in bytes."""
    encoder = Encoder()
    value = b"\x80" * 3900
    size, frames = 0, PREFACE + _bytes(SettingsFrame(0))
    for number in range(1, 2 * _STREAMS, 2):
        fields = [
            (b":method", b"OPTIONS"),
            (b":scheme", b"https"),
            (b":authority", b"localhost"),
            (b":path", b"/"),
            *[(b"access-control-request-headers", value)] * REPEATS,
        ]
        frame = HeadersFrame(number, encoder.encode(fields), flags=["END_HEADERS", "END_STREAM"])
        data = _bytes(frame)
        frames += data
        size = len(data)
    with _connected(front.tls, "h2") as client:
        client.sendall(frames)
        client.settimeout(SETTLE_S)
        with suppress(OSError):
            while client.recv(65536):
                pass
    return size


def _bytes(frame: Frame) -> bytes:
    data: bytes = frame.serialize()
    return data


def burst(place: Path) -> tuple[str, bool]:
    """Open many connections at the same time; return how long each takes to be served."""
    rows = []
    with ExitStack() as stack:
        server = stack.enter_context(box(place))
        for front in fronts(stack, place, server.port):
            seen = asyncio.run(_burst(front.port))
            times = (f"{seen.took_s(part) * 1000:,.0f}" for part in (0.5, 0.99, 1.0))
            rows.append([front.name, f"{len(seen.times):,}", f"{seen.failed}", *times])
    header = [f"Burst of {BURST:,} connections", "GETs", "failed", "p50 ms", "p99 ms", "slowest ms"]
    return table(header, rows), rows[0][2] == "0"


async def _burst(port: int) -> Seen:
    loop = asyncio.get_running_loop()
    start = loop.time()

    async def one() -> tuple[float, bool]:
        served = False
        with suppress(OSError):
            served = await visit(port, "127.0.0.1")
        return loop.time() - start, served

    outcomes = await asyncio.gather(*(one() for _ in range(BURST)))
    return Seen(
        times=sorted(took_s for took_s, _ in outcomes),
        failed=sum(not served for _, served in outcomes),
    )


def say_goodbye(place: Path) -> tuple[str, bool]:
    """End TLS in the middle of responses; return how many descriptors stay open."""
    rows, held = [], True
    with ExitStack() as stack:
        server = stack.enter_context(box(place))
        for front in fronts(stack, place, server.port):
            # Let the proxy open now what it opens only once.
            _leave(front.tls, "http/1.1", 1).close()
            time.sleep(SETTLE_S)
            for protocol in ("http/1.1", "h2"):
                before = front.descriptors
                clients = [
                    _leave(front.tls, protocol, 1 + number % 4) for number in range(GOODBYES)
                ]
                for client in clients:
                    client.close()
                time.sleep(SETTLE_S)
                left = front.descriptors - before
                rows.append([front.name, protocol, f"{GOODBYES}", f"{max(left, 0)}"])
                held = held and (front.name != "corsgate" or left <= 0)
    header = ["close_notify 1 to 4 ms after a GET of 9 MB", "protocol", "clients"]
    return table([*header, f"descriptors left after {SETTLE_S:g} s"], rows), held


def _leave(port: int, protocol: str, wait_ms: int) -> socket.socket:
    """Request a large response, end TLS soon, and return the socket, which is still open."""
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context(protocol).wrap_bio(incoming, outgoing, server_hostname="localhost")
    done = False
    while not done:
        try:
            tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            client.sendall(outgoing.read())
            incoming.write(client.recv(65536))
    tls.write(_large_request() if protocol == "h2" else request(b"/large", ()))
    client.sendall(outgoing.read())
    time.sleep(wait_ms / 1000)
    with suppress(ssl.SSLError):
        # After close_notify, data that has arrived meanwhile causes an error.
        tls.unwrap()
    with suppress(OSError):
        client.sendall(outgoing.read())
    return client


def _large_request() -> bytes:
    connection = H2Connection(H2Configuration(client_side=True))
    connection.initiate_connection()
    connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**30})
    connection.increment_flow_control_window(2**30)
    fields = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost")]
    connection.send_headers(1, [*fields, (":path", "/large")], end_stream=True)
    return bytes(connection.data_to_send())


def _connected(port: int, protocol: str) -> ssl.SSLSocket:
    plain_socket = socket.create_connection(("127.0.0.1", port), timeout=30)
    return client_context(protocol).wrap_socket(plain_socket, server_hostname="localhost")


def _padded(row: list[str], length: int) -> list[str]:
    return row + [""] * (length - len(row))


ATTACKS: Final[Mapping[str, Callable[[Path], tuple[str, bool]]]] = {
    "cpu": spend_cpu,
    "disk": fill_disk,
    "burst": burst,
    "goodbye": say_goodbye,
}


def attack(names: Sequence[str], place: Path) -> Iterator[tuple[str, bool]]:
    """Run attacks; yield the table of each, and whether its bar held."""
    for name in names:
        print(f"{name} ...", file=sys.stderr)
        directory = place / name
        directory.mkdir()
        yield ATTACKS[name](directory)


def main() -> int:
    """Run the attacks; return 1 if a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.attack_floods", description=__doc__)
    parser.add_argument("--only", action="append", choices=ATTACKS)
    options = parser.parse_args()
    raise_descriptor_limit()
    held = True
    print(f"{machine()}; {os.cpu_count()} cores.\n")
    with tempfile.TemporaryDirectory(prefix="corsgate-attack-") as name:
        for text, kept in attack(options.only or list(ATTACKS), Path(name)):
            print(f"{text}\n", flush=True)
            held = held and kept
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
