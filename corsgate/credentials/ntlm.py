"""Authenticate upstream connections with NTLM, also inside Negotiate (MS-NLMP, RFC 4559).

The server authenticates connections, not requests. So requests use connections dedicated to these
credentials, one request at a time. An authenticated connection is reused until it closes, and those
requests carry no credentials. `_Attempt` has the steps.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from enum import Enum, auto
from threading import Lock
from typing import Any, Final

import attrs
from OpenSSL import crypto
from twisted.internet.defer import TimeoutError
from twisted.logger import Logger
from zope.interface import implementer

from corsgate.config.model.ntlm import NtlmCredentials
from corsgate.credentials.attempt import BaseAttempt, with_fields
from corsgate.credentials.auth_fields import Challenge, challenges_of
from corsgate.credentials.means import Means, Pin
from corsgate.credentials.ntlm_messages import NEGOTIATE, NTLM, Handshake
from corsgate.credentials.servers import remember
from corsgate.errors import HandshakeFailed, UpstreamBusy
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed

MAX_HANDSHAKES: Final = 3
"""How many handshakes one request may start: the first, one with the other scheme, and one after
the server closed a connection."""

_SCHEMES: Final = {b"ntlm": NTLM, b"negotiate": NEGOTIATE}
_REFUSED_REUSES: Final = 2

# These fields describe a body, or a request with one. A request that only starts a handshake has
# no body.
_OF_BODY: Final = frozenset(
    (b"expect", b"range", b"te", b"trailer", b"upgrade", b"connection", b"x-request-id")
)

_log = Logger()


class _Sent(Enum):
    """The last message that was sent for a request.

    | member  | message                                                                  |
    | ------- | ------------------------------------------------------------------------ |
    | REUSE   | the request, on an authenticated connection                              |
    | OPENING | the request with the first message of a handshake                        |
    | STEP    | a request without a body that only starts the handshake                  |
    | ANSWER  | the request with the last message of the handshake                       |
    """

    REUSE = auto()
    OPENING = auto()
    STEP = auto()
    ANSWER = auto()


@attrs.define(kw_only=True, eq=False)
class _Server:
    """The state of one server.

    Attributes:
        idle: Its idle connections, the most recently used last.
        scheme: The scheme with which handshakes start.
        refused_reuses: How many requests in a row were refused on an authenticated connection, but
            accepted with a new handshake.
        challenged: The method and path of an upload that was challenged too late.
    """

    idle: list[Pin] = attrs.field(factory=list)
    scheme: bytes = NTLM
    refused_reuses: int = 0
    challenged: tuple[bytes, bytes] | None = attrs.field(default=None, repr=False)

    @property
    def reuses(self) -> bool:
        """Whether the server keeps a connection authenticated.

        IIS doesn't with ``authPersistSingleRequest``; servers behind some load balancers don't
        either.
        """
        return self.refused_reuses < _REFUSED_REUSES

    def take(self) -> Pin | None:
        """Return the most recently used connection that is usable, or None."""
        while self.idle:
            pin = self.idle.pop()
            if pin.usable:
                pin.held = True
                return pin
        return None

    def returned(self, pin: Pin) -> None:
        """Keep an idle connection, and drop those that have closed."""
        self.idle = [each for each in self.idle if each.usable and each is not pin]
        self.idle.append(pin)


@implementer(ICredentials)
class NtlmSigner:
    """Authenticates the connections to an upstream's servers.

    Args:
        credentials: The user and the password.
        means: Makes dedicated connections, and runs functions in a thread.

    Attributes:
        header_names: Authorization.
        fixed: None.
        may_be_challenged: True.
    """

    header_names = frozenset((b"authorization",))
    fixed = None
    may_be_challenged = True

    def __init__(self, credentials: NtlmCredentials, means: Means) -> None:
        self._credentials = credentials
        self._means = means
        # The lock guards the environment, which all signers in the process share.
        self._lock = means.shared.of("environment of NTLM", Lock)
        self._servers: dict[str, _Server] = {}

    def begin(self, server: str) -> IAttempt:
        """Return an attempt at one server.

        Args:
            server: The server's origin.
        """
        known = self._servers.get(server)
        if known is None:
            known = remember(self._servers, server, _Server())
        return _Attempt(self._credentials, self._means, self._lock, known, server)


@implementer(IAttempt)
class _Attempt(BaseAttempt):
    """One request, sent on an authenticated connection or with its own handshake.

    A buffered body is also sent with the first message of the handshake: if the resource is public,
    the server already has the whole request.

    A streamed body can be sent only once. So a GET of the same target, which changes nothing,
    starts the handshake. If the target is public for GET, the upload itself starts the handshake.
    If the server then challenges the upload, the gate remembers that. The next such upload starts
    with its own method and an empty body, because this server will challenge it. This way an empty
    POST never reaches a resource that could be public.

    Args:
        credentials: The user and the password.
        means: Makes dedicated connections, and runs functions in a thread.
        lock: See `Handshake`.
        server: The state of the server.
        origin: The server's origin, for the log.
    """

    def __init__(
        self, credentials: NtlmCredentials, means: Means, lock: Lock, server: _Server, origin: str
    ) -> None:
        self._credentials = credentials
        self._means = means
        self._lock = lock
        self._server = server
        self._origin = origin
        self._pin: Pin | None = None
        self._keep = False
        self._sent: _Sent | None = None
        self._handshake: Handshake | None = None
        self._handshakes = 0
        self._scheme = server.scheme
        self._tried: set[bytes] = set()
        # The server's challenge, until it is answered.
        self._challenge: bytes | None = None
        # Whether a GET of the target was not challenged.
        self._is_public = False
        self._is_streamed = False
        # Whether the server refused the request on an authenticated connection.
        self._was_refused = False
        self._asked: tuple[bytes, bytes] = (b"", b"")

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Return the request, or a preceding handshake request, for a dedicated connection.

        Args:
            head: The head to send.
            body: The whole body; None if it is streamed.

        Raises:
            HandshakeFailed: The server's challenge is malformed, or the server closes every
                connection during the handshake.
            UpstreamBusy: No thread became free to make the message.
        """
        self._keep = False
        self._is_streamed = body is None
        self._asked = (head.method, head.target.partition(b"?")[0])
        pin = self._pin
        if pin is None:
            pin = self._pin = self._server.take()
        else:
            # The rest of the last response may still be arriving.
            await pin.when_settled()
        if self._challenge is not None and pin is not None:
            signed = await self._answered(pin, head)
            if signed is not None:
                return signed
        elif pin is not None and pin.authenticated and pin.usable and self._server.reuses:
            return self._as(_Sent.REUSE, head)
        return await self._opened(head)

    def responded(self, signed: Signed, response: ResponseHead) -> bool:
        """Learn from a response; return whether to send the next message of the handshake.

        Args:
            signed: The request that was sent.
            response: The response.
        """
        if response.status != 401:
            return self._accepted()
        challenges = _challenges(response)
        sent, server = self._sent, self._server
        if sent is _Sent.ANSWER:
            return False
        if sent is _Sent.REUSE:
            assert self._pin is not None, "it was sent on a connection"
            self._pin.authenticated = False
            self._was_refused = True
            return self._next_scheme(challenges)
        if sent is _Sent.OPENING and self._is_streamed:
            server.challenged = self._asked
        token = challenges.get(self._scheme)
        if token:
            self._challenge = token
            return True
        # The server may offer the other scheme, which was not tried on this connection.
        self._tried.add(self._scheme)
        return self._next_scheme(challenges)

    def end(self) -> None:
        """Release the connection; close it unless its authentication state is known."""
        if self._pin is not None:
            self._pin.release(keep=self._keep)

    # The steps.

    async def _answered(self, pin: Pin, head: RequestHead) -> Signed | None:
        """Return the request with the last message, or None if the connection has closed."""
        challenge, self._challenge = self._challenge, None
        handshake, self._handshake = self._handshake, None
        assert challenge is not None, "it was challenged"
        assert handshake is not None, "the handshake has started"
        if not pin.usable:
            return None
        certificate = _der(pin)
        try:
            message = await self._in_thread(handshake.response, challenge, certificate)
        except ValueError as error:
            raise HandshakeFailed(str(error)) from error
        if not pin.usable:
            return None
        return self._as(_Sent.ANSWER, self._with(head, message))

    async def _opened(self, head: RequestHead) -> Signed:
        """Return the request, or its replacement, with the first message."""
        if self._pin is None or not self._pin.usable:
            if self._pin is not None:
                self._pin.release(keep=False)
            self._pin = self._means.make_pin(self._server.returned)
        self._handshakes += 1
        if self._handshakes > MAX_HANDSHAKES:
            raise HandshakeFailed("it closes connections during the NTLM handshake")
        handshake = await self._in_thread(Handshake, self._credentials, self._scheme, self._lock)
        self._handshake = handshake
        message = await self._in_thread(handshake.opening)
        is_challenged = self._server.challenged == self._asked
        if not self._is_streamed or (self._is_public and not is_challenged):
            return self._as(_Sent.OPENING, self._with(head, message))
        method = head.method if is_challenged else b"GET"
        bare = RequestHead(method, head.target, _without_body(head))
        return self._as(_Sent.STEP, self._with(bare, message))

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return await self._means.in_thread(call, *arguments)
        except TimeoutError as error:
            raise UpstreamBusy("no thread became free to make the NTLM message") from error

    def _as(self, sent: _Sent, head: RequestHead) -> Signed:
        self._sent = sent
        return Signed(
            head=head,
            has_credentials=sent in (_Sent.REUSE, _Sent.ANSWER),
            sends_secret=sent is not _Sent.REUSE,
            is_fresh=sent is _Sent.ANSWER,
            awaits_continue=sent is _Sent.OPENING and self._is_streamed,
            sends_body=sent is not _Sent.STEP,
            pins=self._pin,
        )

    def _with(self, head: RequestHead, message: bytes) -> RequestHead:
        value = b"%b %b" % (self._scheme, b64encode(message))
        return with_fields(head, ((b"Authorization", value),))

    def _accepted(self) -> bool:
        """Record a response other than 401; return whether the request must still be sent."""
        assert self._pin is not None, "it was sent on a connection"
        if self._sent is _Sent.STEP:
            self._is_public = True
            return True
        if self._sent is _Sent.ANSWER:
            self._pin.authenticated = True
            self._server.scheme = self._scheme
            if self._was_refused:
                self._note_refused_reuse()
        if self._sent is _Sent.REUSE:
            self._server.refused_reuses = 0
        self._keep = True
        return False

    def _note_refused_reuse(self) -> None:
        """Count a refusal of an authenticated connection that a new handshake resolved."""
        self._server.refused_reuses += 1
        if self._server.refused_reuses == _REFUSED_REUSES:
            _log.info(
                "server {server} authenticates each request instead of each connection: each"
                " request needs an NTLM handshake",
                server=self._origin,
            )

    def _next_scheme(self, challenges: dict[bytes, bytes]) -> bool:
        """Choose an offered scheme that was not tried yet; return whether there is one."""
        for scheme in (self._scheme, NTLM, NEGOTIATE):
            if scheme in challenges and scheme not in self._tried:
                self._scheme = scheme
                return True
        return False


def _challenges(response: ResponseHead) -> dict[bytes, bytes]:
    """Return the messages of a 401 by scheme; empty bytes for a scheme without a message."""
    found: dict[bytes, bytes] = {}
    for each in challenges_of(response.headers):
        scheme = _SCHEMES.get(each.scheme)
        if scheme is not None and not found.get(scheme):
            found[scheme] = _token(each)
    return found


def _token(challenge: Challenge) -> bytes:
    try:
        return b64decode(challenge.token68 or b"", validate=True)
    except ValueError:
        return b""


def _without_body(head: RequestHead) -> list[tuple[bytes, bytes]]:
    """Return a request's fields for one with the same target and no body."""
    return [
        (name, value)
        for name, value in head.headers
        if name.lower() not in _OF_BODY and not name.lower().startswith((b"content-", b"if-"))
    ]


def _der(pin: Pin) -> bytes | None:
    """Return the server's certificate in DER form; None without TLS."""
    certificate = pin.peer_certificate()
    if certificate is None:
        return None
    return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
