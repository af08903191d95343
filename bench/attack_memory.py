"""How much of a gate's memory one client's connections take: ``python -m bench.attack_memory``.

Each attack runs against its own gate, on loopback, from one address. It opens as many connections
as `max_connections_per_client` allows. The table shows the gate's resident memory
before, at its highest under attack, and after the client has left.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final

import attrs
from hpack import Encoder
from hyperframe.frame import DataFrame, Frame, HeadersFrame, SettingsFrame

from bench.attack_stage import PREFACE, client_context, raise_descriptor_limit
from bench.measure import make_certificate
from bench.processes import Daemon, free_port, usage
from bench.report import table

CONNECTIONS: Final = 1000
"""How many connections one client may have by default."""
MOST_MB: Final = 96
"""How many megabytes they may add to the gate's memory."""
STREAMS: Final = 100
BODY_BYTES: Final = 60_000
ROUTES: Final = 16

_INITIAL_WINDOW: Final = 4
_SETTLE_S: Final = 2.0
_IDLE_S: Final = 12.0
"""After this many seconds, idle connections have freed their caches."""
_POLL_S: Final = 0.1
_HERE: Final = Path(__file__).resolve().parent
_GATE_CORE, _LOAD_CORE = 0, 1
_GET: Final = b"GET /r0/%d HTTP/1.1\r\nHost: localhost\r\n\r\n"

Send = Callable[[socket.socket], int]
"""Sends the bytes of an attack on one connection; returns their number."""


@attrs.frozen(kw_only=True)
class Attack:
    """What a client does on each of its connections.

    Attributes:
        name: The name for ``--only``.
        title: The name in the table.
        send: Sends its bytes.
        protocol: The protocol to agree on over TLS; None for plain TCP.
        most_kib: How many KiB of the gate's memory a connection may take; None if the limit is
            `MOST_MB` for all of them.
        share: The fraction of `CONNECTIONS` to open, less than 1 if each sends much.
    """

    name: str
    title: str
    send: Send
    protocol: str | None = None
    most_kib: float | None = None
    share: float = 1.0


def main() -> int:
    """Run the attacks; return 1 if a limit was exceeded."""
    parser = argparse.ArgumentParser(prog="python -m bench.attack_memory", description=__doc__)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--only", action="append", choices=[attack.name for attack in ATTACKS])
    options = parser.parse_args()
    raise_descriptor_limit()
    rows, kept = [], True
    with tempfile.TemporaryDirectory(prefix="corsgate-attack-") as name:
        for attack in ATTACKS:
            if options.only is None or attack.name in options.only:
                place = Path(name) / attack.name
                place.mkdir()
                row, held = run(attack, round(options.connections * attack.share), place)
                rows.append(row)
                kept = kept and held
                print(" | ".join(row), file=sys.stderr)
    header = ["attack", "connections", "sent KB", "before MB", "peak MB", "after MB"]
    print(table([*header, "KiB each", "bound"], rows))
    return 0 if kept else 1


def run(attack: Attack, connections: int, place: Path) -> tuple[list[str], bool]:
    """Attack a gate; return a row of the table, and whether it stayed within the limit."""
    with ExitStack() as stack:
        gate, port = stack.enter_context(_gate(place, tls=attack.protocol is not None))
        before = usage(gate.pid).rss_bytes
        peak, sent, opened = before, 0, 0
        with ExitStack() as clients:
            for number in range(connections):
                client = clients.enter_context(_connect(port, attack.protocol))
                opened += 1
                sent += attack.send(client)
                if number % 50 == 0:
                    peak = max(peak, usage(gate.pid).rss_bytes)
            now = highest = usage(gate.pid).rss_bytes
            settle_s = _SETTLE_S if attack.most_kib is None else _IDLE_S
            until = time.monotonic() + settle_s
            while time.monotonic() < until:
                time.sleep(_POLL_S)
                now = usage(gate.pid).rss_bytes
                if now > highest:
                    highest, until = now, time.monotonic() + settle_s
            peak = max(peak, highest)
            idle = now
        time.sleep(_SETTLE_S)
        after = usage(gate.pid).rss_bytes
    each = (idle - before) / 1024 / opened
    if attack.most_kib is None:
        held, bound = peak - before <= MOST_MB * 1e6, f"{MOST_MB} MB in all"
    else:
        held, bound = each <= attack.most_kib, f"{attack.most_kib:g} KiB each"
    figures = [sent / 1e3, before / 1e6, peak / 1e6, after / 1e6, each]
    row = [attack.title, str(opened), *(f"{figure:.1f}" for figure in figures)]
    return [*row, f"{bound}: {'held' if held else 'broken'}"], held


