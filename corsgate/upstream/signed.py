"""A request that is signed, and signed again if the server challenges it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias
from zlib import MAX_WBITS, decompressobj
from zlib import error as zlib_error

import attrs

from corsgate.balance.retry import may_repeat
from corsgate.credentials.attempt import with_fields
from corsgate.credentials.auth_fields import challenges_of
from corsgate.credentials.digest.challenge import is_true
from corsgate.credentials.guard import Guard
from corsgate.credentials.place import Place
from corsgate.credentials.spots import Spot, spot_of
from corsgate.errors import (
    ChallengedMidUpload,
    ConnectionReset,
    PinnedConnectionLost,
    UpstreamError,
)
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import index_headers
from corsgate.message.signed import Signed
from corsgate.upstream.body import Body, KeptBody, drain, peek
from corsgate.upstream.expectations import Expectations
from corsgate.upstream.held_body import EXPECT, HeldBody
from corsgate.upstream.response import UpstreamResponse

OfHead: TypeAlias = Callable[[ResponseHead], ResponseHead]
"""Returns the head for the client without the gate's own fields; see `IAttempt.client_head`."""

Send: TypeAlias = Callable[[Signed, Body | None, OfHead], Awaitable[UpstreamResponse]]
"""Sends a signed request and its body to a server.

The last argument is for interim responses (103) and trailers. `send_signed` applies it to the final
head.
"""

MAX_CHALLENGES = 10
"""How often a request may be signed again at most; an attempt usually stops earlier."""

MAX_LOOKED_AT = 4096
"""The maximum length of a JSON body that is searched for an error; errors are short."""


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
    is_probe: bool = False,
) -> UpstreamResponse:
    """Send a signed request, and once more for each challenge; return the last response.

    Args:
        credentials: Signs the request, and learns from responses.
        head: The unsigned head.
        origin: The server's origin.
        body: Returns the body for the next attempt, or None.
        send: See `Send`.
        guard: Decides when the credentials may be sent; by default always.
        expectations: Which servers may be asked for 100 Continue; None to ask none.
        client_waits: Whether the client waits for 100 Continue, so that the body may also wait.
        is_probe: Whether the request is the gate's own, to see how the server is.

    Raises:
        CredentialsRejected: The server has rejected the credentials repeatedly.
        UpstreamError: The server sent no response, or a challenge although the body can't be sent
            again.
    """
    admission = _Admission(guard, origin, spot_of(head.method, head.target, is_probe=is_probe))
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


class _Admission:
    """Asks the guard, if there is one, before credentials are sent, and reports the result to it.

    Raises:
        CredentialsRejected: The server has rejected the credentials repeatedly.
    """

    def __init__(self, guard: Guard | None, origin: str, spot: Spot) -> None:
        self._guard = guard
        self._origin = origin
        self._spot = spot
        self._place: Place | None = None
        # Whether the server has shown that it checks credentials for this request.
        self._is_checked = False
        if guard is not None:
            guard.check(origin, spot)

    @property
    def version(self) -> int:
        """Which secret is in force; see `Guard.version`."""
        return 0 if self._guard is None else self._guard.version

    async def enter(self, signed: Signed, version: int) -> bool:
        """Wait until a request may be sent; return False if its secret is no longer in force.

        The secret may also change while the request is signed, and a rejection of the old secret
        must not count for the new one. A request that does not send the secret, such as one with a
        session, need not wait.

        Args:
            signed: The request.
            version: The `version` when signing it began.
        """
        guard = self._guard
        if guard is None or (self._place is not None and self._place.is_current):
            return True
        if not (signed.has_credentials and signed.sends_secret):
            guard.check(self._origin, self._spot)
            return True
        if guard.version == version:
            self._place = await guard.admit(self._origin, self._spot)
        return guard.version == version

    def judge(self, signed: Signed, response: ResponseHead, *, again: bool) -> None:
        """Record what a response to a signed request means for the credentials.

        Args:
            signed: The request.
            response: The response.
            again: Whether the request is signed and sent again.
        """
        place, self._place = self._place, None
        self._is_checked |= response.status == 401
        if place is None:
            if self._guard is not None and not signed.sends_secret and response.status == 401:
                # A login has ended, perhaps because the password has changed. Let few requests try.
                self._guard.doubt(self._origin)
            return
        if response.status != 401:
            if again:
                place.unjudged()
            else:
                place.responded(response.status, is_proof=self._is_proof(signed))
            return
        is_stale = _is_stale(response)
        if signed.is_fresh and not is_stale:
            place.rejected()
        elif again:
            # Kept for the next request.
            self._place = place
            place.challenged(is_stale=is_stale)
        else:
            place.doubted(is_stale=is_stale)

    def _is_proof(self, signed: Signed) -> bool:
        """Return whether an acceptance shows that the server has checked the credentials."""
        if self._is_checked or self._guard is None:
            return True
        return signed.answers_challenge and not self._guard.has_rejections(self._origin)

    def failed(self, error: UpstreamError) -> None:
        """Record why there is no response."""
        if self._place is not None:
            self._place.failed(error)

    def end(self) -> None:
        """Give back a place for which nothing was recorded."""
        if self._place is not None:
            self._place.end()


