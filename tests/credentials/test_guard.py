"""Who may send the credentials when, and what those that wait get."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials import guard as module
from corsgate.credentials.guard import MAX_WAIT_S, MAX_WAITING, Guard
from corsgate.credentials.lockout import FIRST_BLOCK_S, PROOF_S
from corsgate.credentials.place import Place
from corsgate.errors import CredentialsRejected, UpstreamBusy

SERVER, OTHER = "http://10.0.0.11", "http://10.0.0.12"


class Renewing:
    """Counts how often another secret is looked for."""

    asked = 0

    def renew_soon(self) -> None:
        """Count."""
        self.asked += 1


class GuardTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a guard that knows nothing yet."""
        self.clock = Clock()
        self.guard = Guard("box", self.clock)

    def ask(self, server: str = SERVER) -> Deferred[Place]:
        """Ask for a place."""
        return Deferred.fromCoroutine(self.guard.admit(server))

    def admit(self, server: str = SERVER) -> Place:
        """Return a place that is free."""
        return self.successResultOf(self.ask(server))

    def block(self, server: str = SERVER) -> None:
        """Have a server reject two requests."""
        self.admit(server).rejected()
        self.admit(server).rejected()

    def test_many_at_once(self) -> None:
        """Of 64 requests with a wrong password two are sent; all others fail with the second."""
        asked = [self.ask() for _ in range(64)]
        first, second, *others = asked
        for each in others:
            self.assertNoResult(each)
        self.successResultOf(first).rejected()
        for each in others:
            self.assertNoResult(each)
        self.successResultOf(second).rejected()
        for each in others:
            self.failureResultOf(each, CredentialsRejected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_accepted_lets_all_go(self) -> None:
        """One accepted request lets all go at once."""
        asked = [self.ask() for _ in range(64)]
        self.successResultOf(asked[0]).accepted()
        for each in asked[1:]:
            self.successResultOf(each).end()
        self.assertEqual(set(self.guard.proven), {SERVER})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_slow_first_responses(self) -> None:
        """While the first responses are slow, one more request is sent after 1 s, then 2 s."""
        asked = [self.ask() for _ in range(5)]
        self.clock.advance(1)
        self.successResultOf(asked[2])
        self.assertNoResult(asked[3])
        self.clock.advance(1)
        self.assertNoResult(asked[3])
        self.clock.advance(1)
        self.successResultOf(asked[3]).accepted()
        self.successResultOf(asked[4])

    def test_servers_are_apart(self) -> None:
        """A block of one server leaves another alone."""
        self.block()
        self.failureResultOf(self.ask(), CredentialsRejected)
        self.admit(OTHER).accepted()
        self.assertIsNone(self.guard.block(OTHER))

    def test_block(self) -> None:
        """In a block nothing waits, and the error says for how long; then one request tries."""
        self.block()
        error = self.failureResultOf(self.ask(), CredentialsRejected).value
        self.assertEqual(error.retry_s, FIRST_BLOCK_S)
        self.assertIn("2 times; nothing is signed for another 5 s", str(error))
        self.assertRaises(CredentialsRejected, self.guard.check, SERVER)
        self.clock.advance(FIRST_BLOCK_S)
        self.guard.check(SERVER)
        self.assertIsNone(self.guard.block(SERVER))
        self.admit()

    def test_status(self) -> None:
        """A block can be read: how long it lasts, after how many rejections."""
        self.assertIsNone(self.guard.block(SERVER))
        self.block()
        self.clock.advance(2)
        block = self.guard.block(SERVER)
        assert block is not None
        self.assertEqual((block.left_s, block.rejections), (3, 2))

    def test_trial(self) -> None:
        """Others wait for the verdict on a trial for a second, then fail."""
        self.block()
        self.clock.advance(FIRST_BLOCK_S)
        trial, other = self.admit(), self.ask()
        self.assertNoResult(other)
        self.clock.advance(1)
        error = self.failureResultOf(other, CredentialsRejected).value
        self.assertIn("they are being tried", str(error))
        another = self.ask()
        trial.accepted()
        self.successResultOf(another)

    def test_rejected_trial(self) -> None:
        """A rejected trial fails those that wait for it at once."""
        self.block()
        self.clock.advance(FIRST_BLOCK_S)
        trial, other = self.admit(), self.ask()
        trial.rejected()
        error = self.failureResultOf(other, CredentialsRejected).value
        self.assertEqual(error.retry_s, 2 * FIRST_BLOCK_S)

    def test_cancelled_waiter(self) -> None:
        """Who gives up waiting takes no place."""
        asked = [self.ask() for _ in range(4)]
        asked[2].cancel()
        self.failureResultOf(asked[2])
        self.successResultOf(asked[0]).unjudged()
        self.successResultOf(asked[3])

    def test_many_give_up(self) -> None:
        """Many requests whose time is over together don't make room for as many others."""
        asked = [self.ask() for _ in range(64)]

        for each in asked[2:]:
            each.addErrback(lambda failure: failure.trap(CancelledError))
        self.successResultOf(asked[0]).end()
        self.successResultOf(asked[1]).end()
        self.assertFalse(asked[2].called)
        for each in asked[2:]:
            each.cancel()
        late = self.ask()
        self.assertNoResult(late)
        self.clock.advance(1)
        self.successResultOf(late)

    def test_proof_ends(self) -> None:
        """A server that has not been used for long has to accept again: the password may differ."""
        self.admit().accepted()
        self.clock.advance(PROOF_S)
        self.admit().end()
        self.clock.advance(PROOF_S + 1)
        asked = [self.ask() for _ in range(3)]
        self.assertEqual([each.called for each in asked], [True, True, False])

    def test_proven_server_rejects(self) -> None:
        """A rejection by a proven server ends its proof; a second one blocks it."""
        self.admit().accepted()
        self.guard.rejected(SERVER)
        self.assertEqual(self.guard.proven, {})
        self.admit().rejected()
        self.failureResultOf(self.ask(), CredentialsRejected)

    def test_rejected_beside_an_accepted_one(self) -> None:
        """Of two requests sent together one is accepted, then the other rejected: that is one."""
        first, second = self.admit(), self.admit()
        first.accepted()
        second.rejected()
        self.assertNotIn(SERVER, self.guard.proven)
        self.admit().rejected()
        self.failureResultOf(self.ask(), CredentialsRejected)

    def test_in_flight_when_the_password_changes(self) -> None:
        """Late verdicts of a proven server neither prove it again nor prolong the block."""
        self.admit().accepted()
        late = [self.admit() for _ in range(8)]
        for place in late[:4]:
            place.rejected()
        for place in late[4:]:
            place.accepted()
        self.assertEqual(self.guard.proven, {})
        block = self.guard.block(SERVER)
        assert block is not None
        self.assertEqual(block.rejections, 2)

    def test_login(self) -> None:
        """A login need not wait for requests that wait for it, but obeys a block."""
        places = [self.ask() for _ in range(4)]
        login = self.guard.admit_login(SERVER)
        self.assertNoResult(places[2])
        login.accepted()
        self.successResultOf(places[3])
        self.guard.admit_login(SERVER).rejected()
        self.guard.admit_login(SERVER).rejected()
        self.assertRaises(CredentialsRejected, self.guard.admit_login, SERVER)

    def test_would_wait(self) -> None:
        """It says what `admit` would do: wait, or not."""
        found = []
        for _ in range(3):
            found.append(self.guard.would_wait(SERVER))
            asked = self.ask()
        self.assertEqual(found, [False, False, True])
        self.assertNoResult(asked)
        self.clock.advance(1)
        self.successResultOf(asked).accepted()
        self.assertFalse(self.guard.would_wait(SERVER))
        self.block(OTHER)
        self.assertFalse(self.guard.would_wait(OTHER))

    def test_logins_count(self) -> None:
        """A login is one of those that are under way."""
        login, asked = self.guard.admit_login(SERVER), [self.ask(), self.ask()]
        self.successResultOf(asked[0])
        self.assertNoResult(asked[1])
        login.unjudged()
        self.successResultOf(asked[1])

    def test_blocked_looks_for_another_secret(self) -> None:
        """A request that a block stops has another secret looked for."""
        renewable = Renewing()
        self.guard.renew_by(renewable)
        self.block()
        self.assertEqual(renewable.asked, 0)
        self.failureResultOf(self.ask(), CredentialsRejected)
        self.assertRaises(CredentialsRejected, self.guard.check, SERVER)
        self.assertRaises(CredentialsRejected, self.guard.admit_login, SERVER)
        self.assertEqual(renewable.asked, 3)
        # Who is no longer in use is not asked, nor kept.
        del renewable
        self.guard.renew_by(Renewing())
        self.assertRaises(CredentialsRejected, self.guard.check, SERVER)

    def test_forget(self) -> None:
        """A new secret is tried at once, by those that wait too."""
        asked = [self.ask() for _ in range(4)]
        self.guard.forget()
        self.successResultOf(asked[3])
        for place in asked[:2]:
            self.successResultOf(place).rejected()
        self.assertIsNone(self.guard.block(SERVER))
        self.block(OTHER)
        self.guard.forget()
        self.admit(OTHER)
        self.assertEqual(self.guard.version, 2)

    def test_rejections_of_the_secret_before(self) -> None:
        """Rejections that come after a change don't block the new secret."""
        self.admit().accepted()
        late = [self.admit() for _ in range(4)]
        self.guard.forget()
        for place in late:
            place.rejected()
        self.admit().accepted()

    def test_long_wait(self) -> None:
        """A wait ends: with 503 where verdicts don't come."""
        asked = [self.ask() for _ in range(20)]
        for _ in range(int(MAX_WAIT_S)):
            self.clock.advance(1)
        for each in asked[:7]:
            self.successResultOf(each)
        for each in asked[7:]:
            self.failureResultOf(each, UpstreamBusy)

    def test_many_waiters(self) -> None:
        """A bounded number of requests waits."""
        asked = [self.ask() for _ in range(MAX_WAITING + 2)]
        self.assertNoResult(asked[-1])
        self.failureResultOf(self.ask(), UpstreamBusy)
        for each in asked[2:]:
            each.cancel()
            self.failureResultOf(each)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_waiters_that_fail_at_once(self) -> None:
        """A thousand waiting requests that each fail at once don't nest."""
        first, second = self.admit(), self.admit()

        async def fail() -> None:
            place = await self.guard.admit(SERVER)
            place.unjudged()

        asked = [Deferred.fromCoroutine(fail()) for _ in range(1000)]
        first.unjudged()
        for each in asked:
            self.successResultOf(each)
        second.end()

    def test_memory(self) -> None:
        """What is remembered of servers is bounded."""
        self.patch(module, "MAX_SERVERS", 3)
        for number in range(5):
            self.admit(f"http://10.0.0.{number}").accepted()
            self.admit(f"http://10.0.1.{number}").rejected()
        self.assertEqual(len(self.guard.proven), 3)
        self.assertEqual(len(self.guard._servers), 3)

    def test_log(self) -> None:
        """The log says that a block begins, with what to do, and that it has ended."""
        with capturedLogs() as captured:
            self.block()
            self.failureResultOf(self.ask(), CredentialsRejected)
            self.clock.advance(FIRST_BLOCK_S)
            self.admit().accepted()
        events = [formatEvent(event) for event in captured]
        self.assertEqual(len(events), 2)
        self.assertIn("nothing is signed for 5 s", events[0])
        self.assertIn("requests are signed again", events[1])
