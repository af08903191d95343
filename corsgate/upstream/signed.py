"""A request that is signed, and signed again if the server challenges it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs

from corsgate.credentials.attempt import with_fields
from corsgate.credentials.auth_fields import parse_challenges
from corsgate.credentials.guard import Guard, Place
from corsgate.errors import ChallengedMidUpload, ConnectionReset, UpstreamError
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed
from corsgate.upstream.body import Body, KeptBody, drain
from corsgate.upstream.expectations import Expectations
from corsgate.upstream.held_body import EXPECT, HeldBody
from corsgate.upstream.response import UpstreamResponse

Send: TypeAlias = Callable[[Signed, Body | None], Awaitable[UpstreamResponse]]
"""Sends a signed request and its body to a server."""

MAX_CHALLENGES = 2
"""A first challenge and one ``stale``; a third would be a loop."""


async def send_signed(
    credentials: ICredentials,
    head: RequestHead,
    origin: str,
    body: Callable[[], Body | None],
    send: Send,
    guard: Guard | None = None,
    expectations: Expectations | None = None,
    *,
    client_waits: bool = False,
) -> UpstreamResponse:
    """Send a signed request, and once more for each challenge; return the last response.

    Args:
        credentials: Sign, and learn from responses.
        head: What is to be sent, unsigned.
        origin: The server's origin.
        body: Returns what is to be sent of the body now.
        send: Sends a signed request and its body to the server.
        guard: Says when the credentials may be sent; by default always.
        expectations: Which servers may be asked for 100 Continue; None if none is.
        client_waits: Whether the client waits for 100 Continue, so that the body may, too.

    Raises:
        CredentialsRejected: The server has rejected them repeatedly.
        UpstreamError: It gave no response, or challenged where the body can't be sent again.
    """
    admission = _Admission(guard, origin)
    attempt = credentials.begin(origin)
    sending = _Sending(attempt, admission, origin, send, expectations)
    try:
        return await sending.run(head, body, client_waits=client_waits)
    except UpstreamError as error:
        admission.failed(error)
        raise
    finally:
        admission.end()
        attempt.end()


class _Sending:
    """Sends one request until no further challenge can be met."""

    def __init__(
        self,
        attempt: IAttempt,
        admission: _Admission,
        origin: str,
        send: Send,
        expectations: Expectations | None,
    ) -> None:
        self._attempt = attempt
        self._admission = admission
        self._origin = origin
        self._send = send
        self._expectations = expectations

    async def run(
        self, head: RequestHead, body: Callable[[], Body | None], *, client_waits: bool
    ) -> UpstreamResponse:
        """Return the last response; the arguments are those of `send_signed`."""
        attempt, challenges = self._attempt, 0
        while True:
            payload = body()
            signed = await attempt.sign(head, _kept(payload))
            await self._admission.enter(signed)
            sent = payload if signed.sends_body else None
            waits = signed.awaits_continue or (client_waits and not challenges)
            held = self._held(sent, waits=waits, is_first=not challenges)
            if held is None:
                response = await self._send(signed, sent)
            elif (early := await _ask(signed, held, self._send)) is not None:
                response, sent = early, held
            else:
                self._expectations = None
                continue
            if not self._is_challenge(signed, response, held, may_retry=challenges < MAX_CHALLENGES):
                response.head = attempt.client_head(response.head)
                return response
            if sent is not None and not sent.replayable:
                response.stopProducing()
                raise ChallengedMidUpload("it asked for credentials only after it took the body")
            challenges += 1
            _dispose(response, held)

    def _is_challenge(
        self,
        signed: Signed,
        response: UpstreamResponse,
        held: HeldBody | None,
        *,
        may_retry: bool,
    ) -> bool:
        """Learn from a response; return whether the request is signed and sent again."""
        try:
            again = self._attempt.responded(signed, response.head)
        except UpstreamError:
            _dispose(response, held)
            raise
        if again and self._expectations is not None:
            self._expectations.challenged(self._origin)
        again = again and may_retry
        self._admission.judge(signed, response.head, again=again)
        return again

    async def _ask(
    signed: Signed,
    held: HeldBody,
    send: Send,
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
