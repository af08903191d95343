"""How often the daemon's log is told of what clients can bring about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.logger import LogEvent, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.exchange import Exchange
from corsgate.gate.runtime import make_runtime
from corsgate.message.client import Client
from corsgate.transport.deadlines import Deadlines
from corsgate.transport.log_throttle import LogThrottle, place_of
from tests.gate.test_access_log import observed
from tests.gate.test_exchange import BrokenRequest
from tests.peers import reactor, request
from tests.support import LISTEN, GateTestCase, parse

COUNT = 60


class PacesTests(SynchronousTestCase):
    """A line per second of each kind, which counts those that were left out."""

    def test_kinds(self) -> None:
        """One kind costs another nothing."""
        log_throttle = LogThrottle()
        told = [
            (now, kind, log_throttle.due(kind, now))
            for now, kind in ((0.0, "a"), (0.1, "a"), (0.2, "b"), (0.9, "a"), (1.0, "a"))
        ]
        self.assertEqual([each[2] is not None for each in told], [True, False, True, False, True])
        self.assertEqual(told[-1][2], " (2 more since the last such line)")

    def test_places(self) -> None:
        """What is raised in one place is of one kind, however it says it."""

        def fail(text: str) -> Failure:
            try:
                raise ValueError(text)
            except ValueError:
                return Failure()

        def other() -> Failure:
            try:
                raise ValueError("a")
            except ValueError:
                return Failure()

        self.assertEqual(place_of(fail("a")), place_of(fail("b")))
        self.assertNotEqual(place_of(fail("a")), place_of(other()))
        self.assertEqual(place_of(Failure(ValueError("a"))), ("ValueError", 0))


class Failing(GateTestCase):
    """Requests that fail, one after the other."""

    def lines(self, events: Sequence[LogEvent], namespace: str) -> list[str]:
        """Return what a module said."""
        return [str(formatEvent(each)) for each in events if each["log_namespace"] == namespace]

    async def ask_often(self, toml: str, count: int = COUNT) -> float:
        """Send requests, each of which fails; return how many seconds that took."""
        gate = self.serve(toml)
        client = await self.connect(gate)
        began_s = reactor.seconds()
        for _ in range(count):
            client.send(request())
            self.assertGreaterEqual((await client.response()).status, 500)
        return float(reactor.seconds() - began_s)

    async def test_no_server(self) -> None:
        """A server that can't be reached is told of once per second and route."""
        events = observed(self)
        took_s = await self.ask_often(
            '[upstreams.a]\nservers = ["http://127.0.0.1:1"]\neject = { failures = 0 }\n'
            '[routes."/"]\nupstream = "a"\n'
        )
        lines = self.lines(events, "corsgate.gate.failover")
        self.assertTrue(1 <= len(lines) <= 1 + took_s, (len(lines), took_s))
        self.assertIn(" on route /: ", lines[0])

    async def test_our_own_fault(self) -> None:
        """So is an exception that nobody has foreseen, which comes with its traceback."""
        config = parse(
            f'{LISTEN}[upstreams.a]\nservers = ["http://127.0.0.1:1"]\n'
            '[routes."/"]\nupstream = "a"\n'
        )
        deadlines, began_s = Deadlines(reactor), reactor.seconds()
        plan = make_runtime(
            config,
            reactor=reactor,
            deadlines=deadlines,
            rng=bytes,
            file="gate.toml",
            pseudonym=b"corsgate",
        )
        asking = Client(peer="::1", trusted=False, scheme=b"http", authority=b"localhost")
        for _ in range(COUNT):
            broken: Any = BrokenRequest()
            Exchange(broken, plan.table.routes[0], asking).start()
            self.assertTrue(broken.aborted)
        took_s = reactor.seconds() - began_s
        # A request fails twice: with what broke it, and as that can't be told its client.
        logged = len(self.flushLoggedErrors(RuntimeError))
        self.assertTrue(1 <= logged <= 2 * (1 + took_s), (logged, took_s))
