"""Tests of `corsgate.upstream.fetch`: requests of the gate's own, over real sockets."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import SSL4ServerEndpoint
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import Clock

from corsgate.config.model.values import Server
from corsgate.credentials.outside import Outside
from corsgate.errors import (
    BadUpstreamResponse,
    ConnectFailed,
    UpstreamError,
    UpstreamTimedOut,
)
from corsgate.message.head import RequestHead
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.fetch import MAX_BODY_BYTES, TIMEOUT_S, Fetcher
from corsgate.upstream.hosts import Hosts
from tests.certificates import Authority
from tests.peers import Message, Upstream, reactor, response
from tests.support import GateTestCase

HEAD = RequestHead(
    method=b"POST", target=b"/token?p=1", headers=[(b"Host", b"login"), (b"Accept", b"x/y")]
)


class FetchTestCase(GateTestCase):
    """A test case with a fetcher."""

    def setUp(self) -> None:
        """Make it."""
        self.fetcher = Fetcher(reactor, Deadlines(reactor), Hosts())

    def fetch(self, outside: Outside) -> Deferred[Any]:
        """Send a request."""
        return self.fetcher.fetch(outside, HEAD, b"a=b")

    async def failed(self, outside: Outside, kind: type[UpstreamError]) -> str:
        """Return the words of the failure of a request."""
        return str(await self.assertFailure(self.fetch(outside), kind))


def plain(upstream: Upstream) -> Outside:
    """Return a server without TLS."""
    return Outside(server=Server(scheme="http", host="127.0.0.1", port=upstream.port))


class Plain(FetchTestCase):
    async def test_request_and_response(self) -> None:
        """Head and body arrive as they are, and so do those of the response."""
        upstream = await self.upstream(response(400, [(b"X-A", b"b")], b"no"))
        head, body = await self.fetch(plain(upstream))
        self.assertEqual((head.status, body), (400, b"no"))
        (message,) = upstream.requests
        self.assertEqual(
            (message.method, message.target, message.body), (b"POST", b"/token?p=1", b"a=b")
        )
        self.assertEqual(message.one(b"host"), b"login")
        self.assertEqual(message.one(b"content-length"), b"3")
        self.assertNotIn(b"accept-encoding", message.fields)

    async def test_redirect(self) -> None:
        """A redirect is not followed."""
        upstream = await self.upstream(response(302, [(b"Location", b"/other")]))
        head, _ = await self.fetch(plain(upstream))
        self.assertEqual(head.status, 302)
        self.assertEqual(len(upstream.requests), 1)

    async def test_too_long(self) -> None:
        """A body beyond the bound is an error, with a Content-Length or without."""
        long = b"x" * (MAX_BODY_BYTES + 1)
        told = await self.upstream(response(200, [], long))
        self.assertIn("more than 256 KiB", await self.failed(plain(told), BadUpstreamResponse))
        chunk = b"%x\r\n%b\r\n" % (len(long), long)
        untold = await self.upstream(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 3
        )
        self.assertIn("more than 256 KiB", await self.failed(plain(untold), BadUpstreamResponse))
        exact = await self.upstream(response(200, [], long[1:]))
        self.assertEqual(len((await self.fetch(plain(exact)))[1]), MAX_BODY_BYTES)

    async def test_no_http(self) -> None:
        """Something else than HTTP is an error."""
        upstream = await self.upstream(b"SSH-2.0-OpenSSH\r\n")
        await self.failed(plain(upstream), UpstreamError)

    async def test_to_the_end_of_the_connection(self) -> None:
        """An old server's body ends with its connection; one that is cut short is an error."""
        for start, ends in (
            (b"HTTP/1.0 200 OK\r\n\r\n", True),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", False),
        ):
            upstream = await self.upstream()

            def answer(message: Message, start: bytes = start) -> None:
                message.connection.send(start + b"abc")
                message.connection.finish()

            upstream.answer = answer
            if ends:
                self.assertEqual((await self.fetch(plain(upstream)))[1], b"abc")
            else:
                words = await self.failed(plain(upstream), BadUpstreamResponse)
                self.assertIn("cut short", words)

    async def test_refused(self) -> None:
        """A port that nobody listens on is an error."""
        upstream = await self.upstream()
        outside = plain(upstream)
        await upstream.stop()
        await self.failed(outside, ConnectFailed)

    async def test_stop(self) -> None:
        """What is under way is cancelled at the end."""
        upstream = await self.upstream(None)
        fetching = self.fetch(plain(upstream))
        await upstream.arrived()
        self.fetcher.stop()
        await self.assertFailure(fetching, CancelledError)

    async def test_too_slow(self) -> None:
        """A response that doesn't come, or comes byte by byte, ends in time."""
        for start in (None, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"):
            clock = _RealIO()
            self.fetcher = Fetcher(clock, Deadlines(reactor), Hosts())
            upstream = await self.upstream(start)
            fetching = self.fetch(plain(upstream))
            await upstream.arrived()
            clock.advance(TIMEOUT_S - 0.1)
            self.assertFalse(fetching.called)
            clock.advance(0.1)
            error = await self.assertFailure(fetching, UpstreamTimedOut)
            self.assertIn("longer than 10 s", str(error))


class _RealIO(Clock):
    """A reactor with real sockets whose time stands still."""

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


class Verified(FetchTestCase):
    """Over TLS."""

    async def secure(self, options: CertificateOptions) -> Outside:
        """Return a server that speaks TLS."""
        upstream = await Upstream().start_on(
            SSL4ServerEndpoint(reactor, 0, options, interface="127.0.0.1")
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(upstream.stop()))
        upstream.script(response(200, [], b"ok"))
        return Outside(server=Server(scheme="https", host="127.0.0.1", port=upstream.port))

    async def test_trusted(self) -> None:
        """A server whose certificate `ca` has issued is asked, no other one."""
        authority, other = Authority.make(), Authority.make()
        outside = await self.secure(authority.context("login", "127.0.0.1"))
        for ca_pem in (None, other.pem):
            words = await self.failed(attrs.evolve(outside, ca_pem=ca_pem), ConnectFailed)
            self.assertIn("certificate", words)
        _, body = await self.fetch(attrs.evolve(outside, ca_pem=authority.pem))
        self.assertEqual(body, b"ok")

    async def test_another_name(self) -> None:
        """A certificate for another name is no use."""
        authority = Authority.make()
        outside = await self.secure(authority.context("login", "login.example"))
        await self.failed(attrs.evolve(outside, ca_pem=authority.pem), ConnectFailed)

    async def test_client_certificate(self) -> None:
        """A server that wants a certificate gets the one there is."""
        authority = Authority.make()
        outside = await self.secure(authority.context("login", "127.0.0.1", ask=True))
        outside = attrs.evolve(outside, ca_pem=authority.pem)
        await self.failed(outside, UpstreamError)
        shown = attrs.evolve(outside, client_certificate=authority.issue("gate").certified)
        self.assertEqual((await self.fetch(shown))[1], b"ok")
