"""Questions to a real DNS server."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.protocol import DatagramProtocol, Factory, connectionDone
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.names.dns import AAAA, ESERVER, A, Message, Query, Record_A, Record_AAAA, RRHeader
from twisted.protocols.basic import Int16StringReceiver
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import provider

from corsgate.balance.discovered import Service
from corsgate.upstream.dns import HOSTS_TTL_S, Lookup, LookupFailed
from corsgate.upstream.hosts import Hosts
from tests.dnsmasq import TTL_S, Dnsmasq
from tests.peers import Watched, reactor

HOSTS = {
    "two.test": ["10.0.0.2", "10.0.0.1"],
    "both.test": ["10.0.0.3", "fd00::3"],
    "six.test": ["fd00::6"],
}


class FakeServer(DatagramProtocol, Watched):
    """A DNS server that answers as no real one can be made to.

    Args:
        reply: Writes the answer to a question.

    Attributes:
        address: Where it is.
        closed: How many connections its clients closed.
    """

    def __init__(self, reply: Callable[[Message, Query], None]) -> None:
        Watched.__init__(self)
        self._reply = reply
        self._ports: list[Any] = []
        self.address = ("127.0.0.1", 0)
        self.closed = 0

    def start(self) -> None:
        """Listen, for datagrams and for connections."""
        stream = reactor.listenTCP(
            0, Factory.forProtocol(lambda: _Stream(self)), interface="127.0.0.1"
        )
        self.address = ("127.0.0.1", stream.getHost().port)
        self._ports = [stream, reactor.listenUDP(self.address[1], self, interface="127.0.0.1")]

    def stop(self) -> Deferred[Any]:
        """Listen no more."""
        return gatherResults([maybeDeferred(port.stopListening) for port in self._ports])

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Respond to a question; what is too long is cut."""
        transport: Any = self.transport
        transport.write(self.answer(datagram, 512), addr)

    def answer(self, data: bytes, most: int) -> bytes:
        """Return a question's answer."""
        asked = Message()
        asked.fromStr(data)
        made = Message(asked.id, answer=1, maxSize=most)
        made.queries = asked.queries
        self._reply(made, asked.queries[0])
        return made.toStr()


class _Stream(Int16StringReceiver):
    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def stringReceived(self, string: bytes) -> None:
        self.sendString(self._server.answer(string, 0))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._server.closed += 1
        self._server.changed()


