"""A server of the soak; ``python -m bench.soak_box NAME PORT`` responds to each GET with NAME."""

from __future__ import annotations

import asyncio
import sys
from typing import Final

SERVICE_TIME_S: Final = 0.005
"""How long it waits before each response, to simulate work."""


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: bytes) -> None:
    """Serve the requests of one connection, until it ends."""
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(SERVICE_TIME_S)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(name: str, port: int) -> None:
    """Serve until the process is ended."""
    server = await asyncio.start_server(
        lambda reader, writer: answer(reader, writer, name.encode()), "127.0.0.1", port
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
