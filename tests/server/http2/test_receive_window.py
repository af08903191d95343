"""A window that grows while its body is read at once, and shrinks when bytes have to wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.limits import Limits
from corsgate.server.http2.receive_window import ReceiveWindow
from corsgate.server.memory_budget import MemoryBudget, Tally
from tests.server.test_memory_budget import Stalled

FIRST = 64 * 1024
ROOM = 640 * 1024
"""By how much the windows of a connection grow with the usual limits."""


class WindowTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a window of a connection's stream."""
        self.memory = MemoryBudget(Limits())
        self.tally = Tally()
        self.window = self.new()

    def new(self) -> ReceiveWindow:
        """Return another one of the same connection."""
        return ReceiveWindow(FIRST, self.memory, lambda: ("a", self.tally))

    def credit(self, window: ReceiveWindow) -> int:
        """Return the credit for as much as the window allows."""
        window.received(window.size)
        self.assertTrue(window.is_full)
        return window.take_credit()

    def test_grows(self) -> None:
        """It doubles with each credit, up to the connection's bound; then it stays so."""
        sizes = []
        for _ in range(6):
            before = self.window.size
            self.assertEqual(self.credit(self.window), self.window.size)
            self.assertFalse(self.window.is_full)
            sizes.append(self.window.size // before)
        self.assertEqual(sizes, [2, 2, 2, 1, 1, 1])
        self.assertEqual(self.window.size, FIRST + ROOM)

    def test_half(self) -> None:
        """Half a window gives credit, and less doesn't."""
        self.window.received(FIRST // 2 - 1)
        self.assertEqual(self.window.take_credit(), 0)
        self.window.received(1)
        self.assertEqual(self.window.take_credit(), FIRST // 2 + FIRST)

    def test_shrinks(self) -> None:
        """It loses half of its growth with each credit for bytes that had to wait."""
        for _ in range(4):
            self.credit(self.window)
        grown = ROOM
        while grown:
            self.window.lags()
            before = self.window.size
            self.window.received(before // 2)
            self.assertEqual(self.window.take_credit(), before // 2 - (grown - grown // 2))
            grown //= 2
            self.assertEqual((self.window.size, self.memory.windows.grown), (FIRST + grown, grown))
        self.credit(self.window)
        self.assertEqual(self.window.size, 2 * FIRST)

    def test_shares(self) -> None:
        """The streams of a connection share its bound, and an ended one gives its part back."""
        for _ in range(5):
            self.credit(self.window)
        other = self.new()
        self.credit(other)
        self.assertEqual(other.size, FIRST)
        self.window.close()
        self.window.close()
        self.credit(other)
        self.assertEqual((other.size, self.tally.window_growth), (2 * FIRST, FIRST))

    def test_tight(self) -> None:
        """It doesn't grow while the connection has much in memory."""
        stalled = Stalled(self.memory, "a", self.tally)
        self.memory.hold(stalled.account, response=ROOM + 1)
        self.credit(self.window)
        self.assertEqual(self.window.size, FIRST)

    @given(st.lists(st.tuples(st.integers(0, 2**20), st.booleans())))
    def test_adds_up(self, steps: list[tuple[int, bool]]) -> None:
        """The client never may send more than the size, and the count is the growth."""
        self.setUp()
        window, may_send = self.window, FIRST
        for size, lags in steps:
            size = min(size, may_send)
            may_send -= size
            window.received(size)
            if lags:
                window.lags()
            credit = window.take_credit()
            may_send += credit
            self.assertGreaterEqual(credit, 0)
            self.assertGreater(may_send, 0)
            self.assertLessEqual(may_send, window.size)
            self.assertEqual(self.memory.windows.grown, window.size - FIRST)
            self.assertLessEqual(window.size, FIRST + ROOM)
        window.close()
        self.assertEqual(self.memory.windows.grown, 0)
