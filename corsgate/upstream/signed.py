"""A request that is signed, and signed again if the server challenges it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from corsgate.errors import ChallengedMidUpload, UpstreamError
from corsgate.interfaces import ICredentials
from corsgate.message.head import RequestHead
from corsgate.message.signed import Signed
from corsgate.upstream.body import Body, KeptBody, drain
from corsgate.upstream.response import UpstreamResponse

MAX_CHALLENGES = 10
"""No request is sent again more often. The credentials decide, and mostly give up much earlier."""


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


def _kept(body: Body | None) -> bytes | None:
    """Return the whole of a body that is kept; None if it is streamed."""
    if body is None:
        return b""
    return body.take_whole() if isinstance(body, KeptBody) else None
