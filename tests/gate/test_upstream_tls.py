"""Boxes whose TLS is not as it should be: the daemon's log says why, and clients see nothing."""

from __future__ import annotations

import json
from typing import Any, cast

from OpenSSL.crypto import X509
from OpenSSL.SSL import TLS1_1_VERSION
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.logger import ILogObserver, capturedLogs, formatEvent, globalLogPublisher
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from corsgate.upstream.certificates import pin_of
from tests.certificates import DAY, Issued, self_signed
from tests.peers import Upstream, reactor
from tests.support import Gate, GateTestCase

OLD = self_signed("box", "box.lan", starts=-DAY * 9, ends=-DAY)


@implementer(IStreamServerEndpoint)
class TlsEndpoint:
    """Listens on a port of its own, in TLS.

    Args:
        context: The server's context.
    """

    def __init__(self, context: Any) -> None:
        self._context = context

    def listen(self, protocolFactory: Any) -> Deferred[Any]:
        """Listen."""
        factory: Any = TLSMemoryBIOFactory(self._context, False, protocolFactory)
        listening: Deferred[Any] = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(
            factory
        )
        return listening


class WordsTests(GateTestCase):
    """A gate before one box."""

    async def box(self, context: Any) -> Upstream:
        """Return a box, which speaks TLS."""
        box = await Upstream().start_on(TlsEndpoint(context))
        self.addCleanup(lambda: Deferred.fromCoroutine(box.stop()))
        return box

    def before(self, box: Upstream, more: str = "") -> Gate:
        """Return a gate before a box."""
        return self.serve(
            f'[upstreams.a]\nservers = ["https://127.0.0.1:{box.port}"]\n{more}\n'
            '[routes."/v1"]\nupstream = "a"\n'
        )

    async def test_log(self) -> None:
        """A request that fails names the reason in the log, and no address to the client."""
        issued = self_signed("box", "127.0.0.1")
        for context, expected in (
            (issued.context(newest=TLS1_1_VERSION, level=0), "it speaks TLS 1.1 at most: set tls."),
            (OLD.context(), "its certificate is self-signed"),
        ):
            box = await self.box(context)
            gate = self.before(box)
            with capturedLogs() as captured:
                answer = await self.ask(gate)
            said = [formatEvent(each) for each in captured]
            wanted = f"https://127.0.0.1:{box.port}: {expected}"
            self.assertEqual(len([line for line in said if wanted in line]), 1, said)
            self.assertEqual(answer.status, 502)
            for secret in (b"127.0.0.1", b"certificate", str(box.port).encode(), b"box"):
                self.assertNotIn(secret, answer.raw)
            self.assertEqual(box.requests, [])

    async def test_probe(self) -> None:
        """A probe that fails names the reason in the log, too."""
        seen: Deferred[None] = Deferred()

        def observe(event: Any) -> None:
            if "its certificate is self-signed" in formatEvent(event) and not seen.called:
                seen.callback(None)

        observer = cast(ILogObserver, observe)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        box = await self.box(OLD.context())
        self.before(box, 'health = { path = "/", interval = "50ms", fall = 1 }')
        await seen

    async def test_pinned(self) -> None:
        """An expired certificate of its own is good where its key is pinned, and no other one."""
        for pinned, status in ((OLD, 200), (self_signed("box"), 502)):
            box = await self.box(OLD.context())
            gate = self.before(box, f"tls = {{ pin = {json.dumps([pin(pinned)])} }}")
            self.assertEqual((await self.ask(gate, b"POST", body=b"a")).status, status)
            self.assertEqual(len(box.requests), 1 if status == 200 else 0)

    async def test_old(self) -> None:
        """A box that speaks TLS 1.1 at most is served where that is allowed."""
        context = OLD.context(newest=TLS1_1_VERSION, level=0)
        lines = f'tls = {{ min_version = "1.0", pin = ["{pin(OLD)}"] }}'
        box = await self.box(context)
        with capturedLogs() as captured:
            gate = self.before(box, lines)
        said = "\n".join(map(str, map(formatEvent, captured)))
        self.assertIn("upstream a: TLS 1.0 is accepted", said)
        self.assertEqual((await self.ask(gate)).status, 200)


def pin(issued: Issued) -> str:
    """Return the pin of a certificate's key."""
    return pin_of(X509.from_cryptography(issued.certificate))
