"""A request that is signed, and signed again if the server challenges it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from corsgate.errors import ChallengedMidUpload, UpstreamError
from corsgate.interfaces import ICredentials
from corsgate.message.head import RequestHead
from corsgate.upstream.body import Body, drain
from corsgate.upstream.response import UpstreamResponse

MAX_CHALLENGES = 2
"""A first challenge and one ``stale``; a third would be a loop."""


async def send_signed(
    credentials: ICredentials,
    head: RequestHead,
    origin: str,
    body: Callable[[], Body | None],
    send: Callable[[RequestHead, Body | None], Awaitable[UpstreamResponse]],
) -> UpstreamResponse:
    """Send a signed request, and once more for each challenge; return the last response.

    Args:
        credentials: Sign, and learn from responses.
        head: What is to be sent, unsigned.
        origin: The server's origin.
        body: Returns what is to be sent of the body now.
        send: Sends a head and a body to the server.

    Raises:
        UpstreamError: It gave no response, or challenged where the body can't be sent again.
    """
    challenges = 0
    while True:
        signed = await credentials.authorize(head, origin)
        payload = body()
        response = await send(signed, payload)
        try:
            again = credentials.challenged(signed, response.head, origin)
        except UpstreamError:
            drain(response)
            raise
        if not again or challenges == MAX_CHALLENGES:
            return response
        if payload is not None and not payload.replayable:
            # The next try will be signed; but of this one the body is gone.
            response.stopProducing()
            raise ChallengedMidUpload("it challenged in the middle of an upload")
        challenges += 1
        drain(response)
