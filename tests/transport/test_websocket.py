"""A drained WebSocket: both sides get a Close frame between frames, and nothing behind it."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from websockets.frames import Close, Frame, Opcode

from corsgate.transport.deadlines import Deadlines
from corsgate.transport.endless import Fate, Stage
from corsgate.transport.tunnel import CUT, TunnelEnd
from corsgate.transport.websocket import CLOSED, WebSocketTunnel
from tests.server.support import LEFT, Wire

MASK = b"\x01\x02\x03\x04"
TOLD = b"\x88\x02\x03\xe9"
"""The gate's Close frame for a client."""

TOLD_SERVER = b"\x88\x82" + MASK + bytes((0x03 ^ 1, 0xE9 ^ 2))
"""The same for a server."""

HELLO = Frame(Opcode.TEXT, b"hello").serialize(mask=False)
ASK = Frame(Opcode.TEXT, b"hello").serialize(mask=True)


def closing(code: int, *, mask: bool) -> bytes:
    """Return a peer's own Close frame."""
    return Frame(Opcode.CLOSE, Close(code, "").serialize()).serialize(mask=mask)


class Joined:
    """A tunnel between two wires.

    Args:
        first: What each side has brought with the handshake.
    """

    def __init__(self, first: tuple[bytes, bytes] = (b"", b"")) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.client, self.server = Wire(), Wire()
        self.from_client = TunnelEnd(self.client, first[0])
        self.from_server = TunnelEnd(self.server, first[1])
        self.notes: list[str] = []
        self.tunnel = WebSocketTunnel(
            self.deadlines,
            600,
            self.from_client,
            self.from_server,
            self.notes.append,
            lambda size: MASK[:size],
        )
        self.tunnel.start()

    def advance(self, stage: Stage) -> None:
        """Bring the drain to a stage."""
        self.tunnel.advance(stage)

    def lose_client(self) -> None:
        """End the client's connection."""
        self.client.connected = False
        self.from_client.lost(LEFT)

    def lose_server(self) -> None:
        """End the server's connection."""
        self.server.connected = False
        self.from_server.lost(LEFT)

    @property
    def taken(self) -> tuple[bytes, bytes]:
        """What the client and the server were sent since the last time."""
        return self.client.take(), self.server.take()


