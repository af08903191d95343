"""A request that is signed, and signed again if the server challenges it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from corsgate.credentials.auth_fields import parse_challenges
from corsgate.credentials.guard import Guard, Place
from corsgate.errors import ChallengedMidUpload, UpstreamError
from corsgate.interfaces import ICredentials
from corsgate.message.head import RequestHead, ResponseHead
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
                _judge(place, signed, response.head, again=again)
            if not again:
                response.head = attempt.client_head(response.head)
                return response
            if sent is not None and not sent.replayable:
                # The next try will be signed; but of this one the body is gone.
                response.stopProducing()
                raise ChallengedMidUpload("it challenged in the middle of an upload")
            challenges += 1
            drain(response)
    except UpstreamError as error:
        if place is not None:
            place.failed(error)
        raise
    finally:
        if place is not None:
            place.end()
        attempt.end()


def _judge(place: Place, signed: Signed, response: ResponseHead, *, again: bool) -> None:
    """Record what a response to a signed request says of the credentials.

    Args:
        place: The request's.
        signed: The request.
        response: The response.
        again: Whether the request is signed and sent again.
    """
    if not again:
        place.responded(response.status)
    elif response.status != 401:
        place.unjudged()
    elif signed.is_fresh and not _is_stale(response):
        place.rejected()
    else:
        place.doubted()


def _is_stale(response: ResponseHead) -> bool:
    """Return whether a 401 says that only the nonce was wrong (RFC 7616 3.3)."""
    values = [value for name, value in response.headers if name.lower() == b"www-authenticate"]
    return any(
        each.parameters.get(b"stale", b"").lower() == b"true" for each in parse_challenges(values)
    )


def _kept(body: Body | None) -> bytes | None:
    """Return the whole of a body that is kept; None if it is streamed."""
    if body is None:
        return b""
    return body.take_whole() if isinstance(body, KeptBody) else None