class LookupTests(TestCase):
    """What is asked, and what comes of each answer."""

    timeout = 120

    async def lookup(self, *more: str) -> Lookup:
        """Return what asks a DNS server of its own."""
        server = Dnsmasq(Path(self.mktemp()), *more)
        self.addCleanup(server.stop)
        await server.start(HOSTS)
        return Lookup(reactor, ("127.0.0.1", server.port))

    async def test_addresses(self) -> None:
        """All addresses, in order, for as long as the answer says."""
        found = await (await self.lookup()).addresses("two.test")
        self.assertEqual((found.values, found.ttl_s), (("10.0.0.1", "10.0.0.2"), TTL_S))

    async def test_families(self) -> None:
        """IPv4 where there is any, so that no machine is listed twice; else IPv6."""
        lookup = await self.lookup()
        self.assertEqual((await lookup.addresses("both.test")).values, ("10.0.0.3",))
        self.assertEqual((await lookup.addresses("six.test")).values, ("fd00::6",))

    async def test_alias(self) -> None:
        """The addresses of what a name is an alias of."""
        lookup = await self.lookup("--cname=alias.test,two.test")
        self.assertEqual((await lookup.addresses("alias.test")).values, ("10.0.0.1", "10.0.0.2"))

    async def test_services(self) -> None:
        """All records of a service."""
        lookup = await self.lookup(
            "--srv-host=_api._tcp.test,two.test,8001,10,5",
            "--srv-host=_api._tcp.test,six.test,8002,20,0",
        )
        found = await lookup.services("_api._tcp.test")
        self.assertCountEqual(
            found.values,
            [
                Service(priority=10, weight=5, port=8001, target="two.test"),
                Service(priority=20, weight=0, port=8002, target="six.test"),
            ],
        )
        self.assertEqual(found.ttl_s, TTL_S)

    async def test_unknown(self) -> None:
        """A name that isn't there fails, in words."""
        lookup = await self.lookup()
        for asked in (lookup.addresses("no.test"), lookup.services("no.test")):
            self.assertEqual(await self.failure(asked), "no.test: there is no such name")

    async def test_no_service(self) -> None:
        """A name that is there, but no service, fails too."""
        lookup = await self.lookup()
        failed = await self.failure(lookup.services("two.test"))
        self.assertEqual(failed, "two.test: there is no such service")

    async def test_fails_for_one_family(self) -> None:
        """A server that can't say whether there are IPv4 addresses fails the whole question."""

        def reply(answer: Message, asked: Query) -> None:
            if asked.type == A:
                answer.rCode = ESERVER
            else:
                answer.answers = [RRHeader(str(asked.name), AAAA, payload=Record_AAAA("::1"))]

        lookup = Lookup(reactor, (await self.listen(FakeServer(reply))).address)
        self.assertEqual(
            await self.failure(lookup.addresses("a.test")), "a.test: the DNS server failed"
        )

    async def test_hosts_file(self) -> None:
        """What the hosts file knows is not asked of DNS, and what it doesn't know is."""
        path = self.mktemp()
        Path(path).write_text(
            "10.9.0.2 two.test\n10.9.0.1 two.test\nfd09::1 two.test\nfd09::2 local.test\n",
            encoding="ascii",
        )
        asked: list[str] = []

        def reply(message: Message, query: Query) -> None:
            asked.append(str(query.name))
            message.answers = [RRHeader(str(query.name), A, ttl=9, payload=Record_A("10.0.0.9"))]

        server = await self.listen(FakeServer(reply))
        lookup = Lookup(reactor, server.address, Hosts(path))
        for name, expected in (
            ("two.test", ("10.9.0.1", "10.9.0.2")),
            ("local.test", ("fd09::2",)),
            ("localhost", ("127.0.0.1",)),
        ):
            found = await lookup.addresses(name)
            self.assertEqual((found.values, found.ttl_s), (expected, HOSTS_TTL_S))
        self.assertEqual(asked, [])
        self.assertEqual((await lookup.addresses("a.test")).values, ("10.0.0.9",))
        self.assertEqual(asked, ["a.test"])

    async def test_large(self) -> None:
        """An answer too long for a datagram comes over a connection, which is closed then."""
        found = [f"10.0.0.{number}" for number in range(1, 200)]

        def reply(answer: Message, asked: Query) -> None:
            answer.answers = [
                RRHeader(str(asked.name), A, payload=Record_A(each), ttl=5) for each in found
            ]

        server = await self.listen(FakeServer(reply))
        answer = await Lookup(reactor, server.address).addresses("a.test")
        self.assertCountEqual(answer.values, found)
        await server.when(lambda: server.closed == 1)

    async def test_quiet(self) -> None:
        """A question logs nothing, neither as its port is opened nor as it is closed."""

        def reply(answer: Message, asked: Query) -> None:
            found = Record_A("10.0.0.1")
            answer.answers = [RRHeader(str(asked.name), A, payload=found, ttl=5)]

        server = await self.listen(FakeServer(reply))
        events: list[LogEvent] = []

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            events.append(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        for _ in range(3):
            await Lookup(reactor, server.address).addresses("a.test")
        # A port is closed in a later turn.
        await deferLater(reactor, 0)
        await deferLater(reactor, 0)
        self.assertEqual([str(formatEvent(event)) for event in events], [])

    async def listen(self, server: FakeServer) -> FakeServer:
        """Have a DNS server."""
        server.start()
        self.addCleanup(server.stop)
        return server

    async def failure(self, asked: Coroutine[Any, Any, object]) -> str:
        """Return in what words a question fails."""
        task: Deferred[object] = Deferred.fromCoroutine(asked)
        return str(await self.assertFailure(task, LookupFailed))
