"""What a stream of HTTP/2 does where a request looks for a connection of HTTP/1.1."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.head import ResponseHead
from corsgate.server.http2.frames import Code
from corsgate.server.http2.stream_channel import StreamChannel

PEER = IPv4Address("TCP", "192.0.2.1", 5000)
HOST = IPv4Address("TCP", "192.0.2.2", 443)


class _Connection:
    """What the stream is a part of."""

    def getPeer(self) -> IPv4Address:
        """Return the client's address."""
        return PEER

    def getHost(self) -> IPv4Address:
        """Return the gate's own address."""
        return HOST

    def isSecure(self) -> bool:
        """Return True."""
        return True


class _Stream(StreamChannel):
    """A stream that notes what it is asked for."""

    def __init__(self) -> None:
        connection: Any = _Connection()
        self._connection = connection
        self.written = b""
        self.ends: list[tuple[str, Code]] = []

    def write(self, data: bytes) -> None:
        """Note it."""
        self.written += data

    def _cut(self, outcome: str, code: Code) -> None:
        self.ends.append((outcome, code))


class StreamChannelTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a stream."""
        self.stream = _Stream()

    def test_addresses(self) -> None:
        """The addresses, and whether it is TLS, are the connection's."""
        stream = self.stream
        self.assertEqual((stream.getPeer(), stream.getHost()), (PEER, HOST))
        self.assertTrue(stream.isSecure())

    def test_pieces_are_joined(self) -> None:
        """Several pieces are one piece of the body."""
        self.stream.writeSequence([b"a", b"", b"bc"])
        self.assertEqual(self.stream.written, b"abc")

    def test_ends(self) -> None:
        """Each way to end it has its own error (RFC 9113 7)."""
        self.stream.cut("it stalls")
        self.stream.abortConnection()
        self.stream.loseConnection()
        self.assertTrue(self.stream.require_http1())
        outcomes, codes = zip(*self.stream.ends, strict=True)
        self.assertEqual(outcomes[0], "it stalls")
        aborted = Code.INTERNAL_ERROR
        expected = (Code.ENHANCE_YOUR_CALM, aborted, aborted, Code.HTTP_1_1_REQUIRED)
        self.assertEqual(codes, expected)

    def test_never_switches(self) -> None:
        """HTTP/2 has no Upgrade."""
        head = ResponseHead(status=101, reason=b"", headers=[])
        self.assertRaises(AssertionError, self.stream.switch, head)
        self.assertIsNone(self.stream.pins)
