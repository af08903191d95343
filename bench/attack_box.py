"""The server behind the attacked proxies: ``python -m bench.attack_box PORT``.

It responds to a GET of ``/large`` with about 9 MiB, but never sends the last byte. It responds to
any other request with a few bytes, after it has read the whole body.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Final

PIECE: Final = bytes(64 * 1024)
PIECES: Final = 144
LARGE: Final = len(PIECE) * PIECES + 1
BUFFER_BYTES: Final = 64 * 1024
"""The send buffer of a socket. With the kernel's default, a thousand could take gigabytes."""
BACKLOG: Final = 1024
LIFETIME_S: Final = 300.0


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve the requests of one connection, until it ends."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b"transfer-encoding: chunked" in head:
                await reader.readuntil(b"0\r\n\r\n")
            elif b"content-length: " in head:
                length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length))
            if not head.startswith(b"get /large"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
                await writer.drain()
                continue
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
            for _ in range(PIECES):
                writer.write(PIECE)
                await writer.drain()
            # Keep the connection open, because the last byte is never sent.
            await reader.read()
            return
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        pass
    finally:
        writer.close()


async def main(port: int) -> None:
    """Serve until the process is ended, for `LIFETIME_S` at most."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    listening.bind(("127.0.0.1", port))
    server = await asyncio.start_server(serve, sock=listening, backlog=BACKLOG)
    async with server, asyncio.timeout(LIFETIME_S):
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
