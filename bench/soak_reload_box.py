"""The server of the soak with reloads: ``python -m bench.soak_reload_box PORT...``.

It listens on all these ports, and responds with the request's target, or with the length and hash
of an upload. It also has an endless event stream, and a WebSocket that echoes messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
from base64 import b64encode
from collections.abc import Mapping
from itertools import count
from typing import Final

EVENT_INTERVAL_S: Final = 0.2
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 1.3."""


def fields_of(head: bytes) -> Mapping[bytes, bytes]:
    """Return the fields of a head by lower-cased name; there must be no repeated ones."""
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:] if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def frame(opcode: int, payload: bytes, *, mask: bytes = b"") -> bytes:
    """Return a WebSocket frame (RFC 6455 5.2) with fewer than 126 bytes of payload."""
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if mask else payload
    return bytes((0x80 | opcode, (0x80 if mask else 0) | len(payload))) + mask + masked


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return the opcode and the payload of the next frame, which has fewer than 126 bytes.

    Raises:
        asyncio.IncompleteReadError: The connection ended.
        ValueError: The frame is fragmented or longer.
    """
    first, second = await reader.readexactly(2)
    if not first & 0x80 or second & 0x7F > 125:
        raise ValueError(f"a frame begins with {first:02x} {second:02x}")
    mask = await reader.readexactly(4) if second & 0x80 else b"\0\0\0\0"
    payload = await reader.readexactly(second & 0x7F)
    return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve the requests of one connection, until it ends."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b" ", 2)
            fields = fields_of(head)
            if target.endswith(b"/events"):
                await _stream(writer)
            elif b"upgrade" in fields:
                await _echo(reader, writer, fields)
                break
            body = target
            if method == b"PUT":
                sent = await reader.readexactly(int(fields[b"content-length"]))
                body = b"%d %b" % (len(sent), hashlib.sha256(sent).hexdigest().encode())
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
    writer.close()


async def _stream(writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for number in count():
        event = b"data: %d\n\n" % number
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await writer.drain()
        await asyncio.sleep(EVENT_INTERVAL_S)


async def _echo(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fields: Mapping[bytes, bytes]
) -> None:
    digest = hashlib.sha1(fields[b"sec-websocket-key"] + _GUID, usedforsecurity=False).digest()
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + b64encode(digest) + b"\r\n\r\n"
    )
    opcode = 0
    while opcode != 8:
        opcode, payload = await read_frame(reader)
        writer.write(frame(opcode, payload))
        await writer.drain()


async def main(ports: list[int]) -> None:
    """Serve until the process is ended."""
    servers = [await asyncio.start_server(serve, "127.0.0.1", port) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main([int(port) for port in sys.argv[1:]]))
