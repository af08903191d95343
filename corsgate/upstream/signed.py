"""A request that is signed, and signed again if the server challenges it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from zlib import MAX_WBITS, decompressobj
from zlib import error as zlib_error

from corsgate.errors import ChallengedMidUpload, UpstreamError
from corsgate.interfaces import ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed
from corsgate.upstream.body import Body, KeptBody, drain, peek
from corsgate.upstream.response import UpstreamResponse

MAX_CHALLENGES = 2
"""A first challenge and one ``stale``; a third would be a loop."""

MAX_LOOKED_AT = 4096
"""How long a JSON body may be that is looked at for an error; errors are short."""


async def send_signed(
    credentials: ICredentials,
    head: RequestHead,
    origin: str,
    body: Callable[[], Body | None],
    send: Callable[[Signed, Body | None], Awaitable[UpstreamResponse]],
) -> UpstreamResponse:
    """Send a signed request, and once more for each challenge; return the last response.

    Args:
        credentials: Sign, and learn from responses.
        head: What is to be sent, unsigned.
        origin: The server's origin.
        body: Returns what is to be sent of the body now.
        send: Sends a signed request and its body to the server.

    Raises:
        UpstreamError: It gave no response, or challenged where the body can't be sent again.
    """
    attempt = credentials.begin(origin)
    challenges = 0
    try:
        while True:
            payload = body()
            signed = await attempt.sign(head, _kept(payload))
            sent = payload if signed.sends_body else None
            response = await send(signed, sent)
            try:
                again = attempt.responded(signed, response.head)
            except UpstreamError:
                drain(response)
                raise
            if not again and signed.look is not None and _may_be_error(response.head):
                body_seen = await peek(response, MAX_LOOKED_AT)
                again = signed.look(_text(response.head, body_seen))
            if not again or challenges == MAX_CHALLENGES:
                response.head = attempt.client_head(response.head)
                return response
            if sent is not None and not sent.replayable:
                # The next try will be signed; but of this one the body is gone.
                response.stopProducing()
                raise ChallengedMidUpload("it challenged in the middle of an upload")
            challenges += 1
            drain(response)
    finally:
        attempt.end()


def _text(head: ResponseHead, body: bytes) -> bytes:
    """Return a short body without its compression; empty if that can't be undone."""
    if not any(name.lower() == b"content-encoding" for name, _ in head.headers):
        return body
    try:
        return decompressobj(wbits=MAX_WBITS | 16).decompress(body, MAX_LOOKED_AT)
    except zlib_error:
        return b""


def _may_be_error(head: ResponseHead) -> bool:
    """Return whether a response has a JSON body that is short enough to be looked at."""
    found = {}
    for name, value in head.headers:
        found[name.lower()] = value
    length = found.get(b"content-length", b"0")
    return (
        b"json" in found.get(b"content-type", b"").lower()
        and found.get(b"content-encoding", b"gzip").lower() == b"gzip"
        and (not length.isdigit() or int(length) <= MAX_LOOKED_AT)
    )


def _kept(body: Body | None) -> bytes | None:
    """Return the whole of a body that is kept; None if it is streamed."""
    if body is None:
        return b""
    return body.take_whole() if isinstance(body, KeptBody) else None