class _Sending:
    """Sends one request, again for each challenge that can be met."""

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
        # Counts responses, and own connections that closed; limits how often it is signed again.
        self._challenges = 0
        # Whether Expect may be sent: the server has not rejected it for this request.
        self._may_ask = True

    async def run(
        self, head: RequestHead, body: Callable[[], Body | None], *, client_waits: bool
    ) -> UpstreamResponse:
        """Return the last response; the arguments are those of `send_signed`."""
        attempt = self._attempt
        is_first = True
        while True:
            payload = body()
            version = self._admission.version
            signed = await attempt.sign(head, _kept(payload))
            if not await self._admission.enter(signed, version):
                continue
            sent = payload if signed.sends_body else None
            waits = signed.awaits_continue or (client_waits and is_first)
            held = self._held(signed, sent, waits=waits, is_first=is_first)
            try:
                if held is None:
                    response = await self._send(signed, sent, attempt.client_head)
                elif (early := await self._ask(signed, held)) is not None:
                    response, sent = early, held
                else:
                    self._may_ask = False
                    continue
            except ConnectionReset as error:
                if self._challenges < MAX_CHALLENGES and _may_go_elsewhere(error, signed, sent):
                    self._challenges += 1
                    continue
                raise
            if not await self._is_challenge(signed, response, held):
                response.head = attempt.client_head(response.head)
                return response
            if sent is not None and not sent.replayable:
                response.stopProducing()
                if self._expectations is not None:
                    self._expectations.challenged_late(self._origin)
                raise ChallengedMidUpload("it asked for credentials only after it took the body")
            is_first = False
            _dispose(response, held)

    async def _ask(self, signed: Signed, held: HeldBody) -> UpstreamResponse | None:
        """Send a request whose body waits; return None if it must be sent again without Expect.

        Some servers cut the connection when they see Expect. Without a byte of the body, which has
        at least one, no server can have acted on the request.
        """
        if held.asks:
            signed = attrs.evolve(signed, head=with_fields(signed.head, [EXPECT]))
        try:
            response = await self._send(signed, held, self._attempt.client_head)
        except ConnectionReset as error:
            if held.is_released or not held.asks or isinstance(error, PinnedConnectionLost):
                raise
            return None
        if held.responded(response.head.status):
            _dispose(response, held)
            return None
        return response

    async def _is_challenge(
        self, signed: Signed, response: UpstreamResponse, held: HeldBody | None
    ) -> bool:
        """Learn from a response; return whether to sign and send the request again."""
        self._challenges += 1
        try:
            again = self._attempt.responded(signed, response.head)
        except UpstreamError:
            _dispose(response, held)
            raise
        if not isinstance(again, bool):
            # Wait for the new secret before recording the response: a rejection of a replaced
            # secret doesn't count. Until then no other request is sent with it.
            try:
                again = await _awaited(again, response)
            except BaseException:
                self._admission.judge(signed, response.head, again=False)
                raise
            # A new secret starts from the beginning, perhaps with a challenge.
            self._challenges = 0
        if not again and signed.look is not None and _may_be_error(response.head):
            seen = await peek(response, MAX_LOOKED_AT)
            again = signed.look(_text(response.head, seen))
        if again and self._expectations is not None:
            self._expectations.challenged(self._origin)
        again = again and self._challenges <= MAX_CHALLENGES
        self._admission.judge(signed, response.head, again=again)
        return again

    def _held(
        self, signed: Signed, body: Body | None, *, waits: bool, is_first: bool
    ) -> HeldBody | None:
        """Return a body that waits for 100 Continue; None if it needn't or can't wait."""
        expectations = self._expectations
        if expectations is None or body is None or not body.length or isinstance(body, KeptBody):
            return None
        if waits or (is_first and expectations.may_lapse(self._origin)):
            return expectations.hold(
                body, self._origin, is_signed=signed.has_credentials, may_ask=self._may_ask
            )
        return None