class WebSocketTests(SynchronousTestCase):
    def test_passes(self) -> None:
        """Without a drain, bytes pass unchanged, whatever they are."""
        joined = Joined((ASK, HELLO))
        self.assertEqual(joined.taken, (HELLO, ASK))
        for data in (HELLO, HELLO[:1], b"rubbish \xff" * 9, closing(1000, mask=False), HELLO):
            joined.from_server.data_received(data)
            joined.from_client.data_received(data)
            self.assertEqual(joined.taken, (data, data))
        joined.lose_client()
        self.assertTrue(joined.server.disconnecting)

    def test_goes_on_while_draining(self) -> None:
        """Until `tunnel_grace` is over nothing changes."""
        joined = Joined()
        joined.advance(Stage.DRAINING)
        joined.from_server.data_received(HELLO)
        joined.from_client.data_received(ASK)
        self.assertEqual(joined.taken, (HELLO, ASK))
        self.assertTrue(joined.client.open and joined.server.open)

    def test_in_good_order(self) -> None:
        """The client is told, its last messages and its Close reach the server, then all closes."""
        joined = Joined()
        joined.from_server.data_received(HELLO)
        joined.advance(Stage.ENDING)
        self.assertEqual(joined.taken, (HELLO + TOLD, b""))
        joined.from_server.data_received(HELLO)
        joined.from_client.data_received(ASK)
        self.assertEqual(joined.taken, (b"", ASK))
        self.assertTrue(joined.client.open and joined.server.open)
        reply = closing(1001, mask=True)
        joined.from_client.data_received(reply)
        self.assertEqual(joined.taken, (b"", reply))
        self.assertTrue(joined.client.disconnecting)
        joined.lose_client()
        self.assertTrue(joined.server.open, "it has not said Close")
        joined.from_server.data_received(HELLO + closing(1001, mask=False))
        self.assertTrue(joined.server.disconnecting)
        self.assertEqual(joined.taken, (b"", b""))
        joined.lose_server()
        self.assertTrue(joined.deadlines.empty)
        self.successResultOf(joined.tunnel.closed)
        self.assertEqual((joined.tunnel.fate, joined.notes), (Fate.ENDED, [CLOSED]))

    def test_server_leaves_without_close(self) -> None:
        """A server that closes its connection ends the wait for its Close frame."""
        joined = Joined()
        joined.advance(Stage.ENDING)
        joined.from_client.data_received(closing(1001, mask=True))
        joined.lose_server()
        self.assertTrue(joined.client.disconnecting)
        joined.lose_client()
        self.successResultOf(joined.tunnel.closed)

    def test_behind_the_frame(self) -> None:
        """In the middle of a frame, its end is awaited; what comes behind it is dropped."""
        for at in range(1, len(HELLO)):
            joined = Joined()
            joined.from_server.data_received(HELLO[:at])
            joined.advance(Stage.ENDING)
            joined.from_server.data_received(HELLO[at:] + HELLO[:3])
            self.assertEqual(joined.taken, (HELLO + TOLD, b""))
            joined.from_server.data_received(HELLO[3:])
            self.assertEqual(joined.taken, (b"", b""))

    def test_behind_the_message(self) -> None:
        """In the middle of a message, its last fragment is awaited, or else the time to cut."""
        begun = Frame(Opcode.TEXT, b"a", fin=False).serialize(mask=False)
        ping = Frame(Opcode.PING, b"").serialize(mask=False)
        last = Frame(Opcode.CONT, b"b").serialize(mask=False)
        for ends in (True, False):
            joined = Joined()
            joined.from_server.data_received(begun)
            joined.advance(Stage.ENDING)
            joined.from_server.data_received(ping)
            self.assertEqual(joined.taken, (begun + ping, b""))
            if ends:
                joined.from_server.data_received(last + last)
                self.assertEqual(joined.taken, (last + TOLD, b""))
            else:
                joined.advance(Stage.CUTTING)
                self.assertEqual(joined.taken, (TOLD, TOLD_SERVER))

    def test_paused_server(self) -> None:
        """A server that was paused for a slow client is read again, so that it can say Close."""
        joined = Joined()
        joined.client.pacing.pauseProducing()
        self.assertFalse(joined.server.reading)
        joined.advance(Stage.ENDING)
        self.assertTrue(joined.server.reading)
        self.assertIsNone(joined.client.producer)

    def test_server_closes_itself(self) -> None:
        """Behind the server's own Close the gate says nothing, and no other closes the sooner."""
        for before in (True, False):
            joined = Joined()
            reply = closing(1000, mask=False)
            if before:
                joined.from_server.data_received(reply)
            else:
                joined.from_server.data_received(HELLO[:3])
            joined.advance(Stage.ENDING)
            if not before:
                joined.from_server.data_received(HELLO[3:-1])
                self.assertEqual(joined.taken, (HELLO[:-1], b""))
                continue
            self.assertEqual(joined.taken, (reply, b""))
            own = closing(1000, mask=True)
            joined.from_client.data_received(own)
            self.assertEqual(joined.taken, (b"", own))
            self.assertTrue(joined.client.disconnecting and joined.server.disconnecting)
            self.assertEqual((joined.tunnel.fate, joined.notes), (Fate.NONE, []))

    def test_close_under_way(self) -> None:
        """A Close of the server that has half passed is the only one."""
        joined = Joined()
        own = closing(1000, mask=False)
        joined.from_server.data_received(own[:3])
        joined.advance(Stage.ENDING)
        joined.from_server.data_received(own[3:] + b"more")
        self.assertEqual(joined.taken, (own + b"more", b""))
        joined.advance(Stage.CUTTING)
        self.assertEqual(joined.taken, (b"", TOLD_SERVER))

    def test_client_closes_itself(self) -> None:
        """A client that has said Close gets the server's own, not one of the gate's."""
        joined = Joined()
        own = closing(1000, mask=True)
        joined.from_client.data_received(own)
        joined.advance(Stage.ENDING)
        self.assertEqual(joined.taken, (b"", own))
        reply = closing(1000, mask=False)
        joined.from_server.data_received(reply)
        self.assertEqual(joined.taken, (reply, b""))
        self.assertTrue(joined.client.disconnecting and joined.server.disconnecting)
        self.assertEqual(joined.tunnel.fate, Fate.NONE)

    def test_both_at_once(self) -> None:
        """A client whose Close crosses the gate's has had its answer; the server gets one."""
        joined = Joined()
        joined.advance(Stage.ENDING)
        own = closing(1000, mask=True)
        joined.from_client.data_received(own + b"rubbish")
        self.assertEqual(joined.taken, (TOLD, own + b"rubbish"))
        joined.from_client.data_received(own)
        joined.advance(Stage.CUTTING)
        self.assertEqual(joined.taken, (b"", b""))

    def test_silent_client(self) -> None:
        """The server of a client that does not answer is told by the gate, masked."""
        joined = Joined()
        joined.advance(Stage.ENDING)
        joined.from_client.data_received(ASK)
        joined.advance(Stage.CUTTING)
        self.assertEqual(joined.taken, (TOLD, ASK + TOLD_SERVER))
        self.assertTrue(joined.client.disconnecting)
        self.assertTrue(joined.server.open and joined.server.reading)
        joined.from_client.data_received(ASK)
        self.assertEqual(joined.taken, (b"", b""))
        joined.from_server.data_received(closing(1001, mask=False))
        self.assertTrue(joined.server.disconnecting)
        self.assertEqual((joined.tunnel.fate, joined.notes), (Fate.CUT, [CUT]))

    def test_nobody_answers(self) -> None:
        """What is left after that is cut, however much the peers still send."""
        joined = Joined()
        joined.advance(Stage.ENDING)
        joined.advance(Stage.CUTTING)
        for _ in range(4):
            joined.from_server.data_received(HELLO)
            joined.from_client.data_received(ASK)
            joined.clock.advance(0.5)
        self.assertTrue(joined.client.disconnected and joined.server.disconnected)

    def test_abort(self) -> None:
        """Both sides are cut at once, whatever was said before."""
        for stages in ((), (Stage.ENDING,), (Stage.ENDING, Stage.CUTTING)):
            joined = Joined()
            for stage in (*stages, Stage.ABORTING):
                joined.advance(stage)
            self.assertTrue(joined.client.disconnected and joined.server.disconnected)

    def test_never_within_a_frame(self) -> None:
        """A frame that never ends is cut without a Close in it, in either direction."""
        for stages in ((Stage.ENDING, Stage.CUTTING), (Stage.CUTTING,)):
            joined = Joined()
            joined.from_server.data_received(HELLO[:-1])
            joined.from_client.data_received(ASK[:4])
            for stage in stages:
                joined.advance(stage)
            self.assertEqual(joined.taken, (HELLO[:-1], ASK[:4]))
            self.assertTrue(joined.client.disconnecting and joined.server.disconnecting)

    def test_malformed(self) -> None:
        """Where frames can't be followed, nothing is put in, and the tunnel is cut."""
        joined = Joined()
        joined.from_server.data_received(b"\x81\x81")
        joined.from_client.data_received(b"\x81\x01")
        joined.advance(Stage.ENDING)
        joined.from_server.data_received(HELLO)
        joined.from_client.data_received(ASK)
        self.assertEqual(joined.taken, (b"\x81\x81" + HELLO, b"\x81\x01" + ASK))
        joined.advance(Stage.CUTTING)
        self.assertEqual(joined.taken, (b"", b""))
        self.assertTrue(joined.client.disconnecting and joined.server.disconnecting)

    def test_late(self) -> None:
        """A WebSocket that opens when the others have been told is told at once."""
        joined = Joined()
        clock = Clock()
        client, server = Wire(), Wire()
        ends = TunnelEnd(client), TunnelEnd(server, HELLO)
        tunnel = WebSocketTunnel(Deadlines(clock), 600, *ends)
        tunnel.advance(Stage.ENDING)
        self.assertEqual((client.take(), server.take()), (b"", b""))
        tunnel.start()
        self.assertEqual((client.take(), server.take()), (HELLO + TOLD, b""))
        self.assertEqual(joined.tunnel.fate, Fate.NONE)

    def test_one_side_gone(self) -> None:
        """A tunnel of which one side is gone ends as it would have, but in time."""
        joined = Joined()
        joined.lose_server()
        joined.advance(Stage.ENDING)
        joined.advance(Stage.CUTTING)
        self.assertEqual(joined.taken, (b"", b""))
        joined.clock.pump([1, 1])
        self.assertTrue(joined.client.disconnected)
        self.assertEqual((joined.tunnel.fate, joined.notes), (Fate.NONE, []))
