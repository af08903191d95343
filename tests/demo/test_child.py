"""Tests for the demo's gate process and its configuration."""

from __future__ import annotations

import tomllib
from importlib import resources
from signal import SIGINT, SIGKILL, SIGTERM
from typing import Any
from unittest import SkipTest

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.demo.child import (
    STOP_TIMEOUT_S,
    TAIL_BYTES,
    GateProcess,
    Ports,
    checkout_config,
    config_text,
)
from tests.demo.process import FakeProcess


def _ports_in(config: dict[str, Any]) -> Ports:
    """Return the ports that a configuration names."""
    (listen,) = config["listen"]
    ((box,),) = (upstream["servers"] for upstream in config["upstreams"].values())
    ((origin,),) = (policy["allow_origins"] for policy in config["cors"].values())
    return Ports(
        gate=int(listen.split(":")[1]),
        box=int(box.rpartition(":")[2]),
        app=int(origin.rpartition(":")[2]),
    )


class ConfigTests(SynchronousTestCase):
    """The configuration text, and its ports."""

    def test_copies_agree(self) -> None:
        """The package's copy is the checkout's ``etc/demo.toml``, to the byte."""
        path = checkout_config()
        if path is None:
            raise SkipTest("not a checkout")
        packaged = resources.files("corsgate.demo") / "demo.toml"
        self.assertEqual(packaged.read_bytes(), path.read_bytes())

    def test_usual_ports(self) -> None:
        """The unchanged text is for the default ports."""
        packaged = (resources.files("corsgate.demo") / "demo.toml").read_text("utf-8")
        self.assertEqual(config_text(Ports()), packaged)
        self.assertEqual(_ports_in(tomllib.loads(packaged)), Ports())

    @given(st.lists(st.integers(1, 65535), min_size=3, max_size=3, unique=True))
    def test_ports(self, numbers: list[int]) -> None:
        """Any three ports are inserted, even the default port of another server."""
        box, gate, app = numbers
        ports = Ports(box=box, gate=gate, app=app)
        self.assertEqual(_ports_in(tomllib.loads(config_text(ports))), ports)

    def test_swapped_ports(self) -> None:
        """Default ports may be swapped."""
        ports = Ports(box=5555, gate=4200, app=8000)
        self.assertEqual(_ports_in(tomllib.loads(config_text(ports))), ports)


class ProcessTests(SynchronousTestCase):
    """How the gate's process is controlled."""

    def setUp(self) -> None:
        """Make a process protocol, and collect its relayed log."""
        self.relayed: list[bytes] = []
        self.clock = Clock()
        self.gate = GateProcess()

    def stop(self, ends_at: str, gone: bool = False) -> tuple[FakeProcess, Deferred[None]]:
        """Begin to stop a process that ends at this signal."""
        process = FakeProcess(self.gate, ends_at, gone)
        self.gate.makeConnection(process)
        return process, Deferred.fromCoroutine(self.gate.stop(self.clock))

    def test_log(self) -> None:
        """The end of the log is kept, and relayed if requested."""
        self.gate.childDataReceived(1, b"one\n")
        self.assertEqual(self.gate.tail, b"one\n")
        self.gate.pass_log_to(self.relayed.append)
        self.gate.childDataReceived(1, b"two\n")
        self.gate.childDataReceived(2, b"x" * TAIL_BYTES)
        self.assertEqual(self.relayed, [b"two\n", b"x" * TAIL_BYTES])
        self.assertEqual(self.gate.tail, b"x" * TAIL_BYTES)

    def test_stop(self) -> None:
        """A process that ends by SIGTERM gets no other signal."""
        process, stopped = self.stop("TERM")
        self.successResultOf(stopped)
        self.assertEqual(process.signals, ["TERM"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_stubborn(self) -> None:
        """A process that ignores SIGTERM is killed after the timeout."""
        process, stopped = self.stop("KILL")
        self.clock.advance(STOP_TIMEOUT_S - 1)
        self.assertNoResult(stopped)
        self.assertEqual(process.signals, ["TERM"])
        self.clock.advance(1)
        self.successResultOf(stopped)
        self.assertEqual(process.signals, ["TERM", "KILL"])

    def test_stop_ended(self) -> None:
        """A process that has ended, or was never started, gets no signal."""
        self.successResultOf(Deferred.fromCoroutine(self.gate.stop(self.clock)))
        process = FakeProcess(self.gate, "TERM")
        self.gate.makeConnection(process)
        self.gate.processEnded(Failure(ProcessDone(0)))
        self.successResultOf(Deferred.fromCoroutine(self.gate.stop(self.clock)))
        self.assertEqual(process.signals, [])

    def test_stop_exited(self) -> None:
        """If the process has exited, stop waits until its log is read."""
        _, stopped = self.stop("TERM", gone=True)
        self.assertNoResult(stopped)
        self.gate.processEnded(Failure(ProcessDone(0)))
        self.successResultOf(stopped)

    def test_how_it_ended(self) -> None:
        """An end by SIGINT or SIGTERM is recorded as such."""
        cases = {
            ProcessTerminated(signal=SIGINT): True,
            ProcessTerminated(signal=SIGTERM): True,
            ProcessTerminated(signal=SIGKILL): False,
            ProcessTerminated(exitCode=1): False,
            ProcessDone(0): False,
        }
        for reason, told in cases.items():
            with self.subTest(str(reason)):
                gate = GateProcess()
                gate.processEnded(Failure(reason))
                self.assertEqual((gate.is_running, gate.was_told_to_end), (False, told))

    def test_all_are_told(self) -> None:
        """All waiters are notified, and a cancelled one disturbs no other."""
        self.gate.makeConnection(FakeProcess(self.gate, "TERM"))
        first, second = self.gate.when_ended(), self.gate.when_ended()
        first.addErrback(lambda failure: None)
        first.cancel()
        self.gate.processEnded(Failure(ProcessDone(0)))
        self.successResultOf(second)
        self.successResultOf(self.gate.when_ended())
