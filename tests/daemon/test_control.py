"""The socket that corsgate reload asks through."""

from __future__ import annotations

import json
import os
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase, TestCase

from corsgate.daemon.control import (
    ASK_S,
    MAX_CONNECTIONS,
    RELOAD,
    Control,
    ControlFactory,
    control_address,
)
from corsgate.daemon.reload import ReloadOutcome
from tests.peers import Client, reactor


class Wire(StringTransport):
    """A transport that has a socket."""

    socket = None

    def abortConnection(self) -> None:
        """Note it."""
        self.aborted = True

    aborted = False


class ControlTests(SynchronousTestCase):
    """`ControlProtocol`."""

    def setUp(self) -> None:
        """Make the factory."""
        self.clock, self.uid = Clock(), os.geteuid()
        self.asked: list[Deferred[ReloadOutcome]] = []
        reloader: Any = self
        refusals = {"pid": 7, "refusals": []}
        self.factory = ControlFactory(
            self.clock, reloader, lambda: refusals, lambda _: (7, self.uid)
        )

    def reload(self, trigger: str) -> Deferred[ReloadOutcome]:
        """Note that a reload was asked for."""
        self.asked.append(Deferred())
        return self.asked[-1]

    def connect(self) -> tuple[Any, Wire]:
        """Return a connection."""
        protocol, wire = self.factory.buildProtocol(None), Wire()
        protocol.makeConnection(wire)
        return protocol, wire

    def test_outcome(self) -> None:
        """Who asks gets the outcome."""
        protocol, wire = self.connect()
        protocol.dataReceived(b"rel")
        protocol.dataReceived(b"oad\n")
        (asked,) = self.asked
        asked.callback(ReloadOutcome(time_s=1.0, trigger="", faults=("bad",), changes=()))
        self.assertEqual(json.loads(wire.value()), {"faults": ["bad"], "changes": []})
        self.assertTrue(wire.disconnecting)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refusals(self) -> None:
        """Who asks for refusals gets them, and nothing is reloaded."""
        protocol, wire = self.connect()
        protocol.dataReceived(b"refu")
        protocol.dataReceived(b"sals\n")
        self.assertEqual(json.loads(wire.value()), {"pid": 7, "refusals": []})
        self.assertTrue(wire.disconnecting)
        self.assertEqual((self.asked, self.clock.getDelayedCalls()), ([], []))

    def test_others(self) -> None:
        """Other users can't ask; root can."""
        self.uid = os.geteuid() + 1
        self.assertTrue(self.connect()[1].aborted)
        self.uid = 0
        self.assertFalse(self.connect()[1].aborted)
        for call in self.clock.getDelayedCalls():
            call.cancel()

    def test_rubbish(self) -> None:
        """Anything else is cut, and so is who asks nothing."""
        for data in (
            b"x",
            b"reload\nreload\n",
            b"reload" * 1000,
            b"refusals\nreload\n",
            b"reloads",
        ):
            protocol, wire = self.connect()
            protocol.dataReceived(data)
            self.assertTrue(wire.aborted, data)
            protocol.connectionLost()
        protocol, wire = self.connect()
        self.clock.advance(ASK_S)
        self.assertTrue(wire.aborted)
        self.assertEqual(self.asked, [])

    def test_many(self) -> None:
        """There are few connections at a time."""
        made = [self.connect()[0] for _ in range(MAX_CONNECTIONS)]
        self.assertIsNone(self.factory.buildProtocol(None))
        for each in made:
            each.connectionLost()
        self.assertEqual(self.factory.connections, 0)


class SocketTests(TestCase):
    """`Control`, with its socket."""

    timeout = 30

    async def test_asked(self) -> None:
        """It answers at its address, and a log of Twisted's has no line of it."""
        asked: list[str] = []

        class Asked:
            """Stands for the reloader."""

            def reload(self, trigger: str) -> Deferred[ReloadOutcome]:
                """Succeed."""
                asked.append(trigger)
                return succeed(ReloadOutcome(time_s=1.0, trigger=trigger))

        reloader: Any = Asked()
        with capturedLogs() as events:
            control = Control(reactor, reloader, dict)
            control.startService()
            endpoint = UNIXClientEndpoint(reactor, control_address(os.getpid()))
            client: Any = await endpoint.connect(Factory.forProtocol(Client))
            client.send(RELOAD)
            await client.gone()
            await control.stopService()
        self.assertEqual(json.loads(client.data), {"faults": [], "changes": []})
        self.assertEqual(asked, ["corsgate reload"])
        said = [formatEvent(event) for event in events]
        self.assertEqual([line for line in said if "ontrol" in line], [])
