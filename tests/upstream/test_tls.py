"""TLS towards upstreams: the right certificate, or no connection."""

from __future__ import annotations

from typing import Any

import attrs
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL.SSL import TLS1_2_VERSION, TLS1_3_VERSION
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from corsgate.config.model.values import Limits, Server, Upstream
from corsgate.errors import (
    BadUpstreamResponse,
    BadValue,
    ConnectFailed,
    ConnectTimedOut,
    UpstreamError,
)
from corsgate.message.head import RequestHead
from corsgate.server.tls import CertificateTable
from corsgate.upstream.sending import CarriedHead
from corsgate.upstream.tls import VerifyingCreator, creators, trust_from_pem
from tests.certificates import DAY, Authority, self_signed
from tests.server.support import Collector
from tests.upstream.box import BoxTestCase

AUTHORITY = Authority.make()
WEAK = ec.generate_private_key(ec.SECP192R1())
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class TlsTestCase(BoxTestCase):
    """Requests to a server that speaks TLS."""

    def ask(self, limits: Limits | None = None) -> Deferred[Any]:
        """Send a request."""
        head = RequestHead(method=b"GET", target=b"/", headers=[(b"Host", b"h")])
        return self.agent.request(b"-", self.url, CarriedHead(head, limits or Limits()))

    async def answered(self, host: str, context: Any, ca: bytes | None, **more: Any) -> Any:
        """Check that a server is sent the request; answer its TLS connection."""
        await self.begin("https", host, context, ca, **more)
        asked = self.ask()
        peer = await self.box.next()
        await peer.until()
        transport: Any = peer.transport
        peer.send(OK)
        collector = Collector()
        (await asked).deliverBody(collector)
        self.assertEqual(collector.data, b"hi")
        return transport.getHandle()

    async def refused(
        self,
        host: str,
        context: Any,
        ca: bytes | None,
        *,
        error: type[Exception] = ConnectFailed,
        **more: Any,
    ) -> str:
        """Check that a server is sent nothing; return what the error says."""
        await self.begin("https", host, context, ca, **more)
        raised = await self.assertFailure(self.ask(), error)
        for peer in self.box.peers:
            self.assertEqual(peer.data, b"")
        await self.end()
        return str(raised)


class TlsTests(TlsTestCase):
    """Whom the gate takes for its upstream."""

    async def accepted(self, host: str, *names: str) -> None:
        """Check that a server with a certificate for these names is sent the request."""
        await self.answered(host, AUTHORITY.context(host, *names), AUTHORITY.pem)

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
        """A server that doesn't speak TLS is no server, and is said to be none."""
        for sent, expected in (
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it answers plain HTTP on this port"),
            (b"SSH-2.0-x\r\n", "it does not speak TLS on this port"),
            (b"", "the TLS handshake failed: it closed the connection"),
        ):
            await self.begin("https", "127.0.0.1", None, AUTHORITY.pem)
            asked = self.ask()
            peer = await self.box.next()
            peer.send(sent)
            peer.close()
            raised = await self.assertFailure(asked, ConnectFailed)
            self.assertIn(f"https://127.0.0.1:{self.box.port}: {expected}", str(raised))
            await self.end()

    async def test_reason(self) -> None:
        """What is wrong with a certificate is said in words."""
        old = AUTHORITY.issue("localhost", starts=-DAY * 9, ends=-DAY)
        day = f"{old.certificate.not_valid_after_utc:%Y-%m-%d}"
        for issued, expected in (
            (old, f"its certificate expired on {day}"),
            (AUTHORITY.issue("box.lan"), "its certificate is for box.lan, not localhost"),
            (AUTHORITY.issue(), "its certificate has no subjectAltName, only the common name x"),
            (self_signed("x", "localhost"), "its certificate is self-signed: name it in ca"),
            (Authority.make().issue("localhost"), "is not signed by the authority of that name"),
        ):
            said = await self.refused("localhost", issued.context(), AUTHORITY.pem)
            self.assertIn(expected, said)
        unknown = Authority.make("another authority").issue("localhost")
        said = await self.refused("localhost", unknown.context(), AUTHORITY.pem)
        self.assertIn("its certificate is issued by an authority that is not trusted", said)

    async def test_odd_name(self) -> None:
        """A certificate with a name that can't be matched is good for its other names alone."""
        issued = AUTHORITY.issue("localhost", "*.lan")
        await self.answered("localhost", issued.context(), AUTHORITY.pem)
        await self.end()
        issued = AUTHORITY.issue("*.lan", "10.0.0.1", "*.localhost")
        await self.refused("localhost", issued.context(), AUTHORITY.pem)

    async def test_unreadable_certificate(self) -> None:
        """A certificate whose names can't be read is refused, though its authority is trusted."""
        context = AUTHORITY.issue_malformed().context()
        said = await self.refused("127.0.0.1", context, AUTHORITY.pem)
        self.assertIn("its certificate can't be verified", said)

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
        """A body that ends without TLS's goaway was cut short by somebody."""
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


