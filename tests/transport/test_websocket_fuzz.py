"""A drained WebSocket whose bytes move in any order: no byte lands within a frame."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from websockets.protocol import Protocol, Side, State

from corsgate.message.websocket_frames import FrameTracker
from corsgate.transport.endless import Stage
from tests.transport.test_websocket import TOLD, TOLD_SERVER, Joined


class Peer:
    """One side, which checks all that it is sent as the websockets package does."""

    def __init__(self, side: Side) -> None:
        self.speaks = Protocol(side, max_size=None)
        self.speaks.extensions = []

    def take(self, data: bytes) -> bytes:
        """Take bytes; return what is sent in answer."""
        if data:
            self.speaks.receive_data(data)
        return b"".join(self.speaks.data_to_send())

    def send(self, kind: int, data: bytes) -> bytes:
        """Return a frame of some kind, if one may be sent."""
        speaks = self.speaks
        if speaks.state is not State.OPEN:
            return b""
        if kind == 0:
            speaks.send_ping(data[:125])
        elif speaks.side is Side.CLIENT or (kind == 1 and not speaks.expect_continuation_frame):
            # A client that is told Close within a message of its own would break that off.
            speaks.send_binary(data)
        else:
            begun = speaks.expect_continuation_frame
            send = speaks.send_continuation if begun else speaks.send_binary
            send(data, fin=kind == 2)
        return b"".join(speaks.data_to_send())


_STEPS = st.lists(
    st.tuples(
        st.booleans(),  # who sends
        st.integers(0, 3),  # what
        st.sampled_from((0, 1, 125, 126, 1000, 70_000)),
        st.integers(0, 80_000),  # how much of what waits moves
    ),
    max_size=16,
)


class FuzzTests(SynchronousTestCase):
    def play(self, steps: list[tuple[bool, int, int, int]], stages: dict[int, Stage]) -> Played:
        """Let both peers send, bring the drain to its stages meanwhile; return what came."""
        played = Played()
        for number, (who, kind, size, move) in enumerate(steps):
            if number in stages:
                played.joined.advance(stages[number])
            played.send(who, kind, size)
            played.move(who, move)
        return played

    @given(steps=_STEPS, at=st.integers(0, 16))
    def test_no_peer_sees_a_fault(self, steps: list[tuple[bool, int, int, int]], at: int) -> None:
        """Whenever a drain begins and however reads fall, both peers see 1001 and no fault."""
        played = self.play(steps, {at: Stage.ENDING})
        played.joined.advance(Stage.ENDING)
        for who in (True, False):
            if played.peers[who].speaks.expect_continuation_frame:
                played.send(who, 2, 1)
        for _ in range(4):
            for who in (True, False):
                played.move(who, len(played.waiting[who]))
        for peer in played.peers.values():
            self.assertIsNone(peer.speaks.parser_exc)
            assert peer.speaks.close_rcvd is not None
            self.assertEqual(peer.speaks.close_rcvd.code, 1001)
        self.assertTrue(played.joined.client.disconnecting)
        self.assertTrue(played.joined.server.disconnecting)

    @given(steps=_STEPS, at=st.integers(0, 16), cut=st.integers(1, 16))
    def test_cut_between_frames(
        self, steps: list[tuple[bool, int, int, int]], at: int, cut: int
    ) -> None:
        """Whenever it comes to cutting, a Close of the gate's begins where a frame may begin."""
        played = self.play(steps, {at: Stage.ENDING, at + cut: Stage.CUTTING})
        for who, told in ((True, TOLD), (False, TOLD_SERVER)):
            tracker, data = FrameTracker(masked=not who), played.came[who]
            end = len(data) - len(told)
            tracker.feed(data)
            if tracker.closed and data.endswith(told):
                before = FrameTracker(masked=not who)
                before.feed(data[:end])
                self.assertTrue(before.at_boundary)
            self.assertFalse(tracker.broken)


class Played:
    """A WebSocket between two peers whose bytes move as a test says."""

    def __init__(self) -> None:
        self.joined = joined = Joined()
        # By whether it is the client.
        self.peers = {True: Peer(Side.CLIENT), False: Peer(Side.SERVER)}
        self.waiting = {True: b"", False: b""}
        self.came = {True: b"", False: b""}
        self._ends = {True: joined.from_client, False: joined.from_server}
        self._wires = {True: joined.client, False: joined.server}

    def send(self, who: bool, kind: int, size: int) -> None:
        """Let a peer send something, which waits to be moved."""
        self.waiting[who] += self.peers[who].send(kind, bytes(size))

    def move(self, who: bool, size: int) -> None:
        """Hand so many bytes of a peer to the gate, and take what the gate has sent."""
        data, self.waiting[who] = self.waiting[who][:size], self.waiting[who][size:]
        if data:
            self._ends[who].data_received(data)
        for each in (True, False):
            came = self._wires[each].take()
            self.came[each] += came
            self.waiting[each] += self.peers[each].take(came)
