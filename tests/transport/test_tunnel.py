"""Two connections joined: each byte once and in order, neither side faster than the other."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from corsgate.transport.deadlines import Deadlines
from corsgate.transport.endless import Fate, Stage
from corsgate.transport.tunnel import DRAINED_S, LAST_BYTES_S, TUNNEL_BYTES, Tunnel, TunnelEnd
from tests.server.support import LEFT, Wire

IDLE_S = 30


class FullWire(Wire):
    """A transport that can take no more than it is given at once, as a full socket does."""

    def write(self, data: bytes) -> None:
        """Take it, and ask for no more."""
        super().write(data)
        if self.producer is not None:
            self.producer.pauseProducing()


class TunnelTestCase(SynchronousTestCase):
    """A tunnel between two wires."""

    def join(
        self,
        first: tuple[bytes, bytes] = (b"", b""),
        wires: tuple[Wire, Wire] | None = None,
        *,
        start: bool = True,
        idle_s: float = IDLE_S,
    ) -> None:
        """Make the tunnel; `first` is what each side has brought already."""
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.client, self.upstream = wires or (Wire(), Wire())
        self.client_end = TunnelEnd(self.client, first[0])
        self.upstream_end = TunnelEnd(self.upstream, first[1])
        self.tunnel = Tunnel(self.deadlines, idle_s, self.client_end, self.upstream_end)
        if start:
            self.tunnel.start()

    def wait(self, seconds: int) -> None:
        """Let time pass, a second at a time."""
        self.clock.pump([1.0] * seconds)

    @property
    def sides(self) -> tuple[tuple[TunnelEnd, Wire, TunnelEnd, Wire], ...]:
        """Each side's end and wire, with the other's."""
        one = (self.client_end, self.client)
        two = (self.upstream_end, self.upstream)
        return ((*one, *two), (*two, *one))


class BytesTests(TunnelTestCase):
    def test_both_ways(self) -> None:
        """What one side sends, the other gets, and nothing else."""
        self.join()
        for end, _, _, other in self.sides:
            end.data_received(b"ab")
            end.data_received(b"c")
            self.assertEqual(other.take(), b"abc")
        self.assertEqual((self.client.take(), self.upstream.take()), (b"", b""))

    def test_first_bytes(self) -> None:
        """What came with the handshake, and before the two were joined, goes ahead of the rest."""
        self.join((b"c", b"u"), start=False)
        self.client_end.data_received(b"1")
        self.upstream_end.data_received(b"2")
        self.assertEqual((self.client.take(), self.upstream.take()), (b"", b""))
        self.tunnel.start()
        self.client_end.data_received(b"3")
        self.assertEqual((self.client.take(), self.upstream.take()), (b"u2", b"c13"))

    def test_nothing_read_before(self) -> None:
        """Until the two are joined neither is read; then both are."""
        self.join(start=False)
        self.assertFalse(self.client.reading or self.upstream.reading)
        self.tunnel.start()
        self.assertTrue(self.client.reading and self.upstream.reading)


class PressureTests(TunnelTestCase):
    def test_both_ways(self) -> None:
        """A side that does not keep up stops the other, and only that one."""
        self.join()
        for end, wire, _, other in self.sides:
            verifyObject(IPushProducer, end)
            self.assertIs(other.pacing, end)
            other.pacing.pauseProducing()
            self.assertEqual((wire.reading, other.reading), (False, True))
            other.pacing.resumeProducing()
            self.assertTrue(wire.reading)

    def test_full_from_the_start(self) -> None:
        """First bytes that fill the other side at once stop their sender before it goes on."""
        self.join((b"x" * 100_000, b""), (Wire(), FullWire()))
        self.assertEqual((self.client.reading, self.upstream.reading), (False, True))
        self.upstream.pacing.resumeProducing()
        self.assertTrue(self.client.reading)


class EndTests(TunnelTestCase):
    def test_one_leaves(self) -> None:
        """When one side is gone the other is closed, once all that was written has left."""
        for side in (0, 1):
            self.join()
            end, wire, other_end, other = self.sides[side]
            end.data_received(b"last")
            wire.connected = False
            end.lost(LEFT)
            self.assertEqual(other.take(), b"last")
            self.assertEqual((other.disconnecting, other.disconnected), (True, False))
            self.assertIsNone(other.producer)
            self.assertNoResult(self.tunnel.done)
            other_end.lost(LEFT)
            self.assertIsNone(self.successResultOf(self.tunnel.done))
            self.assertTrue(self.deadlines.empty)
            self.assertFalse(wire.disconnecting or wire.disconnected)

    def test_left_before(self) -> None:
        """A side that is gone before the two are joined still gets its bytes across."""
        for side in (0, 1):
            self.join((b"bye", b"bye"), start=False)
            end, _, other_end, other = self.sides[side]
            end.lost(LEFT)
            self.tunnel.start()
            self.assertEqual(other.take(), b"bye")
            self.assertTrue(other.disconnecting)
            other_end.lost(LEFT)
            self.successResultOf(self.tunnel.done)
            self.assertTrue(self.deadlines.empty)

    def test_both_left_before(self) -> None:
        """A tunnel between two that are gone ends at once."""
        self.join(start=False)
        self.client_end.lost(LEFT)
        self.upstream_end.lost(LEFT)
        self.tunnel.start()
        self.successResultOf(self.tunnel.done)
        self.assertTrue(self.deadlines.empty)

    def test_farewell_is_read(self) -> None:
        """A side that was paused is read again, or TLS would never see its close_notify."""
        self.join()
        self.upstream.pacing.pauseProducing()
        self.assertFalse(self.client.reading)
        self.upstream_end.lost(LEFT)
        self.assertTrue(self.client.reading)

    def test_bytes_after_the_end(self) -> None:
        """What a side sends when the other is gone has no place to go, and keeps nothing open."""
        self.join()
        self.upstream_end.lost(LEFT)
        for _ in range(IDLE_S + 1):
            self.client_end.data_received(b"x")
            self.wait(1)
        self.assertEqual(self.upstream.take(), b"")
        self.assertTrue(self.client.disconnected)

    def test_cancelled(self) -> None:
        """Whoever loses interest cuts nothing: what one side sent last reaches the other."""
        self.join()
        self.client_end.data_received(b"last")
        self.client_end.lost(LEFT)
        self.tunnel.done.cancel()
        self.failureResultOf(self.tunnel.done, CancelledError)
        self.assertFalse(self.upstream.disconnected)
        self.upstream_end.lost(LEFT)
        self.assertTrue(self.deadlines.empty)


class TimesTests(TunnelTestCase):
    def test_idle(self) -> None:
        """A tunnel on which nothing moves is cut on both sides."""
        self.join()
        self.wait(IDLE_S - 1)
        self.assertTrue(self.client.open and self.upstream.open)
        self.wait(2)
        self.assertTrue(self.client.disconnected and self.upstream.disconnected)
        self.client_end.lost(LEFT)
        self.upstream_end.lost(LEFT)
        self.successResultOf(self.tunnel.done)
        self.assertTrue(self.deadlines.empty)

    def test_one_way_is_enough(self) -> None:
        """Bytes either way keep it open."""
        self.join()
        for number in range(5):
            self.sides[number % 2][0].data_received(b"x")
            self.wait(IDLE_S - 1)
            self.assertTrue(self.client.open and self.upstream.open)

    def test_never_flushed(self) -> None:
        """A side that does not take the other's last bytes is cut too."""
        self.join()
        self.client_end.data_received(b"last")
        self.client_end.lost(LEFT)
        self.wait(IDLE_S + 1)
        self.assertTrue(self.upstream.disconnected)

    def test_last_bytes(self) -> None:
        """That takes no longer than the last bytes are worth, however long a tunnel may idle."""
        self.join(idle_s=10 * LAST_BYTES_S)
        self.client_end.data_received(b"last")
        self.client_end.lost(LEFT)
        self.wait(round(LAST_BYTES_S) - 1)
        self.assertFalse(self.upstream.disconnected)
        self.wait(2)
        self.assertTrue(self.upstream.disconnected)


