"""Requests that wait for another's challenge: they go on, leave, or lose patience."""

from __future__ import annotations

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import DigestCredentials, Secret
from corsgate.credentials.digest.signer import HURRY_S, PATIENCE, DigestAttempt, DigestSigner
from corsgate.credentials.guard import Guard
from corsgate.errors import BodyNotCovered, CredentialsRejected
from corsgate.message.signed import Signed
from tests.credentials.helpers import (
    SERVER,
    challenge,
    means,
    refusal,
    request,
    response,
)


@attrs.define(eq=False)
class Asking:
    """A request that was begun: its attempt, and what it is signed with."""

    attempt: DigestAttempt
    signing: Deferred[Signed]


class WaitingTestCase(SynchronousTestCase):
    """A signer whose clock the test moves."""

    def setUp(self) -> None:
        """Make the signer."""
        self.clock = Clock()
        self.guard = Guard("box", self.clock)
        world = attrs.evolve(
            means(), seconds=self.clock.seconds, later=self.clock.callLater, guard=self.guard
        )
        credentials = DigestCredentials(username="admin", password=Secret("s3cret"))
        self.signer = DigestSigner.of(credentials, world)

    def prove(self) -> None:
        """Let the server have accepted the login."""
        self.guard.proven[SERVER] = self.clock.seconds()

    def begin(self) -> Asking:
        """Begin a request."""
        attempt = self.signer.begin(SERVER)
        return Asking(attempt, Deferred.fromCoroutine(attempt.sign(request(), b"")))

    def again(self, asking: Asking) -> None:
        """Sign a request again."""
        asking.signing = Deferred.fromCoroutine(asking.attempt.sign(request(), b""))

    def challenged(self, asking: Asking, nonce: str = "n1") -> bool:
        """Return whether a request goes again after a challenge."""
        signed = self.successResultOf(asking.signing)
        return asking.attempt.responded(signed, refusal(challenge(nonce)))

    def assert_signed(self, asking: Asking, *, signed: bool = True) -> None:
        """Assert that a request goes, and how."""
        self.assertIs(self.successResultOf(asking.signing).has_credentials, signed)


class WaitingTests(WaitingTestCase):
    """Requests to a server that nothing is known about."""

    def test_challenge(self) -> None:
        """The others wait, and are signed as soon as there is a challenge; its request is first."""
        self.prove()
        one, *others = [self.begin() for _ in range(2000)]
        self.assert_signed(one, signed=False)
        for each in others:
            self.assertNoResult(each.signing)
        self.assertTrue(self.challenged(one))
        self.assertNoResult(others[0].signing)
        self.again(one)
        signed = self.successResultOf(one.signing)
        self.assertTrue(signed.has_credentials and signed.is_fresh)
        for each in others:
            self.assert_signed(each)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unproven(self) -> None:
        """Until the server has accepted the login, signed requests go one by one."""
        one, two, three = [self.begin() for _ in range(3)]
        self.assertTrue(self.challenged(one))
        self.again(one)
        self.assert_signed(one)
        self.assertNoResult(two.signing)
        one.attempt.responded(self.successResultOf(one.signing), response(503))
        one.attempt.end()
        self.assert_signed(two)
        self.assertNoResult(three.signing)
        two.attempt.responded(self.successResultOf(two.signing), response(200))
        self.prove()
        two.attempt.end()
        self.assert_signed(three)

    def test_unproven_hurry(self) -> None:
        """A slow response to the first signed request delays nobody."""
        one, two, three = [self.begin() for _ in range(3)]
        self.assertTrue(self.challenged(one))
        self.again(one)
        self.assert_signed(one)
        for each in (two, three):
            self.assertNoResult(each.signing)
            self.clock.advance(HURRY_S)
            self.assert_signed(each)

    def test_failure(self) -> None:
        """If the request that fetches the challenge fails, the next one does it."""
        one, two, three = [self.begin() for _ in range(3)]
        one.attempt.end()
        self.assert_signed(two, signed=False)
        self.assertNoResult(three.signing)
        two.attempt.end()
        self.assert_signed(three, signed=False)

    def test_cancelled(self) -> None:
        """One that is cancelled while it waits leaves the queue."""
        one, two, three = [self.begin() for _ in range(3)]
        two.signing.cancel()
        self.failureResultOf(two.signing, CancelledError)
        two.attempt.end()
        one.attempt.end()
        self.assert_signed(three, signed=False)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_public(self) -> None:
        """If the server asks for nothing, all go."""
        one, two, three = [self.begin() for _ in range(3)]
        self.assertFalse(one.attempt.responded(self.successResultOf(one.signing), response(200)))
        for each in (two, three):
            self.assert_signed(each, signed=False)

    def test_slow_server(self) -> None:
        """Each second without a response one more goes, so that a slow response delays nobody."""
        asked = [self.begin() for _ in range(4)]
        for number in range(1, 4):
            self.clock.advance(HURRY_S)
            self.assert_signed(asked[number], signed=False)
            for later in asked[number + 1 :]:
                self.assertNoResult(later.signing)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_progress(self) -> None:
        """The second counts from the last response."""
        one, two, three = [self.begin() for _ in range(3)]
        self.clock.advance(HURRY_S * 0.9)
        one.attempt.end()
        self.clock.advance(HURRY_S * 0.9)
        self.assert_signed(two, signed=False)
        self.assertNoResult(three.signing)

    def test_newcomers(self) -> None:
        """Requests that keep coming don't make the others wait longer for a silent server."""
        asked = [self.begin() for _ in range(2)]
        for _ in range(3):
            self.clock.advance(HURRY_S * 0.6)
            asked.append(self.begin())
        self.assert_signed(asked[1], signed=False)

    def test_silent_server(self) -> None:
        """After some seconds without any response, none waits any longer."""
        asked = [self.begin() for _ in range(100)]
        self.clock.pump([HURRY_S] * (PATIENCE - 1))
        self.assertNoResult(asked[PATIENCE].signing)
        self.clock.advance(HURRY_S)
        for each in asked:
            self.assert_signed(each, signed=False)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_patience(self) -> None:
        """A response in between begins the count anew."""
        asked = [self.begin() for _ in range(100)]
        self.clock.pump([HURRY_S] * (PATIENCE - 1))
        self.assertTrue(self.challenged(asked[0]))
        self.clock.pump([HURRY_S] * (PATIENCE - 1))
        self.assertNoResult(asked[-1].signing)

    def test_wrong_login(self) -> None:
        """One that was refused is not sent again once the login is known to be wrong."""
        self.prove()
        one, two = self.begin(), self.begin()
        self.challenged(one)
        self.again(one)
        self.assertTrue(self.challenged(two, "n2"))
        self.again(two)
        self.assertNoResult(two.signing)
        self.assertFalse(self.challenged(one, "n3"))
        self.assertNoResult(two.signing)
        one.attempt.end()
        self.failureResultOf(two.signing, CredentialsRejected)
        two.attempt.end()
        three = self.begin()
        self.assert_signed(three, signed=False)

    def test_body(self) -> None:
        """A body that isn't known can't be signed with auth-int; others can, and go on."""
        one = self.begin()
        signed = self.successResultOf(one.signing)
        int_only = refusal(challenge("n1", 'qop="auth-int"'))
        self.assertTrue(one.attempt.responded(signed, int_only))
        streamed = Deferred.fromCoroutine(one.attempt.sign(request(), None))
        self.failureResultOf(streamed, BodyNotCovered)
        one.attempt.end()
        self.assert_signed(self.begin())
