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
IDEMPOTENT = (
    *(b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"),
    *(b"PROPFIND", b"REPORT", b"SEARCH", b"QUERY", b"MKCOL", b"VERSION-CONTROL"),
)
NOT_IDEMPOTENT = (b"POST", b"PATCH", b"LOCK", b"CONNECT", b"PRI", b"LIST", b"get", b"")


def retries(
    rules: Balancing | None = None, method: bytes = b"GET", until_s: float = 9.0
) -> Retries:
    """Return the retries of one request with its own budget."""
    return Retries(rules or Balancing(), RetryBudget(), method, until_s)


def allows(
    made: Retries,
    cause: str | None = "reset",
    *,
    sent: bool = True,
    replayable: bool = True,
    now: float = 0.0,
) -> bool:
    """Return whether the only running request may have another attempt."""
    may = made.ask(cause, sent=sent, replayable=replayable, requests=1, now=now)
    return may is May.GO_ON


class SentTests(SynchronousTestCase):
    def test_nothing_sent(self) -> None:
        """Without a connection nothing was sent."""
        for error in NOTHING_SENT:
            self.assertTrue(nothing_sent(error), error)

    def test_waited(self) -> None:
        """A request that has waited for one server in vain doesn't wait for another."""
        self.assertFalse(nothing_sent(UpstreamBusy("x")))

    def test_may_have_acted(self) -> None:
        """A connected server may have processed the request."""
        for error in MAY_HAVE_ACTED:
            self.assertFalse(nothing_sent(error), error)

    def test_causes(self) -> None:
        """Each error has its cause, if that can be configured."""
        causes = [cause_of(error) for error in (*NOTHING_SENT, *MAY_HAVE_ACTED)]
        self.assertEqual(causes, ["connect", "connect", None, None, "timeout", None, "reset"])


class RepeatTests(SynchronousTestCase):
    def test_registered(self) -> None:
        """Only what IANA's registry lists as safe or idempotent may be repeated."""
        self.assertEqual(len(IDEMPOTENT_METHODS), 35)
        for method in IDEMPOTENT:
            self.assertTrue(may_repeat(method, replayable=True), method)

    def test_not_idempotent(self) -> None:
        """Any other method might take effect twice; methods are case-sensitive."""
        for method in NOT_IDEMPOTENT:
            self.assertFalse(may_repeat(method, replayable=True), method)

    def test_body_is_gone(self) -> None:
        """A request whose whole body can't be sent again isn't repeated."""
        for method in IDEMPOTENT:
            self.assertFalse(may_repeat(method, replayable=False), method)


class RetryTests(SynchronousTestCase):
    def test_once(self) -> None:
        """By default there is one repetition of a request that may have taken effect."""
        for cause in FAILURES:
            made = retries()
            self.assertEqual([allows(made, cause) for _ in range(3)], [True, False, False], cause)

    def test_unsent(self) -> None:
        """An unsent request may go to each other server, and does not count as a repetition."""
        made = retries(method=b"POST")
        unsent = [allows(made, "connect", sent=False, replayable=True) for _ in range(5)]
        self.assertEqual(unsent, [True] * 5)

    def test_never(self) -> None:
        """With 0 retries not even an unsent request is repeated."""
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
        """A 500 is the application's own response, and is not repeated."""
        self.assertEqual(set(CAUSES) - set(FAILURES), {"500"})

    def test_in_time(self) -> None:
        """A request that may have taken effect is repeated only within its time."""
        self.assertTrue(allows(retries(until_s=9.0), now=8.9))
        self.assertFalse(allows(retries(until_s=9.0), now=9.0))
        self.assertTrue(allows(retries(until_s=9.0), "connect", sent=False, now=9.0))

    def test_back_off(self) -> None:
        """The wait's range doubles up to its maximum; an unsent request does not wait."""
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
        """The wait has a maximum for any number of attempts."""
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
        """For any configuration, only harmless repetitions happen after a server may have acted."""
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
        """It waits longer each time, and finally gives up."""
        waits = []
        for _ in range(MAX_WAITS):
            self.assertIs(self.ask(), May.WAIT)
            waits.append(self.made.back_off_s(May.WAIT, 1.0))
        self.assertEqual(waits, [0.025, 0.05, 0.1, 0.2, 0.25, 0.25, 0.25, 0.25])
        self.assertIs(self.ask(), May.END)

    def test_room(self) -> None:
        """Once there is room it goes on, and later gives back its part."""
        self.assertIs(self.ask(), May.WAIT)
        self.budget.give_back()
        self.assertIs(self.ask(), May.GO_ON)
        self.assertEqual(self.made.back_off_s(May.GO_ON, 1.0), 0.0)
        self.made.end()
        self.assertEqual(self.budget.running, RetryBudget.FLOOR - 1)

    def test_not_for_all(self) -> None:
        """A request that may not be repeated doesn't wait."""
        self.assertIs(self.ask("500"), May.END)


class BudgetTests(SynchronousTestCase):
    def test_floor(self) -> None:
        """Some may always be repeated."""
        budget = RetryBudget()
        self.assertEqual([budget.take(1) for _ in range(4)], [True] * 3 + [False])

    def test_share(self) -> None:
        """A fifth of the running requests may be repetitions."""
        budget = RetryBudget()
        self.assertEqual(sum(budget.take(100) for _ in range(100)), 20)

    def test_given_back(self) -> None:
        """A request that ends gives back its part once."""
        budget = RetryBudget()
        made = Retries(Balancing(retries=2), budget, b"GET", 9.0)
        self.assertEqual([allows(made), allows(made)], [True, True])
        self.assertEqual(budget.running, 2)
        made.end()
        made.end()
        self.assertEqual(budget.running, 0)
        self.assertRaises(AssertionError, budget.give_back)

    def test_unsent_is_free(self) -> None:
        """An unsent request takes no part of it, and goes on when it is used up."""
        budget = RetryBudget()
        while budget.take(1):
            pass
        made = Retries(Balancing(), budget, b"GET", 9.0)
        self.assertFalse(allows(made))
        self.assertTrue(allows(made, "connect", sent=False))
        made.end()
        self.assertEqual(budget.running, budget.FLOOR)