def _dispose(response: UpstreamResponse, held: HeldBody | None) -> None:
    """Read a response's body to its end, or cut its connection if that can't be used again."""
    if held is not None and not held.is_released:
        response.stopProducing()
    else:
        drain(response)


async def _awaited(again: Awaitable[bool], response: UpstreamResponse) -> bool:
    """Return the result; stop the response if the client leaves meanwhile."""
    try:
        return await again
    except BaseException:
        response.stopProducing()
        raise


def _is_stale(response: ResponseHead) -> bool:
    """Return whether a 401 is only about a stale nonce (RFC 7616 3.3)."""
    return any(is_true(each.parameters.get(b"stale")) for each in challenges_of(response.headers))


def _text(head: ResponseHead, body: bytes) -> bytes:
    """Return a short body, decompressed; empty if that fails."""
    if not any(name.lower() == b"content-encoding" for name, _ in head.headers):
        return body
    try:
        return decompressobj(wbits=MAX_WBITS | 16).decompress(body, MAX_LOOKED_AT)
    except zlib_error:
        return b""


def _may_be_error(head: ResponseHead) -> bool:
    """Return whether a response has a JSON body that is short enough to be searched.

    A stream of JSON values (``application/x-ndjson``, ``application/json;stream=watch``) must reach
    the client as it comes.
    """
    found = index_headers(head.headers)
    length = found.get(b"content-length", [b"0"])[-1]
    kind = found.get(b"content-type", [b""])[-1].lower()
    return (
        kind.partition(b";")[0].strip().endswith((b"/json", b"+json"))
        and b"stream" not in kind
        and found.get(b"content-encoding", [b"gzip"])[-1].lower() == b"gzip"
        and (not length.isdigit() or int(length) <= MAX_LOOKED_AT)
    )


def _kept(body: Body | None) -> bytes | None:
    """Return all of a kept body; None if it is streamed."""
    if body is None:
        return b""
    return body.take_whole() if isinstance(body, KeptBody) else None


def _may_go_elsewhere(error: ConnectionReset, signed: Signed, sent: Body | None) -> bool:
    """Return whether a request may be sent once more after its own connection was closed.

    A server may close an idle connection just as a request is on its way to it (RFC 9112 9.3.1).
    """
    pins = signed.pins
    if isinstance(error, PinnedConnectionLost):
        return True
    if pins is None or not pins.kept or signed.is_fresh:
        # A server may close the connection because it rejects the user.
        return False
    return may_repeat(signed.head.method, replayable=sent is None or sent.replayable)
