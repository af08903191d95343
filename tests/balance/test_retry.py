"""Whether a failed attempt may be repeated."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.failure_causes import cause_of
from corsgate.balance.retry import (
    IDEMPOTENT_METHODS,
    MAX_BACK_OFF_S,
    MAX_WAITS,
    May,
    Retries,
    RetryBudget,
    may_repeat,
    may_resend,
    nothing_sent,
)
from corsgate.config.model.balancing import CAUSES, FAILURES, Balancing
from corsgate.errors import (
    BadUpstreamResponse,
    ConnectFailed,
    ConnectionReset,
    ConnectTimedOut,
    QueueFull,
    UpstreamBusy,
    UpstreamError,
    UpstreamTimedOut,
)

NOTHING_SENT = (ConnectFailed("x"), ConnectTimedOut("x"), QueueFull("x"))
MAY_HAVE_ACTED = (
    UpstreamError("x"),
    UpstreamTimedOut("x"),
    BadUpstreamResponse("x"),
    ConnectionReset("x"),
)
IDEMPOTENT = (b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE")
NOT_IDEMPOTENT = (b"POST", b"PATCH", b"LOCK", b"MKCOL", b"get", b"")


def retries(
    rules: Balancing | None = None, method: bytes = b"GET", until_s: float = 9.0
) -> Retries:
    """Return the retries of one request, alone with its budget."""
    return Retries(rules or Balancing(), RetryBudget(), method, until_s)


def allows(
    made: Retries,
    cause: str | None = "reset",
    *,
    sent: bool = True,
    replayable: bool = True,
    now: float = 0.0,
) -> bool:
    """Return whether there may be another attempt at the one request that runs."""
    may = made.ask(cause, sent=sent, replayable=replayable, requests=1, now=now)
    return may is May.GO_ON


class SentTests(SynchronousTestCase):
    def test_nothing_sent(self) -> None:
        """Without a connection nothing was sent."""
        for error in NOTHING_SENT:
            self.assertTrue(nothing_sent(error), error)

    def test_waited(self) -> None:
        """Who has waited for one server in vain doesn't wait for another too."""
        self.assertFalse(nothing_sent(UpstreamBusy("x")))

    def test_may_have_acted(self) -> None:
        """A server that was connected to may have acted."""
        for error in MAY_HAVE_ACTED:
            self.assertFalse(nothing_sent(error), error)

    def test_causes(self) -> None:
        """Each error has the word that stands for it in a configuration, if there is one."""
        causes = [cause_of(error) for error in (*NOTHING_SENT, *MAY_HAVE_ACTED)]
        self.assertEqual(causes, ["connect", "connect", None, None, "timeout", None, "reset"])


class ResendTests(SynchronousTestCase):
    def test_idempotent(self) -> None:
        """A reset before any byte lets an idempotent request be sent again."""
        for method in IDEMPOTENT:
            self.assertTrue(may_resend(ConnectionReset("x"), method, replayable=True), method)

    def test_not_idempotent(self) -> None:
        """Any other method may act twice; methods are compared case and all."""
        for method in NOT_IDEMPOTENT:
            self.assertFalse(may_resend(ConnectionReset("x"), method, replayable=True), method)

    def test_body_is_gone(self) -> None:
        """What can't be sent whole isn't sent again."""
        for method in IDEMPOTENT:
            self.assertFalse(may_resend(ConnectionReset("x"), method, replayable=False), method)

    def test_other_failures(self) -> None:
        """After a byte of a response, or a time-out, nothing is sent again."""
        for error in (*MAY_HAVE_ACTED[:3], *NOTHING_SENT):
            self.assertFalse(may_resend(error, b"GET", replayable=True), error)


