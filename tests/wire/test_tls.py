"""TLS towards upstreams: the right certificate, or no connection."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from corsgate.config.model import Limits
from corsgate.errors import BadUpstreamResponse, BadValue, ConnectFailed, ConnectTimedOut
from corsgate.message.head import RequestHead
from corsgate.wire.agent import CarriedHead
from corsgate.wire.tls import VerifyingCreator, trust_from_pem
from tests.wire.box import Authority, BoxTestCase
from tests.wire.support import Collector

AUTHORITY = Authority.make()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class TlsTests(BoxTestCase):
    def ask(self, limits: Limits | None = None) -> Deferred[Any]:
        """Send a request."""
        head = RequestHead(method=b"GET", target=b"/", headers=[(b"Host", b"h")])
        return self.agent.request(b"-", self.url, CarriedHead(head, limits or Limits()))

    async def accepted(self, host: str, *names: str) -> None:
        """Check that a server with a certificate for these names is sent the request."""
        await self.begin("https", host, AUTHORITY.context(host, *names), AUTHORITY.pem)
        asked = self.ask()
        peer = await self.box.next()
        await peer.until()
        peer.send(OK)
        collector = Collector()
        (await asked).deliverBody(collector)
        self.assertEqual(collector.data, b"hi")

    async def refused(self, host: str, context: Any, ca: bytes) -> None:
        """Check that a server is sent nothing, and that the error says so."""
        await self.begin("https", host, context, ca)
        await self.assertFailure(self.ask(), ConnectFailed)
        for peer in self.box.peers:
            self.assertEqual(peer.data, b"")
        await self.end()

    async def test_right_name(self) -> None:
        """A certificate for the host's name is accepted."""
        await self.accepted("localhost", "other.test", "localhost")

    async def test_right_address(self) -> None:
        """So is one for the address, where the server is named by address."""
        await self.accepted("127.0.0.1", "127.0.0.1")

    async def test_no_names(self) -> None:
        """One without a subjectAltName names nobody, whatever its common name is."""
        for host in ("localhost", "127.0.0.1"):
            await self.refused(host, AUTHORITY.context(host), AUTHORITY.pem)

    async def test_wrong_name(self) -> None:
        """One for another name or address is refused; a name is no address."""
        for host, name in (
            ("localhost", "other.test"),
            ("localhost", "127.0.0.1"),
            ("localhost", "*.localhost"),
            ("127.0.0.1", "127.0.0.2"),
            ("127.0.0.1", "localhost"),
        ):
            await self.refused(host, AUTHORITY.context(host, name), AUTHORITY.pem)

    async def test_untrusted(self) -> None:
        """One that another authority signed is refused, though the name is right."""
        other = Authority.make()
        await self.refused("localhost", other.context("localhost", "localhost"), AUTHORITY.pem)

    async def test_plain_server(self) -> None:
        """A server that doesn't speak TLS is no server."""
        await self.begin("https", "127.0.0.1", None, AUTHORITY.pem)
        asked = self.ask()
        peer = await self.box.next()
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await self.assertFailure(asked, ConnectFailed)

    async def test_handshake_hangs(self) -> None:
        """A handshake that hangs counts as a connection not had in time."""
        await self.begin("https", "127.0.0.1", None, AUTHORITY.pem)
        await self.assertFailure(self.ask(Limits(connect_timeout_s=0.05)), ConnectTimedOut)
        await (await self.box.next()).lost

    async def test_handshake_cancelled(self) -> None:
        """Cancelling in the handshake cuts the connection."""
        await self.begin("https", "127.0.0.1", None, AUTHORITY.pem)
        asked = self.ask()
        peer = await self.box.next()
        asked.cancel()
        await self.assertFailure(asked, CancelledError)
        await peer.lost

    async def test_truncated(self) -> None:
        """A body that ends without TLS's farewell was cut short by somebody."""
        for how in ("cut", "close"):
            await self.begin(
                "https", "127.0.0.1", AUTHORITY.context("x", "127.0.0.1"), AUTHORITY.pem
            )
            asked = self.ask()
            peer = await self.box.next()
            await peer.until()
            peer.send(b"HTTP/1.1 200 OK\r\n\r\nhel")
            collector = Collector()
            (await asked).deliverBody(collector)
            transport: Any = peer.transport
            (transport.transport.loseConnection if how == "cut" else transport.loseConnection)()
            await peer.lost
            await self.end()
            expected = BadUpstreamResponse if how == "cut" else None
            self.assertEqual(isinstance(collector.reasons[0], BadUpstreamResponse), bool(expected))


class TrustTests(SynchronousTestCase):
    def test_creator(self) -> None:
        """The creator is what Twisted asks for, for names and addresses."""
        trust = trust_from_pem(AUTHORITY.pem)
        for host in ("a.test", "10.0.0.1", "::1"):
            verifyObject(IOpenSSLClientConnectionCreator, VerifyingCreator(host, trust))

    def test_several(self) -> None:
        """A file may hold several certificates, with text between them."""
        trust_from_pem(b"# one\n" + AUTHORITY.pem + b"# two\n" + AUTHORITY.pem)

    def test_bad(self) -> None:
        """A file without a certificate, or with one that can't be read, is no trust."""
        begin, end = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"
        for pem in (b"", b"nonsense", begin + b"!!!\n" + end, begin, AUTHORITY.pem + begin + end):
            self.assertRaises(BadValue, trust_from_pem, pem)