class ServerNameTests(TlsTestCase):
    """The name that servers are asked for, where it isn't in their URLs."""

    async def test_accepted(self) -> None:
        """A certificate for it is accepted, and it is sent along (SNI)."""
        context = AUTHORITY.context("x", "api.test")
        connection = await self.answered(
            "127.0.0.1", context, AUTHORITY.pem, server_name="api.test"
        )
        self.assertEqual(connection.get_servername(), b"api.test")

    async def test_refused(self) -> None:
        """One for the URL's own host is not."""
        await self.refused(
            "127.0.0.1",
            AUTHORITY.context("x", "127.0.0.1"),
            AUTHORITY.pem,
            server_name="api.test",
        )

    async def test_without(self) -> None:
        """A host name in the URL is sent along, an address never (RFC 6066 3)."""
        for host, sent in (("localhost", b"localhost"), ("127.0.0.1", None)):
            context = AUTHORITY.context("x", "127.0.0.1", "localhost")
            connection = await self.answered(host, context, AUTHORITY.pem)
            self.assertEqual(connection.get_servername(), sent)
            await self.end()


class ClientCertificateTests(TlsTestCase):
    """Servers that ask who the gate is."""

    async def test_accepted(self) -> None:
        """The gate shows its certificate with its chain."""
        issued = AUTHORITY.issue(common_name="gate")
        certified = attrs.evolve(issued.certified, chain_pem=issued.pem + AUTHORITY.pem)
        connection = await self.answered(
            "localhost",
            AUTHORITY.context("x", "localhost", ask=True),
            AUTHORITY.pem,
            client_certificate=certified,
        )
        shown = connection.get_peer_certificate(as_cryptography=True)
        self.assertEqual(shown, issued.certificate)
        behind = connection.get_peer_cert_chain(as_cryptography=True)
        self.assertEqual(behind, [AUTHORITY.certificate])

    async def test_refused(self) -> None:
        """Without one, or with another authority's, the server gets no request; it is said why."""
        for certified in (None, Authority.make("other").issue("gate").certified):
            for newest in (TLS1_2_VERSION, TLS1_3_VERSION):
                context = AUTHORITY.context("x", "localhost", ask=True)
                context.getContext().set_max_proto_version(newest)
                said = await self.refused(
                    "localhost",
                    context,
                    AUTHORITY.pem,
                    error=UpstreamError,
                    client_certificate=certified,
                )
                self.assertRegex(
                    said, r"it does not accept the gate \(.+\): set client_certificate"
                )

    async def test_not_asked(self) -> None:
        """A server that doesn't ask isn't shown it."""
        connection = await self.answered(
            "localhost",
            AUTHORITY.context("x", "localhost"),
            AUTHORITY.pem,
            client_certificate=AUTHORITY.issue("gate").certified,
        )
        self.assertIsNone(connection.get_peer_certificate(as_cryptography=True))


class VerifyOffTests(TlsTestCase):
    """What is left without verification."""

    async def test_anyone(self) -> None:
        """Any certificate will do: untrusted, for another name, or for none."""
        for names in (("localhost",), ("other.test",), ()):
            context = Authority.make().context("x", *names)
            connection = await self.answered("localhost", context, None, verify=False)
            self.assertEqual(connection.get_servername(), b"localhost")
            await self.end()


class TrustTests(SynchronousTestCase):
    def test_creator(self) -> None:
        """The creator is what Twisted asks for, for names and addresses."""
        trust = trust_from_pem(AUTHORITY.pem)
        for host in ("a.test", "10.0.0.1", "::1"):
            verifyObject(IOpenSSLClientConnectionCreator, VerifyingCreator(host, trust))

    def test_one_for_all(self) -> None:
        """Each https server of an upstream has its own, under its origin; others have none."""
        plain = Server(scheme="http", host="a.test", port=80)
        secure = [Server(scheme="https", host=host, port=443) for host in ("a.test", "b.test")]
        upstream = Upstream(name="a", servers=(plain, *secure), ca_pem=AUTHORITY.pem)
        self.assertEqual(
            set(creators(upstream, upstream.servers)), {"https://a.test", "https://b.test"}
        )

    def test_many_addresses(self) -> None:
        """The addresses of one name share one: to make it takes milliseconds."""
        found = [
            Server(scheme="https", host=f"10.0.0.{number}", port=443, name=name)
            for number, name in enumerate(("a.test", "a.test", "b.test"))
        ]
        upstream = Upstream(name="a", servers=tuple(found), ca_pem=AUTHORITY.pem)
        made = creators(upstream, found)
        self.assertIs(made[found[0].origin], made[found[1].origin])
        self.assertIsNot(made[found[0].origin], made[found[2].origin])

    def test_refused_by_openssl(self) -> None:
        """A client certificate that OpenSSL finds too weak is a fault now, not at first use."""
        weak = AUTHORITY.issue("gate", key=WEAK).certified
        with self.assertRaises(BadValue) as caught:
            VerifyingCreator("a.test", trust_from_pem(AUTHORITY.pem), certified=weak)
        self.assertEqual(
            caught.exception.problem, '"/chain.pem" is refused by OpenSSL: ee key too small'
        )
        with self.assertRaises(BadValue):
            CertificateTable([weak], [])

    def test_several(self) -> None:
        """A file may hold several certificates, with text between them."""
        trust_from_pem(b"# one\n" + AUTHORITY.pem + b"# two\n" + AUTHORITY.pem)

    def test_bad(self) -> None:
        """A file without a certificate, or with one that can't be read, is no trust."""
        begin, end = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"
        for pem in (b"", b"nonsense", begin + b"!!!\n" + end, begin, AUTHORITY.pem + begin + end):
            self.assertRaises(BadValue, trust_from_pem, pem)
