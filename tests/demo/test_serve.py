"""Tests for the sequence of the demo, without sockets or processes."""

from __future__ import annotations

import io
import sys
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError, ProcessDone, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.demo.child import Ports
from corsgate.demo.run import (
    GREETING_INTERVALS,
    READY_INTERVAL_S,
    READY_TIMEOUT_S,
    Demo,
    IDemoReactor,
    serve,
)
from tests.demo.process import FakeProcess


class MemoryDemoReactor(MemoryReactorClock):
    """A fake reactor without real sockets or processes."""

    process: FakeProcess

    def spawnProcess(
        self,
        protocol: ProcessProtocol,
        executable: str,
        args: list[str],
        env: dict[str, str],
        usePTY: bool,
    ) -> FakeProcess:
        """Note the command, and say that it runs."""
        self.command, self.has_terminal = args, usePTY
        self.process = FakeProcess(protocol, "TERM")
        protocol.makeConnection(self.process)
        return self.process


class ServeTests(SynchronousTestCase):
    """How the demo reacts to events of its gate."""

    def setUp(self) -> None:
        """Start, up to the first check whether the gate is ready."""
        self.out, self.err = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)
        self.reactor = MemoryDemoReactor()
        self.log: list[bytes] = []
        ports = Ports(box=1001, gate=0, app=1002)
        self.demo = Demo(cast(IDemoReactor, self.reactor), ports, self.log.append)
        self.addCleanup(self.stop)
        self.served = Deferred.fromCoroutine(serve(self.demo))
        self.assertEqual(self.reactor.tcpServers, [])
        self.reactor.advance(0)

    def stop(self) -> None:
        """Stop the demo as the reactor's shutdown does, which takes no time here."""
        self.served.cancel()
        self.successResultOf(Deferred.fromCoroutine(self.demo.stop()))

    def refuse(self) -> None:
        """Let the newest attempt to connect to the gate fail."""
        factory, connector = self.reactor.tcpClients[-1][2], self.reactor.connectors[-1]
        factory.clientConnectionFailed(connector, Failure(ConnectionRefusedError()))

    def accept(self) -> StringTransport:
        """Let the newest attempt succeed."""
        protocol = self.reactor.tcpClients[-1][2].buildProtocol(
            self.reactor.connectors[-1].getDestination()
        )
        assert protocol is not None
        transport = StringTransport()
        protocol.makeConnection(transport)
        return transport

    def greet(self) -> None:
        """Let the time pass in which the gate logs its start."""
        for _ in range(GREETING_INTERVALS + 1):
            self.reactor.advance(READY_INTERVAL_S)

    def end(self, error: Exception) -> None:
        """Let the gate's process end by itself."""
        self.demo.gate.processEnded(Failure(error))

    def assert_failed(self) -> str:
        """Assert that it ends with code 1, and return its error output."""
        ended = self.failureResultOf(self.served, SystemExit)
        self.assertEqual(ended.value.code, 1)
        self.assertEqual(self.out.getvalue().count("Open"), len(self.log))
        return self.err.getvalue()

    def test_ready(self) -> None:
        """It prints what to open only when the gate listens, and then relays the log."""
        self.demo.gate.childDataReceived(1, b"starting\n")
        self.refuse()
        self.assertEqual(self.out.getvalue(), "")
        self.reactor.advance(READY_INTERVAL_S)
        self.assertTrue(self.accept().disconnecting)
        self.demo.gate.childDataReceived(1, b"corsgate listens\n")
        self.assertEqual(self.out.getvalue(), "")
        self.greet()
        self.assertIn("Open  http://localhost:1002\n", self.out.getvalue())
        self.assertIn("  status    http://localhost:1002/status\n", self.out.getvalue())
        self.demo.gate.childDataReceived(1, b"a request\n")
        self.assertEqual(self.log, [b"a request\n"])
        self.assertNoResult(self.served)

    def test_status(self) -> None:
        """If the gate's log has said where its status is, that is printed, and kept."""
        self.demo.gate.childDataReceived(1, b"status and metrics: http://127.0.")
        self.demo.gate.childDataReceived(1, b"0.1:7/\n")
        self.accept()
        # Once that is known, one interval is enough for the lines after it.
        self.reactor.advance(READY_INTERVAL_S)
        self.assertIn("  status    http://127.0.0.1:7/\n", self.out.getvalue())
        self.demo.gate.childDataReceived(1, b"a request\n" * 1000)
        self.assertEqual(self.demo.gate.status_url, "http://127.0.0.1:7/")

    def test_listens_on_loopback_only(self) -> None:
        """The box and the page listen on both loopback addresses, and nowhere else."""
        listening = {(entry[0], entry[3]) for entry in self.reactor.tcpServers}
        wanted = {(port, host) for port in (1001, 1002) for host in ("127.0.0.1", "::1")}
        self.assertEqual(listening, wanted)

    def test_command(self) -> None:
        """The gate is ``corsgate run``, with a configuration for these ports."""
        config = self.demo.config
        assert config is not None
        arguments = ["-m", "corsgate", "run", "--config", str(config)]
        self.assertFalse(self.reactor.has_terminal)
        self.assertEqual(self.reactor.command[-5:], arguments)
        self.assertIn("localhost:1001", config.read_text())
        self.stop()
        self.assertFalse(config.exists())

    def test_cancelled_while_connecting(self) -> None:
        """Ctrl-C while it waits for the gate ends it in silence."""
        self.served.cancel()
        self.successResultOf(self.served)
        self.stop()
        self.assertEqual(self.reactor.process.signals, ["TERM"])
        self.assertEqual(self.err.getvalue(), "")

    def test_cancelled_between_attempts(self) -> None:
        """So does Ctrl-C between two checks."""
        self.refuse()
        self.served.cancel()
        self.successResultOf(self.served)
        self.assertEqual(self.err.getvalue(), "")

    def test_cancelled_while_serving(self) -> None:
        """So does Ctrl-C while all three run."""
        self.accept()
        self.greet()
        self.served.cancel()
        self.successResultOf(self.served)
        self.stop()
        self.assertEqual(self.reactor.process.signals, ["TERM"])

    def test_gate_does_not_start(self) -> None:
        """If the gate ends before it listens, its output is shown."""
        self.demo.gate.childDataReceived(2, b"a fault in the configuration\n")
        self.end(ProcessTerminated(exitCode=1))
        self.refuse()
        self.reactor.advance(READY_INTERVAL_S)
        said = self.assert_failed()
        self.assertIn("the gate did not start", said)
        self.assertIn("a fault in the configuration", said)

    def test_gate_never_listens(self) -> None:
        """If it keeps running without listening, the demo gives up."""
        for _ in range(int(READY_TIMEOUT_S / READY_INTERVAL_S) + 1):
            if self.reactor.tcpClients:
                self.refuse()
                self.reactor.tcpClients.clear()
            self.reactor.advance(READY_INTERVAL_S)
        self.assertIn("does not listen", self.assert_failed())

    def test_gate_ends_while_it_starts(self) -> None:
        """If it listens and then ends, its output is shown."""
        self.accept()
        self.demo.gate.childDataReceived(2, b"a late fault\n")
        self.end(ProcessTerminated(exitCode=1))
        self.greet()
        self.assertIn("a late fault", self.assert_failed())

    def test_gate_ends(self) -> None:
        """If the gate ends later, the demo ends and reports it."""
        self.accept()
        self.greet()
        self.demo.gate.childDataReceived(2, b"a traceback\n")
        self.end(ProcessDone(0))
        self.assertIn("the gate has ended", self.assert_failed())

    def test_gate_is_told_first(self) -> None:
        """If Ctrl-C reaches the gate before the demo, that is not an error."""
        self.accept()
        self.greet()
        self.end(ProcessTerminated(signal=2))
        self.successResultOf(self.served)
        self.assertEqual(self.err.getvalue(), "")

    def test_gate_is_told_while_starting(self) -> None:
        """Nor is it while the gate is starting."""
        self.end(ProcessTerminated(signal=2))
        self.refuse()
        self.reactor.advance(READY_INTERVAL_S)
        self.successResultOf(self.served)
        self.assertEqual(self.err.getvalue(), "")
