"""The sorts of requests that the matrix sends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256

from corsgate.message.headers import HeaderList
from tests.credentials_matrix.box import Seen
from tests.credentials_matrix.uploader import BLOCK, MIB, Uploader
from tests.peers import Message
from tests.support import FROM_APP

LARGE = 50 * MIB
SMALL = b'{"name": "value"}'

_FRAME = b"\x81\x85abcd" + bytes(a ^ b for a, b in zip(b"hello", b"abcda", strict=True))
"""A masked text frame (RFC 6455 5.2), which a box echoes as it is."""


async def get(client: Uploader, fields: HeaderList) -> Message:
    """Send a GET; return the response."""
    client.send(_head(b"GET", fields))
    return await client.response()


async def post(client: Uploader, fields: HeaderList) -> Message:
    """Send a small body."""
    client.send(_head(b"POST", [*fields, (b"Content-Length", b"%d" % len(SMALL))]) + SMALL)
    return await client.response()


async def post_large(client: Uploader, fields: HeaderList) -> Message:
    """Send 50 MB as they are made."""
    client.upload(b"POST", b"/v1/x", [(b"Host", b"localhost"), *fields], LARGE)
    return await client.response()


async def websocket(client: Uploader, fields: HeaderList) -> Message:
    """Open a WebSocket and have a message echoed; return the response to the handshake."""
    key = (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==")
    handshake = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), key]
    client.send(_head(b"GET", [*fields, *handshake, (b"Sec-WebSocket-Version", b"13")]))
    await client.when(lambda: b"\r\n\r\n" in client.data or client.outcome)
    if not client.data.startswith(b"HTTP/1.1 101 "):
        return await client.response()
    raw, end, client.data = client.data.partition(b"\r\n\r\n")
    start, *lines = raw.split(b"\r\n")
    headers = [(name, value.strip()) for name, _, value in (each.partition(b":") for each in lines)]
    client.send(_FRAME)
    await client.when(lambda: client.data == _FRAME)
    return Message(start=start, headers=headers, body=b"", raw=raw + end)


Sort = Callable[[Uploader, HeaderList], Awaitable[Message]]

SORTS: Mapping[str, Sort] = {
    "get": get,
    "post": post,
    "large_post": post_large,
    "websocket": websocket,
}
"""How each sort is sent, by its name."""


def is_whole(sort: str, seen: Seen) -> bool:
    """Return whether a box got all of the body that a request of a sort has."""
    if sort == "large_post":
        return seen.whole and seen.body_bytes == LARGE and seen.digest.digest() == _digest()
    return bytes(seen.body) == (SMALL if sort == "post" else b"")


def from_page(fields: HeaderList) -> HeaderList:
    """Return fields behind the Origin of the page that the policy allows."""
    return [FROM_APP, *fields]


def _digest() -> bytes:
    digest = sha256()
    for _ in range(LARGE // len(BLOCK)):
        digest.update(BLOCK)
    return digest.digest()


def _head(method: bytes, fields: HeaderList) -> bytes:
    lines = [b"%b /v1/x HTTP/1.1" % method, b"Host: localhost"]
    lines += [b"%b: %b" % each for each in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"
