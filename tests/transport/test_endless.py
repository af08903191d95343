"""The endless exchanges of a listener go through the stages of a drain together."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from corsgate.transport.endless import EndlessExchanges, Fate, Stage


class Asked:
    """A request that ends when a test says so."""

    def __init__(self) -> None:
        self.finished: Deferred[None] = Deferred()

    def notifyFinish(self) -> Deferred[None]:
        """Return what fires then."""
        return self.finished


class Exchange:
    """An exchange that notes the stages."""

    kind = "thing"
    fate = Fate.NONE

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    def advance(self, stage: Stage) -> None:
        """Note it."""
        self.stages.append(stage)


class EndlessTests(SynchronousTestCase):
    def test_stages(self) -> None:
        """Each stage comes once and in order; nothing goes back."""
        exchanges, exchange = EndlessExchanges(), Exchange()
        exchanges.add(Asked(), exchange)
        self.assertEqual(exchange.stages, [])
        for stage in (Stage.DRAINING, Stage.DRAINING, Stage.CUTTING, Stage.ENDING):
            exchanges.advance(stage)
        self.assertEqual(exchange.stages, [Stage.DRAINING, Stage.CUTTING])

    def test_late(self) -> None:
        """One that begins during the drain comes to its stage at once."""
        exchanges, exchange = EndlessExchanges(), Exchange()
        exchanges.advance(Stage.ENDING)
        exchanges.add(Asked(), exchange)
        self.assertEqual(exchange.stages, [Stage.ENDING])

    def test_forgotten(self) -> None:
        """One whose request has ended, well or not, is not known any more."""
        for fails in (False, True):
            exchanges, asked, exchange = EndlessExchanges(), Asked(), Exchange()
            exchanges.add(asked, exchange)
            self.assertIs(exchanges.of(asked), exchange)
            if fails:
                asked.finished.errback(ZeroDivisionError())
            else:
                asked.finished.callback(None)
            self.assertIsNone(exchanges.of(asked))
            exchanges.advance(Stage.CUTTING)
            self.assertEqual(exchange.stages, [])

    def test_outlives(self) -> None:
        """One that outlives its request goes through the stages until it is closed."""
        exchanges, asked, exchange = EndlessExchanges(), Asked(), Exchange()
        self.successResultOf(exchanges.outlived())
        closed: Deferred[None] = Deferred()
        exchanges.add(asked, exchange, closed)
        asked.finished.callback(None)
        outlived = exchanges.outlived()
        exchanges.advance(Stage.CUTTING)
        self.assertEqual(exchange.stages, [Stage.CUTTING])
        self.assertNoResult(outlived)
        closed.callback(None)
        self.successResultOf(outlived)
        exchanges.advance(Stage.ABORTING)
        self.assertEqual(exchange.stages, [Stage.CUTTING])
