"""Sign requests with Digest authentication (RFC 7616).

The nonce of a 401 is kept. Later requests to that server are signed with it in advance, with an
increasing count. `server` decides which requests may be sent now, and with which nonce. Here they
wait for their turn.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from zope.interface import implementer

from corsgate.config.model.values import DigestCredentials
from corsgate.credentials.auth_fields import parse_parameters
from corsgate.credentials.digest.answer import Login
from corsgate.credentials.digest.challenge import strongest_challenge
from corsgate.credentials.digest.challenge_cookies import cookies_of, with_cookies, without_cookies
from corsgate.credentials.digest.nonce import Nonce, Turn
from corsgate.credentials.digest.server import DigestServer
from corsgate.credentials.means import Means
from corsgate.credentials.servers import remember
from corsgate.credentials.static import utf8
from corsgate.errors import BodyNotCovered, CredentialsRejected
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import HeaderList
from corsgate.message.signed import Signed

HURRY_S = 1.0
"""For how many seconds without any response requests wait, before one more of them is sent."""

PATIENCE = 10
"""After this many without any response, all are sent, because the server may be unresponsive."""


@implementer(ICredentials)
@attrs.define(kw_only=True, eq=False)
class DigestSigner:
    """Signs the requests of one upstream, with the learned state of each server.

    Its memory is limited: it keeps one challenge for each server, whose size
    `read_digest_challenge` limits. A forgotten server costs one more challenge. It keeps one realm
    for each server, so each change of realm also costs one.

    Attributes:
        header_names: Authorization.
        fixed: None.
        may_be_challenged: True.
        means: The clock and the source of client nonces.
        login: The user who answers challenges.
        min_algorithm: The weakest of `DIGEST_ALGORITHMS` to accept.
        require_qop: Whether challenges without qop are rejected.
    """

    header_names: frozenset[bytes] = attrs.field(default=frozenset((b"authorization",)), init=False)
    fixed: None = attrs.field(default=None, init=False)
    may_be_challenged: bool = attrs.field(default=True, init=False)
    means: Means = attrs.field(repr=False)
    login: Login = attrs.field(repr=False)
    min_algorithm: str
    require_qop: bool
    _queues: dict[str, _Queue] = attrs.field(factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, credentials: DigestCredentials, means: Means) -> DigestSigner:
        """Return a new signer.

        Args:
            credentials: The user name and password, and the weakest challenge to accept.
            means: The clock, and the source of client nonces.
        """
        return cls(
            means=means,
            login=Login(
                username=utf8(credentials.username),
                password=utf8(credentials.password.reveal()),
                rng=means.rng,
            ),
            min_algorithm=credentials.min_algorithm,
            require_qop=credentials.require_qop,
        )

    def begin(self, server: str) -> DigestAttempt:
        """Return an attempt at one server.

        Args:
            server: The server's origin.
        """
        queue = self._queues.get(server)
        if queue is None:
            queue = remember(self._queues, server, _Queue(self.means, server))
        return DigestAttempt(self, queue)


class _Queue:
    """The requests that wait until they may be sent to one server.

    Args:
        means: The clock, and the guard.
        origin: The server's origin.

    Attributes:
        server: Decides which of them may be sent.
    """

    __slots__ = ("_hurried", "_is_waking", "_means", "_origin", "_timer", "_waiting", "server")

    def __init__(self, means: Means, origin: str) -> None:
        self.server = DigestServer()
        self._origin = origin
        self._means = means
        self._waiting: dict[Turn, Deferred[None]] = {}
        self._timer: Any = None
        self._is_waking = False
        # How many were sent since the last response, because there was none for a long time.
        self._hurried = 0

    def admit(self, turn: Turn) -> bool:
        """Return whether a request may be sent now."""
        means = self._means
        if self._is_too_early():
            return False
        is_proven = means.guard.is_proven(self._origin)
        return self.server.admit(turn, means.seconds(), is_proven=is_proven)

    def _is_too_early(self) -> bool:
        """Return whether a request signed now would wait, and its nonce could expire meanwhile."""
        return self.server.nonce is not None and self._means.guard.would_wait(self._origin)

    async def wait(self, turn: Turn) -> None:
        """Return when a request may be sent; if this is cancelled, the request leaves the queue."""
        waiting: Deferred[None] = Deferred(lambda _: self._leave(turn))
        self._waiting[turn] = waiting
        if self._timer is None:
            self._timer = self._means.later(HURRY_S, self._hurry)
        # Another request may have been waiting for this one's last response.
        self.wake()
        await waiting

    def responded(self) -> None:
        """Restart the timer, because a response has arrived."""
        self._hurried = 0
        if self._timer is not None:
            self._timer.reset(HURRY_S)

    def wake(self) -> None:
        """Release the waiting requests that may be sent."""
        if not self._waiting or self._is_waking:
            return
        # A released request also calls this. Loop instead of recursing once for each.
        self._is_waking = True
        try:
            while (turn := self._next()) is not None:
                self._go(turn)
                if self._timer is not None:
                    self._timer.reset(HURRY_S)
        finally:
            self._is_waking = False

    def _next(self) -> Turn | None:
        """Return a request that may be sent now: one that the others wait for, or the first."""
        leaders = [turn for turn in self.server.leaders if turn in self._waiting]
        for turn in leaders or itertools.islice(self._waiting, 1):
            if self.admit(turn):
                return turn
        return None

    def _hurry(self) -> None:
        """Release one more request, because the server is slow or a response was lost."""
        self._timer = self._means.later(HURRY_S, self._hurry)
        self._hurried += 1
        if self._hurried < PATIENCE and self._is_too_early():
            return
        for turn in list(self._waiting)[: None if self._hurried >= PATIENCE else 1]:
            if turn in self._waiting:
                self.server.hurry(turn)
                self._go(turn)
        self.wake()

    def _go(self, turn: Turn) -> None:
        waiting = self._waiting[turn]
        self._leave(turn)
        waiting.callback(None)

    def _leave(self, turn: Turn) -> None:
        self._waiting.pop(turn, None)
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None


@implementer(IAttempt)
class DigestAttempt:
    """One request: signed with the server's nonce, and again with a new one if needed.

    Args:
        signer: The signer that made this attempt.
        queue: The queue of its server.
    """

    __slots__ = ("_cookies", "_queue", "_signer", "_turn")

    def __init__(self, signer: DigestSigner, queue: _Queue) -> None:
        self._signer = signer
        self._queue = queue
        self._turn = Turn()
        # Those of the last challenge.
        self._cookies: Mapping[bytes, bytes | None] = {}

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Return the signed request, or the unsigned head to fetch a challenge.

        This waits while another request fetches a challenge.

        Args:
            head: The head to send.
            body: Its body, which ``auth-int`` signs.

        Raises:
            BodyNotCovered: The server wants the body signed, but it is too large to be buffered.
            CredentialsRejected: The request was refused, and another one has shown that the login
                is wrong.
        """
        queue, turn = self._queue, self._turn
        if not queue.admit(turn):
            await queue.wait(turn)
        if turn.is_hopeless:
            raise CredentialsRejected(
                "the server has just rejected the user name or the password of another request",
                HURRY_S,
            )
        nonce = queue.server.sign(turn, can_resend=body is not None)
        if nonce is None:
            signed = Signed(head=head, has_credentials=False, is_fresh=False, awaits_continue=True)
        else:
            signed = self._signed(head, body, nonce)
        # Not earlier, so that the request that fetched a challenge is the first to use it.
        queue.wake()
        return signed

    def responded(self, signed: Signed, response: ResponseHead) -> bool:
        """Record a response; return whether to sign and resend the request.

        Args:
            signed: The request that was sent.
            response: The response, with any status.

        Raises:
            WeakChallenge: All challenges of the server are too weak.
        """
        signer, server, turn = self._signer, self._queue.server, self._turn
        now = signer.means.seconds()
        self._queue.responded()
        if response.status != 401:
            succeeded = response.status < 500
            server.passed(turn, now, succeeded=succeeded, closes=_closes(response.headers))
            self._take_next(response, now)
            self._queue.wake()
            return False
        self._cookies = {}
        try:
            offer = strongest_challenge(
                response.headers, signer.min_algorithm, require_qop=signer.require_qop
            )
        except BaseException:
            server.unanswerable(turn)
            raise
        # Don't wake others before `end`: by then the guard has recorded a rejection.
        if offer is None:
            server.unanswerable(turn)
            return False
        self._cookies = cookies_of(response.headers)
        return server.refused(turn, offer, now, bound=bool(self._cookies))

    def client_head(self, response: ResponseHead) -> ResponseHead:
        """Return the head without cookies that came with challenges.

        Args:
            response: The head of the last response.
        """
        if not self._cookies:
            return response
        is_challenge = response.status == 401
        return without_cookies(response, self._cookies, is_challenge=is_challenge)

    def end(self) -> None:
        """Let other requests proceed."""
        self._queue.server.leave(self._turn)
        self._queue.wake()

    def _signed(self, head: RequestHead, body: bytes | None, nonce: Nonce) -> Signed:
        """Return the request signed with a nonce."""
        signer, server, turn = self._signer, self._queue.server, self._turn
        if nonce.session is None:
            nonce.session = signer.login.session(nonce.offer)
        if body is None and nonce.offer.covers_body:
            raise BodyNotCovered(
                "it wants the body signed (qop=auth-int), but the body is too large for that"
            )
        value = signer.login.answer(
            nonce.session, turn.count, head.method, head.target, body or b""
        )
        if turn.is_answer:
            head = with_cookies(head, self._cookies)
        fields = [*head.headers, (b"Authorization", value)]
        return Signed(
            answers_challenge=True,
            head=RequestHead(method=head.method, target=head.target, headers=fields),
            is_fresh=server.is_fresh(turn),
            awaits_continue=server.awaits_continue(turn, signer.means.seconds()),
        )

    def _take_next(self, response: ResponseHead, now: float) -> None:
        """Use the server's nextnonce, if there is one (RFC 7616 3.5)."""
        turn = self._turn
        if turn.used is None or turn.used.session is None:
            return
        infos = [v for name, v in response.headers if name.lower() == b"authentication-info"]
        nonce = parse_parameters(infos[0]).get(b"nextnonce") if infos else None
        if not nonce or nonce == turn.used.offer.nonce:
            return
        session = self._signer.login.next_session(turn.used.session, nonce)
        if session is not None:
            self._queue.server.take_next(turn, session.offer, session, now)


def _closes(headers: HeaderList) -> bool:
    """Return whether a server closes the connection after a response (RFC 9112 9.6)."""
    return any(
        name.lower() == b"connection" and b"close" in value.lower() for name, value in headers
    )
