"""How serving ends: the timeline, what may finish, and what is cut when."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.gate.drain import Drain, grace_s
from corsgate.gate.drain_report import DrainReport
from corsgate.message.head import ResponseHead
from corsgate.server.request import GateRequest
from corsgate.server.site import STOPPED
from corsgate.transport.endless import CLOSING_S, Fate, Stage
from tests.server.support import LEFT, Served, Wire, answer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
HEAD = ResponseHead(status=200, reason=b"", headers=[])


class Endless:
    """An exchange that may never end, and notes its stages."""

    kind = "thing"

    def __init__(self, served: Served, ends_at: Stage | None = None) -> None:
        self.fate = Fate.NONE
        self.stages: list[tuple[float, Stage]] = []
        self._served = served
        self._ends_at = ends_at

    def advance(self, stage: Stage) -> None:
        """Note it, and end if it is time to."""
        self.stages.append((self._served.clock.seconds(), stage))
        if stage is self._ends_at:
            self.fate = Fate.ENDED
            answer(self._served.requests[0])


class DrainTestCase(SynchronousTestCase):
    """A drain of a site with one connection."""

    def begin(self, *data: bytes, limits: Limits | None = None, run: bool = True) -> None:
        """Serve a client that has sent this, then drain."""
        self.limits = limits or Limits()
        self.served = Served(self.limits)
        self.served.send(*data)
        self.drain = Drain([self.served.site], self.limits, self.served.clock)
        if run:
            self.run_drain()

    def run_drain(self, *stopped: Deferred[None]) -> None:
        """Begin to drain."""
        self.done: Deferred[DrainReport] = self.drain.run(stopped)
        self.served.clock.advance(0)

    def leave(self) -> None:
        """End the connection if the gate has closed or cut it."""
        self.assertFalse(self.served.wire.open)
        self.served.leave()

    @property
    def said(self) -> str:
        """What the drain says, which must be over."""
        report = self.successResultOf(self.done)
        self.assertEqual(self.served.clock.getDelayedCalls(), [])
        return str(report)


class TimelineTests(DrainTestCase):
    def test_idle(self) -> None:
        """Where nothing is under way it is over at once."""
        self.begin(GET, run=False)
        answer(self.served.requests[0])
        self.run_drain()
        self.leave()
        self.assertEqual(self.said, "0.0 s: nothing was cut")

    def test_request(self) -> None:
        """A request finishes, with `Connection: close`, and is counted."""
        self.begin(GET)
        self.served.clock.pump([1.0] * 3)
        answer(self.served.requests[0])
        self.assertIn(b"Connection: close\r\n", self.served.wire.take())
        self.leave()
        self.assertEqual(self.said, "3.0 s: 1 request finished; nothing was cut")
        self.assertEqual(self.served.recorded, self.served.requests)

    def test_waits_for_the_ports(self) -> None:
        """Connections are drained when nothing is accepted any more."""
        self.begin(GET, run=False)
        answer(self.served.requests[0])
        stopped: Deferred[None] = Deferred()
        self.run_drain(stopped)
        self.assertTrue(self.served.wire.open)
        self.assertTrue(self.served.site.context.draining)
        stopped.callback(None)
        self.served.clock.advance(0)
        self.leave()
        self.said  # noqa: B018  # it must be over

    def test_stages(self) -> None:
        """What may never end is asked to after the grace, and cut after it."""
        self.begin(GET, run=False)
        thing = Endless(self.served)
        self.served.site.context.endless.add(self.served.requests[0], thing)
        self.run_drain()
        self.served.clock.pump([1.0] * 29)
        self.assertEqual(
            thing.stages,
            [(0.0, Stage.DRAINING), (5.0, Stage.ENDING), (5.0 + CLOSING_S, Stage.CUTTING)],
        )
        self.assertFalse(self.done.called)
        self.served.clock.advance(1)
        self.leave()
        self.assertEqual(self.said, "30.0 s: cut: 1 thing")

    def test_ended_in_good_order(self) -> None:
        """What ends when it is asked to makes the drain as short as the grace."""
        self.begin(GET, run=False)
        thing = Endless(self.served, Stage.ENDING)
        self.served.site.context.endless.add(self.served.requests[0], thing)
        self.run_drain()
        self.served.clock.pump([1.0] * 5)
        self.leave()
        self.assertEqual(self.said, "5.0 s: 1 thing closed; nothing was cut")

    def test_grace(self) -> None:
        """It ends early enough that peers can still answer before `drain_timeout`."""
        for grace, timeout, expected in (
            (5.0, 30.0, 5.0),
            (0.0, 30.0, 0.0),
            (60.0, 30.0, 30.0 - CLOSING_S),
            (5.0, 1.0, 0.0),
        ):
            limits = Limits(tunnel_grace_s=grace, drain_timeout_s=timeout)
            self.assertEqual(grace_s(limits), expected)

    def test_late_connection(self) -> None:
        """A connection that is established during the drain, and brings nothing, is closed."""
        self.begin(GET)
        late = Wire()
        # As if its TLS handshake had taken until now.
        channel = self.served.site.buildProtocol(None)
        channel.makeConnection(late)
        answer(self.served.requests[0])
        self.leave()
        self.served.clock.pump([1.0] * 3)
        self.assertFalse(late.open)
        channel.connectionLost(LEFT)
        self.assertIn("1 request finished; nothing was cut", self.said)


class OneListenerTests(DrainTestCase):
    def test_removed(self) -> None:
        """One listener can be drained alone, in words of its own; others go on."""
        self.begin(GET, run=False)
        other = Served(self.limits)
        other.send(GET)
        reactor, outcome = self.served.clock, "its listener was removed"
        self.drain = Drain(
            [self.served.site], self.limits, reactor, ended="tcp:1 closed", outcome=outcome
        )
        with capturedLogs() as events:
            self.run_drain()
            reactor.pump([1.0] * 30)
            self.leave()
        self.assertEqual(self.said, "30.0 s: cut: 1 request without a response")
        self.assertEqual(self.served.recorded[0].log.outcome, outcome)
        self.assertEqual(
            [formatEvent(event) for event in events],
            ["tcp:1 closed after 30.0 s: cut: 1 request without a response"],
        )
        answer(other.requests[0])
        self.assertNotIn(b"Connection: close", other.wire.take())
        self.assertTrue(other.wire.open)


class CutTests(DrainTestCase):
    def cut_after(self, *data: bytes, begun: bool = False) -> str:
        """Return what is said where all of this was cut."""
        self.begin(*data, limits=Limits(drain_timeout_s=2.0), run=False)
        if begun:
            (request,) = self.served.requests
            request.begin(HEAD, 9)
            request.write(b"x")
        self.run_drain()
        self.served.clock.pump([1.0] * 2)
        self.assertTrue(self.served.wire.disconnected)
        self.leave()
        for recorded in self.served.recorded:
            self.assertEqual(recorded.log.outcome, STOPPED)
        return self.said

    def test_kinds(self) -> None:
        """What was cut is named: one that waits, uploads or downloads."""
        self.assertEqual(self.cut_after(GET), "2.0 s: cut: 1 request without a response")
        self.assertEqual(self.cut_after(PUT + b"x"), "2.0 s: cut: 1 upload")
        self.assertEqual(self.cut_after(GET, begun=True), "2.0 s: cut: 1 download")

    def test_at_once(self) -> None:
        """A second signal cuts at once."""
        self.begin(GET)
        self.served.clock.advance(1)
        self.drain.cut()
        self.leave()
        self.assertEqual(self.said, "1.0 s: cut: 1 request without a response")

    def test_client_leaves(self) -> None:
        """A client that leaves meanwhile was not cut."""
        self.begin(GET)
        self.served.leave()
        self.assertEqual(self.said, "0.0 s: 1 request left by the client; nothing was cut")

    def test_all_are_recorded(self) -> None:
        """The access log gets each request, as without a drain."""
        self.begin(GET)
        recorded: list[GateRequest] = self.served.recorded
        self.drain.cut()
        self.assertEqual(recorded, self.served.requests)