class RetryTests(SynchronousTestCase):
    def test_once(self) -> None:
        """By default one repetition of what may have acted, whatever the cause."""
        for cause in FAILURES:
            made = retries()
            self.assertEqual([allows(made, cause) for _ in range(3)], [True, False, False], cause)

    def test_unsent(self) -> None:
        """What reached no server goes on to each other one, and counts as no repetition."""
        made = retries(method=b"POST")
        unsent = [allows(made, "connect", sent=False, replayable=True) for _ in range(5)]
        self.assertEqual(unsent, [True] * 5)

    def test_never(self) -> None:
        """No retries are none, not even of what reached no server."""
        made = retries(Balancing(retries=0))
        self.assertEqual([allows(made), allows(made, "connect", sent=False)], [False, False])

    def test_causes(self) -> None:
        """Only the configured causes lead to another attempt."""
        made = Balancing(retry_on=("connect", "503"))
        allowed = {cause for cause in CAUSES if allows(retries(made), cause)}
        self.assertEqual(allowed, {"connect", "503"})
        self.assertFalse(allows(retries(made), None), "what has no name")
        self.assertFalse(allows(retries(Balancing(retry_on=("reset",))), "connect", sent=False))

    def test_default_causes(self) -> None:
        """A 500 is the application's answer, and not asked for again."""
        self.assertEqual(set(CAUSES) - set(FAILURES), {"500"})

    def test_in_time(self) -> None:
        """What may have acted is repeated only within the request's time."""
        self.assertTrue(allows(retries(until_s=9.0), now=8.9))
        self.assertFalse(allows(retries(until_s=9.0), now=9.0))
        self.assertTrue(allows(retries(until_s=9.0), "connect", sent=False, now=9.0))

    def test_back_off(self) -> None:
        """The wait is drawn from a range that doubles up to its end; what was unsent waits not."""
        made = retries(Balancing(retries=10))
        self.assertEqual(made.back_off_s(May.GO_ON, 0.5), 0.0)
        waits = []
        for _ in range(3):  # The budget's floor.
            allows(made)
            waits.append(made.back_off_s(May.GO_ON, 0.5))
        self.assertEqual(waits, [0.0125, 0.025, 0.05])
        self.assertEqual(made.back_off_s(May.GO_ON, 0.0), 0.0)

    @given(st.integers(1, 10), st.floats(0, 1, exclude_max=True))
    def test_back_off_is_bounded(self, times: int, drawn: float) -> None:
        """However often, the wait has an end."""
        made = Retries(Balancing(retries=10), RetryBudget(), b"GET", 9.0)
        for _ in range(times):
            made.ask("reset", sent=True, replayable=True, requests=1000, now=0.0)
        self.assertLess(made.back_off_s(May.GO_ON, drawn), MAX_BACK_OFF_S)

    @given(
        st.binary(max_size=8) | st.sampled_from(IDEMPOTENT + NOT_IDEMPOTENT),
        st.booleans(),
        st.sampled_from((None, *CAUSES)),
    )
    def test_only_what_is_safe(self, method: bytes, replayable: bool, cause: str | None) -> None:
        """Whatever is configured, what may have acted is repeated only where that is harmless."""
        made = retries(Balancing(retries=10, retry_on=CAUSES), method)
        if allows(made, cause, replayable=replayable):
            self.assertTrue(replayable)
            self.assertIn(method, IDEMPOTENT_METHODS)
        self.assertEqual(may_repeat(b"POST", replayable=True), False)


class WaitTests(SynchronousTestCase):
    """Repetitions for which the budget has no room."""

    def setUp(self) -> None:
        """Have a budget that is used up."""
        self.budget = RetryBudget()
        while self.budget.take(1):
            pass
        self.made = Retries(Balancing(), self.budget, b"GET", 9.0)

    def ask(self, cause: str = "timeout") -> May:
        """Ask for a repetition."""
        return self.made.ask(cause, sent=True, replayable=True, requests=1, now=0.0)

    def test_waits(self) -> None:
        """It waits, longer each time, and in the end goes on without."""
        waits = []
        for _ in range(MAX_WAITS):
            self.assertIs(self.ask(), May.WAIT)
            waits.append(self.made.back_off_s(May.WAIT, 1.0))
        self.assertEqual(waits, [0.025, 0.05, 0.1, 0.2, 0.25, 0.25, 0.25, 0.25])
        self.assertIs(self.ask(), May.END)

    def test_room(self) -> None:
        """Once there is room it goes on, and gives back what it took."""
        self.assertIs(self.ask(), May.WAIT)
        self.budget.give_back()
        self.assertIs(self.ask(), May.GO_ON)
        self.assertEqual(self.made.back_off_s(May.GO_ON, 1.0), 0.0)
        self.made.end()
        self.assertEqual(self.budget.running, RetryBudget.FLOOR - 1)

    def test_not_for_all(self) -> None:
        """What may not be repeated anyway doesn't wait."""
        self.assertIs(self.ask("500"), May.END)


class BudgetTests(SynchronousTestCase):
    def test_floor(self) -> None:
        """Some may always be repeated."""
        budget = RetryBudget()
        self.assertEqual([budget.take(1) for _ in range(4)], [True] * 3 + [False])

    def test_share(self) -> None:
        """A fifth of what runs may be repetitions."""
        budget = RetryBudget()
        self.assertEqual(sum(budget.take(100) for _ in range(100)), 20)

    def test_given_back(self) -> None:
        """A request that ends gives back what it took, once."""
        budget = RetryBudget()
        made = Retries(Balancing(retries=2), budget, b"GET", 9.0)
        self.assertEqual([allows(made), allows(made)], [True, True])
        self.assertEqual(budget.running, 2)
        made.end()
        made.end()
        self.assertEqual(budget.running, 0)
        self.assertRaises(AssertionError, budget.give_back)

    def test_unsent_is_free(self) -> None:
        """What reached no server takes nothing of it, and passes where it is used up."""
        budget = RetryBudget()
        while budget.take(1):
            pass
        made = Retries(Balancing(), budget, b"GET", 9.0)
        self.assertFalse(allows(made))
        self.assertTrue(allows(made, "connect", sent=False))
        made.end()
        self.assertEqual(budget.running, budget.FLOOR)
