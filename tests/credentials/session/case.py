"""A signer of sessions whose own requests wait for a test's responses."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.secret import Secret
from corsgate.config.model.session import SessionCredentials
from corsgate.credentials.guard import Guard
from corsgate.credentials.means import OwnResponse
from corsgate.credentials.session.signer import SessionSigner
from corsgate.interfaces import IAttempt
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed
from tests.credentials.helpers import SERVER, means, request, response

COOKIES = SessionCredentials(login_url="/login", json=(("pass", Secret("p")),))
TOKEN = SessionCredentials(
    login_url="/login",
    json=(("pass", Secret("p")),),
    token_path="t",
    header="Authorization: Bearer {token}",
    lifetime_s=60.0,
    logout_url="/logout",
)


class SessionCase(SynchronousTestCase):
    """A test case whose own requests wait for their responses.

    Attributes:
        asked: The server, the head and the body of each request of the gate's own.
        answers: The Deferreds of their responses.
    """

    def setUp(self) -> None:
        """Begin without requests."""
        self.clock = Clock()
        self.asked: list[tuple[str, RequestHead, bytes]] = []
        self.answers: list[Deferred[OwnResponse]] = []

    def ask(self, server: str, head: RequestHead, body: bytes) -> Deferred[OwnResponse]:
        """Keep a request."""
        self.asked.append((server, head, body))
        self.answers.append(Deferred())
        return self.answers[-1]

    def answer(self, head: ResponseHead, body: bytes = b"") -> None:
        """Respond to the last request."""
        target = self.asked[-1][1].target
        self.answers[-1].callback(OwnResponse(head=head, body=body, target=target))

    def cookie(self, value: str) -> None:
        """Respond with a cookie."""
        self.answer(response(200, (b"Set-Cookie", b"sid=" + value.encode() + b"; Path=/")))

    def signer(
        self, credentials: SessionCredentials = COOKIES, guard: Guard | None = None
    ) -> SessionSigner:
        """Return a new signer."""
        world = attrs.evolve(
            means(),
            seconds=self.clock.seconds,
            wall_clock=lambda: 1.7e9 + self.clock.seconds(),
            ask=self.ask,
            guard=guard or Guard("box", self.clock),
        )
        return SessionSigner(credentials, world)

    def begin(
        self, signer: SessionSigner, method: bytes = b"GET", server: str = SERVER
    ) -> tuple[IAttempt, Deferred[Signed]]:
        """Return an attempt, and a Deferred of its signed request."""
        attempt = signer.begin(server)
        return attempt, self.sign(attempt, method)

    def sign(self, attempt: IAttempt, method: bytes = b"GET") -> Deferred[Signed]:
        """Sign, perhaps again."""
        return Deferred.fromCoroutine(attempt.sign(request(b"/x", method), b""))

    def signed(self, signer: SessionSigner, method: bytes = b"GET") -> tuple[IAttempt, Signed]:
        """Return an attempt and its signed request, for which nothing has to be asked."""
        attempt, signing = self.begin(signer, method)
        return attempt, self.successResultOf(signing)

    def field(self, signed: Signed, name: bytes) -> bytes | None:
        """Return the value of a field that occurs at most once."""
        values = [v for n, v in signed.head.headers if n.lower() == name.lower()]
        self.assertLessEqual(len(values), 1)
        return values[0] if values else None