# The attacks' bytes.


def _ask(client: socket.socket) -> int:
    """Get a small response, and stay connected."""
    return _exchange(client, _GET % 100)


def _exchange(client: socket.socket, request: bytes) -> int:
    client.sendall(request)
    got = b""
    while b"\r\n\r\n" not in got or len(got.partition(b"\r\n\r\n")[2]) < 100:
        got += client.recv(65536)
    return len(request)


def _ask_with_large_heads(client: socket.socket) -> int:
    """Get a small response on each route with a head of 30 KB, and stay connected."""
    fields = b"".join(b"X-%d: %b\r\n" % (number, b"a" * 3000) for number in range(10))
    heads = [
        b"GET /r%d/100 HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (route, fields)
        for route in range(ROUTES)
    ]
    return sum(_exchange(client, head) for head in heads)


def _read_slowly(client: socket.socket) -> int:
    """Request a large response, and read nothing."""
    request = _GET % 20_000_000
    client.sendall(request)
    return len(request)


def _pipeline(client: socket.socket) -> int:
    """Send as many small requests as fit into one read, after one whose response is not read."""
    request = _GET % 20_000_000 + b"GET /r0/1 HTTP/1.1\r\nHost:a\r\na:\r\nb:\r\nc:\r\n\r\n" * 1400
    client.sendall(request)
    return len(request)


def _ask_http2(client: socket.socket) -> int:
    """Get a small response, and stay connected."""
    data = PREFACE + _frames(SettingsFrame(0), _head(1, b"/r0/100"))
    return _exchange_http2(client, data, 1)


def _repeat_fields(client: socket.socket) -> int:
    """Send a head of 31 KB on each route, which HPACK makes a few bytes, and stay connected."""
    encoder = Encoder()
    large = (b"x-large", b"a" * 3900)
    data = PREFACE + _frames(SettingsFrame(0))
    for route in range(ROUTES):
        fields = [*_pseudo(b"/r%d/100" % route), *[large] * 8]
        data += _frames(_block(1 + 2 * route, encoder.encode(fields)))
    return _exchange_http2(client, data, ROUTES)


def _exchange_http2(client: socket.socket, data: bytes, responses: int) -> int:
    client.sendall(data)
    got, ended = b"", 0
    while ended < responses:
        got += client.recv(65536)
        while len(got) >= 9 and len(got) >= 9 + int.from_bytes(got[:3]):
            ended += got[3] in (0, 1) and got[4] & 1
            got = got[9 + int.from_bytes(got[:3]) :]
    return len(data)


def _close_windows(client: socket.socket) -> int:
    """Request large responses on all streams, with windows of 0."""
    data = _closed_windows()
    client.sendall(data)
    return len(data)


@cache
def _closed_windows() -> bytes:
    return PREFACE + _frames(
        SettingsFrame(0, settings={_INITIAL_WINDOW: 0}),
        *(_head(number, b"/r0/%d" % BODY_BYTES) for number in _numbers()),
    )


def _upload(client: socket.socket) -> int:
    """Send as much on all streams as the windows allow, to a server that reads nothing."""
    return _try_sending(client, _uploads(b"/r0/", 64_001))


def _keep(client: socket.socket) -> int:
    """Send a body that the gate buffers for a retry on all streams, except for its last byte."""
    return _try_sending(client, _uploads(b"/digest/", 60_001))