class MemoryTests(TunnelTestCase):
    """There may be thousands of tunnels, whose other side reads nothing."""

    def test_little_is_kept(self) -> None:
        """Both transports read little at once, and pause their producers soon."""
        self.join()
        for wire in (self.client, self.upstream):
            self.assertEqual(getattr(wire, "bufferSize", None), TUNNEL_BYTES)


class DrainTests(TunnelTestCase):
    """A protocol that is not known can't be told anything."""

    def test_cut_after_the_grace(self) -> None:
        """Until then it goes on; then both sides get what was written to them, and are closed."""
        self.join()
        self.tunnel.advance(Stage.DRAINING)
        self.client_end.data_received(b"a")
        self.assertTrue(self.client.open and self.upstream.open)
        self.tunnel.advance(Stage.ENDING)
        self.client_end.data_received(b"b")
        self.assertEqual(self.upstream.take(), b"a")
        self.assertTrue(self.client.disconnecting and self.upstream.disconnecting)
        self.assertEqual(self.tunnel.fate, Fate.CUT)
        self.wait(round(DRAINED_S) + 1)
        self.assertTrue(self.client.disconnected and self.upstream.disconnected)

    def test_abort(self) -> None:
        """At the end of all patience both sides are cut at once."""
        self.join()
        self.tunnel.advance(Stage.ABORTING)
        self.assertTrue(self.client.disconnected and self.upstream.disconnected)

    def test_begins_late(self) -> None:
        """One that begins when the grace is over is closed as it starts."""
        self.join((b"c", b"u"), start=False)
        self.tunnel.advance(Stage.ENDING)
        self.assertTrue(self.client.open and self.upstream.open)
        self.tunnel.start()
        self.assertEqual((self.client.take(), self.upstream.take()), (b"u", b"c"))
        self.assertTrue(self.client.disconnecting and self.upstream.disconnecting)

    def test_closed(self) -> None:
        """It is closed when both sides are, although who waited for it has been let go before."""
        self.join()
        self.tunnel.done.addErrback(lambda failure: failure.trap(CancelledError))
        self.tunnel.done.cancel()
        self.client_end.lost(LEFT)
        self.assertNoResult(self.tunnel.closed)
        self.upstream_end.lost(LEFT)
        self.successResultOf(self.tunnel.closed)
        self.assertEqual(self.tunnel.fate, Fate.NONE)
