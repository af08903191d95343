"""What systemd gets from start to end, by a clock of the test's."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.health import Standing
from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from corsgate.daemon.notices import DRAIN_INTERVAL_S, STATUS_INTERVAL_S, Notices
from corsgate.daemon.notify import Notifier
from corsgate.daemon.reload import Reloader, ReloadOutcome
from corsgate.gate.service import GateService
from tests.support import LISTEN

TOML = (
    f'{LISTEN}[upstreams.a]\nservers = ["http://127.0.0.1:1", "http://127.0.0.1:2"]\n'
    '[routes."/"]\nupstream = "a"\n'
)


class Noted(Notifier):
    """Keeps the messages instead of sending them.

    Attributes:
        messages: All of them.
        gone: Whether nobody gets them.
    """

    def __init__(self, watchdog_s: float | None = None) -> None:
        super().__init__("/noted", watchdog_s)
        self.messages: list[dict[str, object]] = []
        self.gone = False

    def send(self, **fields: object) -> bool:
        """Keep it."""
        if not self.gone:
            self.messages.append(fields)
        return not self.gone

    def names(self) -> list[list[str]]:
        """Return the names of the fields of each message, and forget the messages."""
        names = [list(message) for message in self.messages]
        self.messages.clear()
        return names


class NoticesTests(SynchronousTestCase):
    def make(self, watchdog_s: float | None = None, *, daemonized: bool = False) -> Notices:
        """Return the service, of a gate that does not listen."""
        self.reactor: Any = MemoryReactorClock()
        self.wall_s = 1000.0
        config = parse_config(
            TOML, file="x", environ={}, read_file=lambda _: b"", cors_rules=CORS_RULES
        )
        self.gate = GateService(config, self.reactor, rng=bytes, file="x", write=lambda line: None)
        self.gate.config_since_s = 1000.0
        self.reloader = Reloader(self.gate, lambda: self.wall_s)
        self.noted = Noted(watchdog_s)
        return Notices(
            self.reactor,
            self.noted,
            self.gate,
            self.reloader,
            daemonized=daemonized,
            wall_clock=lambda: self.wall_s,
        )

    def run_reactor(self) -> None:
        """Call what waits for the reactor to run."""
        for call, arguments, keywords in self.reactor.whenRunningHooks:
            call(*arguments, **keywords)

    def advance(self, seconds: float) -> None:
        """Let time go by in both clocks, a second at a time."""
        for _ in range(int(seconds)):
            self.wall_s += 1
            self.reactor.advance(1)

    def test_ready_when_the_reactor_runs(self) -> None:
        """Not a moment earlier; only a process that forked has to say which one it is."""
        notices = self.make()
        notices.startService()
        self.assertEqual(self.noted.messages, [])
        self.run_reactor()
        self.assertEqual(self.noted.names(), [["READY", "STATUS"]])
        self.make(daemonized=True).startService()
        self.run_reactor()
        self.assertEqual(self.noted.messages[0]["MAINPID"], os.getpid())

    def test_stopped_before_it_was_ready(self) -> None:
        """A gate that was stopped in the meantime is never ready."""
        notices = self.make()
        notices.startService()
        notices.stopService()
        self.run_reactor()
        self.assertNotIn("READY", [name for names in self.noted.names() for name in names])

    def test_state(self) -> None:
        """The line is sent when it has changed, and again if nobody got it."""
        self.make().startService()
        self.run_reactor()
        self.noted.names()
        self.gate.upstreams["a"].balancer.enter()
        state = self.gate.upstreams["a"].balancer.states["http://127.0.0.1:2"]
        state.health.standing = Standing.DOWN
        self.noted.gone = True
        self.advance(STATUS_INTERVAL_S)
        self.noted.gone = False
        self.assertEqual(self.noted.messages, [])
        self.advance(STATUS_INTERVAL_S)
        (message,) = self.noted.messages
        self.assertEqual(
            message,
            {
                "STATUS": "serving 1 request on 0 connections; 1 of 2 servers up, down:"
                " http://127.0.0.1:2; configuration in force for 20 s"
            },
        )
        self.noted.names()
        self.advance(130)
        # From a minute on, its age changes once a minute.
        self.assertEqual(len(self.noted.names()), 5)

    def test_watchdog(self) -> None:
        """It is fed at half of its interval, from the start on, while the gate drains too."""
        notices = self.make(8.0)
        notices.startService()
        self.run_reactor()
        self.assertEqual(self.noted.names(), [["READY", "STATUS"], ["WATCHDOG"]])
        self.advance(9)
        self.assertEqual(self.noted.names(), [["WATCHDOG"]] * 2)
        notices.stopService()
        self.noted.names()
        self.advance(8)
        self.assertEqual(self.noted.names().count(["WATCHDOG"]), 2)

    def test_no_watchdog(self) -> None:
        """Where there is none, none is fed."""
        self.make().startService()
        self.run_reactor()
        self.advance(100)
        self.assertNotIn(["WATCHDOG"], self.noted.names())

    def test_reload(self) -> None:
        """It says that it reloads, then that it is ready again and how that went."""
        self.make().startService()
        self.run_reactor()
        self.noted.names()
        self.reloader.reload("SIGHUP")
        began, ended = self.noted.messages
        self.assertEqual(list(began), ["RELOADING", "MONOTONIC_USEC"])
        self.assertIsInstance(began["MONOTONIC_USEC"], int)
        self.assertEqual(ended["READY"], 1)
        self.assertIn("last reload (SIGHUP) 0 s ago succeeded", str(ended["STATUS"]))

    def test_failed_reload(self) -> None:
        """A fault is in the state, and the gate is ready all the same."""
        self.make().startService()
        self.run_reactor()
        self.noted.names()
        for began in self.reloader.began:
            began()
        self.advance(STATUS_INTERVAL_S)
        # No other state while it reloads.
        self.assertEqual(self.noted.names(), [["RELOADING", "MONOTONIC_USEC"]])
        outcome = ReloadOutcome(time_s=self.wall_s, trigger="SIGHUP", faults=("x:1: bad", "y"))
        self.reloader.last = outcome
        for ended in self.reloader.ended:
            ended(outcome)
        (message,) = self.noted.messages
        self.assertEqual(message["READY"], 1)
        self.assertIn("the old configuration is kept: x:1: bad (and 1", str(message["STATUS"]))

    def test_stop(self) -> None:
        """It stops, and asks for time again and again until the process ends."""
        notices = self.make()
        notices.startService()
        self.run_reactor()
        self.noted.names()
        notices.stopService()
        stopping, first = self.noted.messages
        self.assertEqual(stopping, {"STOPPING": 1})
        self.assertEqual(
            first,
            {
                "EXTEND_TIMEOUT_USEC": 15_000_000,
                "STATUS": "draining 0 requests on 0 connections; cut in 30 s at the latest",
            },
        )
        self.noted.names()
        self.advance(4 * DRAIN_INTERVAL_S)
        self.assertIn("cut in 10 s", str(self.noted.messages[-1]["STATUS"]))
        self.assertEqual(self.noted.names(), [["EXTEND_TIMEOUT_USEC", "STATUS"]] * 4)

    def test_reload_that_ends_while_it_stops(self) -> None:
        """After STOPPING the gate is never ready again."""
        notices = self.make()
        notices.startService()
        self.run_reactor()
        notices.stopService()
        self.noted.names()
        self.reloader.reload("SIGHUP")
        self.assertEqual(self.noted.names(), [])