@cache
def _uploads(path: bytes, length: int) -> bytes:
    frames: list[Frame] = [SettingsFrame(0)]
    for number in _numbers():
        frames.append(_head(number, path, method=b"PUT", ended=False, length=length))
        frames += [DataFrame(number, bytes(length // 4)) for _ in range(4)]
    return PREFACE + _frames(*frames)


def _try_sending(client: socket.socket, data: bytes) -> int:
    """Send as much as the gate accepts within a short time."""
    client.settimeout(0.3)
    with suppress(OSError):
        client.sendall(data)
    return len(data)


def _numbers() -> range:
    return range(1, 2 * STREAMS, 2)


def _pseudo(path: bytes, method: bytes = b"GET") -> list[tuple[bytes, bytes]]:
    return [
        (b":method", method),
        (b":scheme", b"https"),
        (b":authority", b"localhost"),
        (b":path", path),
    ]


def _head(
    number: int, path: bytes, *, method: bytes = b"GET", ended: bool = True, length: int = 0
) -> Frame:
    encoder = Encoder()
    encoder.header_table_size = 0
    fields = _pseudo(path, method)
    if length:
        fields.append((b"content-length", b"%d" % length))
    return _block(number, encoder.encode(fields), ended=ended)


def _block(number: int, block: bytes, *, ended: bool = True) -> Frame:
    frame = HeadersFrame(number, block)
    frame.flags.add("END_HEADERS")
    if ended:
        frame.flags.add("END_STREAM")
    return frame


def _frames(*frames: Frame) -> bytes:
    return b"".join(frame.serialize() for frame in frames)


# The gate.


@contextmanager
def _gate(place: Path, *, tls: bool) -> Iterator[tuple[Daemon, int]]:
    """Run a gate and its server."""
    box_port, port = free_port(), free_port()
    environ = {**os.environ, "PYTHONPATH": str(_HERE.parent)}
    box = [sys.executable, "-m", "bench.attack_memory_box", str(box_port)]
    run_twistd = "from twisted.scripts.twistd import run; run()"
    gate = [sys.executable, "-c", run_twistd, "-n", "--pidfile=", "corsgate", "--config"]
    config = place / "corsgate.toml"
    config.write_text(_config(place, port, box_port, tls=tls))
    places = [place / name for name in ("box", "gate")]
    for each in places:
        each.mkdir()
    with (
        Daemon(box, core=_LOAD_CORE, port=box_port, directory=places[0], environ=environ),
        Daemon(
            [*gate, str(config)], core=_GATE_CORE, port=port, directory=places[1], environ=environ
        ) as daemon,
    ):
        # Let it make now what it makes only once.
        with _connect(port, "http/1.1" if tls else None) as client:
            _ask(client)
        yield daemon, port


def _config(place: Path, port: int, box_port: int, *, tls: bool) -> str:
    listener = f'[[listener]]\nendpoint = "tcp:{port}:interface=127.0.0.1:backlog=1024"\n'
    if tls:
        files = make_certificate(place)
        listener += f'certificates = [{{ chain = "{files["chain"]}", key = "{files["key"]}" }}]\n'
    box = f'servers = ["http://127.0.0.1:{box_port}"]\n'
    digest = 'credentials = { type = "digest", username = "a", password = "b" }\n'
    routes = "".join(
        f'[routes."/r{at}"]\nupstream = "box"\nstrip_prefix = true\n' for at in range(ROUTES)
    )
    return (
        f'access_log = "{place}/access.log"\n{listener}'
        f"[upstreams.box]\n{box}[upstreams.digest]\n{box}{digest}"
        f'{routes}[routes."/digest"]\nupstream = "digest"\n'
    )


@contextmanager
def _connect(port: int, protocol: str | None) -> Iterator[socket.socket]:
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(20)
    plain.connect(("127.0.0.1", port))
    if protocol is None:
        with plain:
            yield plain
        return
    with client_context(protocol).wrap_socket(plain) as client:
        yield client


ATTACKS: Final[Sequence[Attack]] = (
    Attack(name="idle", title="idle, HTTP/1.1", send=_ask, most_kib=8),
    Attack(
        name="idle-tls", title="idle, HTTP/1.1, TLS", send=_ask, protocol="http/1.1", most_kib=42
    ),
    Attack(name="idle-h2", title="idle, HTTP/2", send=_ask_http2, protocol="h2", most_kib=64),
    Attack(name="heads", title="idle, large heads, HTTP/1.1", send=_ask_with_large_heads),
    Attack(
        name="heads-h2",
        title="idle, HPACK repeats, HTTP/2",
        send=_repeat_fields,
        protocol="h2",
        most_kib=64,
    ),
    Attack(name="pipeline", title="pipelined requests, HTTP/1.1", send=_pipeline),
    Attack(name="slow", title="slow readers, HTTP/1.1", send=_read_slowly),
    Attack(
        name="slow-tls",
        title="slow readers, HTTP/1.1, TLS",
        send=_read_slowly,
        protocol="http/1.1",
    ),
    Attack(name="windows", title="windows of 0, HTTP/2", send=_close_windows, protocol="h2"),
    Attack(
        name="uploads",
        title="uploads nobody takes, HTTP/2",
        send=_upload,
        protocol="h2",
        share=0.1,
    ),
    Attack(name="kept", title="kept bodies, HTTP/2", send=_keep, protocol="h2", share=0.1),
)


if __name__ == "__main__":
    sys.exit(main())
