"""A request that is signed, and signed again if the server challenges it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from corsgate.credentials.guard import Guard, Place
from corsgate.errors import ChallengedMidUpload, UpstreamError
from corsgate.interfaces import ICredentials
from corsgate.message.head import RequestHead
from corsgate.message.signed import Signed
from corsgate.upstream.body import Body, KeptBody, drain
from corsgate.upstream.response import UpstreamResponse

MAX_CHALLENGES = 2
"""A first challenge and one ``stale``; a third would be a loop."""


async def send_signed(
    credentials: ICredentials,
    head: RequestHead,
    origin: str,
    body: Callable[[], Body | None],
    send: Callable[[Signed, Body | None], Awaitable[UpstreamResponse]],
    guard: Guard | None = None,
) -> UpstreamResponse:
    """Send a signed request, and once more for each challenge; return the last response.

    Args:
        credentials: Sign, and learn from responses.
        head: What is to be sent, unsigned.
        origin: The server's origin.
        body: Returns what is to be sent of the body now.
        send: Sends a signed request and its body to the server.
        guard: Says when the credentials may be sent; by default always.

    Raises:
        CredentialsRejected: The server has rejected them repeatedly.
        UpstreamError: It gave no response, or challenged where the body can't be sent again.
    """
    if guard is not None:
        guard.check(origin)
    attempt = credentials.begin(origin)
    challenges = 0
    place: Place | None = None
    try:
        while True:
            payload = body()
            signed = await attempt.sign(head, _kept(payload))
            if guard is not None and signed.has_credentials:
                place = await guard.admit(origin)
            sent = payload if signed.sends_body else None
            response = await send(signed, sent)
            try:
                again = attempt.responded(signed, response.head)
            except UpstreamError:
                drain(response)
                raise
            again = again and challenges < MAX_CHALLENGES
            if place is not None:
                # A 401 that they can respond to, such as a lapsed nonce's, is no verdict.
                if not again:
                    place.responded(response.head.status)
                place.end()
            if not again:
                response.head = attempt.client_head(response.head)
                return response
            if sent is not None and not sent.replayable:
                # The next try will be signed; but of this one the body is gone.
                response.stopProducing()
                raise ChallengedMidUpload("it challenged in the middle of an upload")
            challenges += 1
            drain(response)
    finally:
        if place is not None:
            place.end()
        attempt.end()


def _kept(body: Body | None) -> bytes | None:
    """Return the whole of a body that is kept; None if it is streamed."""
    if body is None:
        return b""
    return body.take_whole() if isinstance(body, KeptBody) else None
