"""A request that is signed, and signed again if the server challenges it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

from corsgate.credentials.attempt import with_fields
from corsgate.errors import ChallengedMidUpload, ConnectionReset, UpstreamError
from corsgate.interfaces import ICredentials
from corsgate.message.head import RequestHead
from corsgate.message.signed import Signed
from corsgate.upstream.body import Body, KeptBody, drain
from corsgate.upstream.expectations import Expectations
from corsgate.upstream.held_body import EXPECT, HeldBody
from corsgate.upstream.response import UpstreamResponse

MAX_CHALLENGES = 2
"""A first challenge and one ``stale``; a third would be a loop."""


async def send_signed(
    credentials: ICredentials,
    head: RequestHead,
    origin: str,
    body: Callable[[], Body | None],
    send: Callable[[Signed, Body | None], Awaitable[UpstreamResponse]],
    expectations: Expectations | None = None,
    *,
    client_waits: bool = False,
) -> UpstreamResponse:
    """Send a signed request, and once more for each challenge; return the last response.

    A body that can be sent only once waits for 100 Continue if a challenge is likely. If the final
    response comes first, the connection is cut: the rest of that request will never come.

    Args:
        credentials: Sign, and learn from responses.
        head: What is to be sent, unsigned.
        origin: The server's origin.
        body: Returns what is to be sent of the body now.
        send: Sends a signed request and its body to the server.
        expectations: Which servers may be asked for 100 Continue; None if none is.
        client_waits: Whether the client waits for 100 Continue, so that the body may, too.

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
            waits = signed.awaits_continue or (client_waits and not challenges)
            held = _held(sent, origin, expectations, waits=waits, is_first=not challenges)
            if held is None:
                response = await send(signed, sent)
            elif (early := await _ask(signed, held, send)) is not None:
                response, sent = early, held
            else:
                expectations = None
                continue
            try:
                again = attempt.responded(signed, response.head)
            except UpstreamError:
                _dispose(response, held)
                raise
            if again and expectations is not None:
                expectations.challenged(origin)
            if not again or challenges == MAX_CHALLENGES:
                response.head = attempt.client_head(response.head)
                return response
            if sent is not None and not sent.replayable:
                response.stopProducing()
                raise ChallengedMidUpload("it asked for credentials only after it took the body")
            challenges += 1
            _dispose(response, held)
    finally:
        attempt.end()


def _held(
    body: Body | None,
    origin: str,
    expectations: Expectations | None,
    *,
    waits: bool,
    is_first: bool,
) -> HeldBody | None:
    """Return a body that waits for 100 Continue; None if it needn't, or the server isn't asked."""
    if expectations is None or body is None or not body.length or isinstance(body, KeptBody):
        return None
    if waits or (is_first and expectations.may_lapse(origin)):
        return expectations.hold(body, origin)
    return None


async def _ask(
    signed: Signed,
    held: HeldBody,
    send: Callable[[Signed, Body | None], Awaitable[UpstreamResponse]],
) -> UpstreamResponse | None:
    """Send a request whose body waits; return None if it must be sent again without Expect.

    Some servers cut the connection when they see Expect. Without a byte of the body, which has at
    least one, no server can have acted on the request.
    """
    head = with_fields(signed.head, [EXPECT])
    try:
        response = await send(attrs.evolve(signed, head=head), held)
    except ConnectionReset:
        if held.is_released:
            raise
        return None
    if held.responded(response.head.status):
        _dispose(response, held)
        return None
    return response


def _dispose(response: UpstreamResponse, held: HeldBody | None) -> None:
    """Read a response's body to its end, or cut its connection if that is of no more use."""
    if held is not None and not held.is_released:
        response.stopProducing()
    else:
        drain(response)


def _kept(body: Body | None) -> bytes | None:
    """Return the whole of a body that is kept; None if it is streamed."""
    if body is None:
        return b""
    return body.take_whole() if isinstance(body, KeptBody) else None
