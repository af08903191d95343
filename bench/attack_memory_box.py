"""The box behind the gate under attack: ``python -m bench.attack_memory_box PORT``.

It responds to ``GET /N`` with N bytes, and reads only the head of an upload.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Final

LIFETIME_S: Final = 300.0

_PIECE: Final = bytes(64 * 1024)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection until it ends."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b" ", 2)
            if method != b"GET":
                # The upload fills the socket's buffers, and waits there.
                await asyncio.sleep(3600)
            left = int(target.lstrip(b"/") or b"0")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
            while left:
                writer.write(_PIECE[:left])
                left -= min(left, len(_PIECE))
                await writer.drain()
    writer.close()


async def main(port: int) -> None:
    """Serve until the process is ended, for `LIFETIME_S` at most."""
    server = await asyncio.start_server(answer, "127.0.0.1", port, limit=40 * 1024, backlog=2048)
    async with server, asyncio.timeout(LIFETIME_S):
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
