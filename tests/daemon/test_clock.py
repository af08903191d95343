"""A wall clock that is set forward or back, which no time-out may notice."""

from __future__ import annotations

import signal
import time
from email.utils import parsedate_to_datetime

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.daemon.clock import use_monotonic_time
from corsgate.server.site import GateSite
from corsgate.transport.deadlines import Deadlines
from tests.peers import request, response
from tests.server.support import Leaf
from tests.support import LISTEN
from tests.twistd import Daemon, DaemonTestCase

HOUR_S = 3600

# A signal that nothing else takes sets the wall clock, and the process says so.
SET_CLOCK = """
import os, signal, time
real, ahead = time.time, [0]
time.time = lambda: real() + ahead[0]
def set_clock(*_):
    ahead[0] = {shift_s}
    os.write(2, b"the clock was set\\n")
signal.signal({signal}, set_clock)
"""


class UseMonotonicTime(SynchronousTestCase):
    def test_measures_by_the_monotonic_clock(self) -> None:
        """The reactor's time is the monotonic clock's from then on, for what is scheduled too."""
        reactor = Clock()
        use_monotonic_time(reactor)
        before = time.monotonic()
        call = reactor.callLater(5, lambda: None)
        after = time.monotonic()
        self.assertTrue(before <= reactor.seconds() <= time.monotonic())
        self.assertTrue(before + 5 <= call.getTime() <= after + 5)

    def test_not_once_something_is_scheduled(self) -> None:
        """What was scheduled by the other clock would be decades late."""
        reactor = Clock()
        reactor.callLater(5, lambda: None)
        self.assertRaises(AssertionError, use_monotonic_time, reactor)


class Dates(SynchronousTestCase):
    def test_date_is_by_the_wall_clock(self) -> None:
        """A Date field follows the wall clock, also when that is set back."""
        now = [784111777.9]
        clock = Clock()
        site = GateSite(
            Leaf(lambda _: None),
            deadlines=Deadlines(clock),
            limits=Limits(),
            record=lambda _: None,
            reactor=clock,
            wall_clock=lambda: now[0],
        )
        self.assertEqual(site.context.date(), b"Sun, 06 Nov 1994 08:49:37 GMT")
        now[0] += HOUR_S
        self.assertEqual(site.context.date(), b"Sun, 06 Nov 1994 09:49:37 GMT")
        now[0] -= 2 * HOUR_S
        self.assertEqual(site.context.date(), b"Sun, 06 Nov 1994 07:49:37 GMT")


class WallClockIsSet(DaemonTestCase):
    """The whole process, whose wall clock is set by an hour while clients are connected."""

    def start(self, url: str, shift_s: int) -> Daemon:
        """Return a daemon whose wall clock is set when it gets SIGRTMIN."""
        return self.configured(
            f'{LISTEN}[limits]\nclient_head_timeout = "1s"\n[upstreams.a]\nservers = ["{url}"]\n'
            '[routes."/"]\nupstream = "a"\n',
            SET_CLOCK.format(shift_s=shift_s, signal=int(signal.SIGRTMIN)),
        )

    async def check(self, shift_s: int) -> None:
        """Set the clock while one client is idle and another waits for its response."""
        upstream = await self.upstream(response(body=b"early"), None)
        daemon = self.start(upstream.url, shift_s)
        idle, waiting = await self.client(daemon), await self.client(daemon)
        idle.send(request())
        early = await idle.response()
        waiting.send(request())
        await upstream.when(lambda: len(upstream.requests) == 2)
        daemon.process.signalProcess(int(signal.SIGRTMIN))
        await daemon.when(lambda: "the clock was set" in daemon.said)
        slow = await self.client(daemon)
        slow.send(b"GET / HTTP/1.1\r\n")
        # Time-outs still fire; and whatever the shift made due would have fired with this one.
        self.assertEqual((await slow.response()).status, 408)
        upstream.connections[-1].send(response(body=b"late"))
        self.assertEqual((await waiting.response()).body, b"late")
        upstream.script(response(body=b"again"))
        idle.send(request())
        again = await idle.response()
        self.assertEqual(again.body, b"again")
        dates = [parsedate_to_datetime(each.one(b"Date").decode()) for each in (early, again)]
        moved_s = (dates[1] - dates[0]).total_seconds()
        self.assertTrue(shift_s <= moved_s < shift_s + HOUR_S / 2)
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended(), 0)

    async def test_forward(self) -> None:
        """Nobody times out early when the clock is set forward."""
        await self.check(HOUR_S)

    async def test_back(self) -> None:
        """Time-outs still fire when the clock is set back."""
        await self.check(-HOUR_S)
