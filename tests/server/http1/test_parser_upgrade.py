"""Offers to switch protocols, as a client's bytes are read."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.server.http1.parser import RequestParser
from corsgate.server.http1.states import State
from tests.server.http1.cases import GET, NEXT, POST, UPGRADE, H, get
from tests.server.http1.test_parser import Recorder, read


class UpgradeTests(SynchronousTestCase):
    """What follows an offer to switch is held until it is known which protocol it is."""

    OFFER = GET + H + b"Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n\r\n"

    def offered(self, *reads: bytes) -> tuple[RequestParser, Recorder]:
        """Return a reader that was given an offer, and then these reads."""
        sink = Recorder()
        reader = RequestParser(sink, Limits())
        for data in (self.OFFER, *reads):
            reader.feed(data)
        self.assertEqual(sink.requests[0].offers, (b"websocket",))
        self.assertTrue(reader.state is State.OFFERED)
        self.assertEqual(sink.events, [get(b"/")])
        return reader, sink

    def test_switch(self) -> None:
        """Taken up: every byte behind the head is the other protocol's."""
        reader, sink = self.offered(NEXT[:5], NEXT[5:] + b"\x00")
        self.assertEqual(reader.switch(), NEXT + b"\x00")
        self.assertEqual(sink.events, [get(b"/")])

    def test_go_on(self) -> None:
        """Not taken up: they are requests like any others."""
        for pieces in ([], [NEXT], [NEXT[:5], NEXT[5:]], [NEXT + self.OFFER], [b"\x16\x03"]):
            reader, sink = self.offered(*pieces)
            reader.go_on()
            self.assertEqual(sink.events[1:], read(*pieces).events)
            self.assertEqual(reader.state is State.OFFERED, self.OFFER in b"".join(pieces))

    def test_in_one_read(self) -> None:
        """The head and what follows may come in one read."""
        sink = Recorder()
        reader = RequestParser(sink, Limits())
        reader.feed(NEXT + self.OFFER + NEXT)
        self.assertEqual(sink.events, [get(b"/next"), get(b"/")])
        reader.go_on()
        self.assertEqual(sink.events[2:], [get(b"/next")])

    def test_no_offer(self) -> None:
        """What names no protocol that may be switched to, or can't be answered, offers none."""
        old = b"GET / HTTP/1.0\r\nConnection: upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\n"
        body = b"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi"
        for raw in (
            GET + H + UPGRADE + b"\r\n",
            GET + H + b"Upgrade: websocket\r\n\r\n",
            GET + H + b"Connection: upgrade\r\n\r\n",
            POST + body,
            old,
        ):
            sink = read(raw, NEXT)
            self.assertEqual(sink.requests[0].offers, (), raw)
            self.assertEqual(sink.events[-1], get(b"/next"), raw)
        refused = read(GET + H * 2 + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", NEXT)
        self.assertEqual(refused.requests[0].offers, ())
        self.assertEqual(refused.events, [(400, False)])
