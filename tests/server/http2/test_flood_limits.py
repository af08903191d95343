"""Bounds on what costs a client next to nothing."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import ConnectionFault
from corsgate.server.http2.flood_limits import IDLE_FRAMES, RESETS, Allowance, FloodLimits
from corsgate.server.http2.frames import Code, Frame, Kind


def seen(kind: int, flags: int = 0, size: int = 0) -> Frame:
    """Return a frame as it was read."""
    return Frame(kind, flags, 1, size, b"")


GREETING = seen(Kind.SETTINGS)


class FloodLimitsTests(SynchronousTestCase):
    """`FloodLimits` and `Allowance`."""

    def test_allowance(self) -> None:
        """A burst, then so many per second, and never more than a burst saved."""
        allowance = Allowance(3, 2)
        self.assertEqual([allowance.spend(10) for _ in range(4)], [True, True, True, False])
        self.assertEqual([allowance.spend(11) for _ in range(3)], [True, True, False])
        self.assertEqual([allowance.spend(99) for _ in range(4)], [True, True, True, False])
        allowance.earn(1.5)
        self.assertEqual([allowance.spend(99) for _ in range(2)], [True, False])

    def assert_fault(self, flood_limits: FloodLimits, code: int, *frames: Frame) -> None:
        """Assert that the last of the frames is one too many."""
        for each in frames[:-1]:
            flood_limits.frame_came(each, 0)
        with self.assertRaises(ConnectionFault) as caught:
            flood_limits.frame_came(frames[-1], 0)
        self.assertEqual(caught.exception.code, code)

    def test_greeting(self) -> None:
        """The first frame is SETTINGS, and no acknowledgement."""
        for first in (seen(Kind.HEADERS, 5), seen(Kind.SETTINGS, 1), seen(Kind.PING)):
            flood_limits = FloodLimits(100)
            self.assert_fault(flood_limits, Code.PROTOCOL_ERROR, first)
            self.assertFalse(flood_limits.greeted)

    def test_floods(self) -> None:
        """Frames that bring nothing are so many at once, whatever their kind."""
        many = int(IDLE_FRAMES)
        for kind in (2, 3, 4, 6, 8, 99):
            frames = [GREETING] + [seen(kind)] * many
            self.assert_fault(FloodLimits(100), Code.ENHANCE_YOUR_CALM, *frames)

    def test_resets(self) -> None:
        """So many streams are reset at once; more after a while."""
        flood_limits = FloodLimits(100)
        for _ in range(int(RESETS)):
            flood_limits.reset(0)
        self.assertRaises(ConnectionFault, flood_limits.reset, 0)
        flood_limits.reset(1)

    def test_earned(self) -> None:
        """A client that downloads may open windows as it goes."""
        flood_limits = FloodLimits(100)
        flood_limits.frame_came(GREETING, 0)
        for _ in range(int(IDLE_FRAMES) * 3):
            flood_limits.sent(16384)
            flood_limits.frame_came(seen(Kind.WINDOW_UPDATE), 0)
            flood_limits.frame_came(seen(Kind.WINDOW_UPDATE), 0)
        with self.assertRaises(ConnectionFault):
            for _ in range(int(IDLE_FRAMES) + 10):
                # A window of a byte at a time earns next to nothing.
                flood_limits.sent(1)
                flood_limits.frame_came(seen(Kind.WINDOW_UPDATE), 0)

    def test_answered(self) -> None:
        """However small the responses, each allows for what clients do for one."""
        flood_limits = FloodLimits(100)
        flood_limits.frame_came(GREETING, 0)
        for _ in range(int(IDLE_FRAMES) * 3):
            flood_limits.responded()
            for kind in (Kind.PRIORITY, Kind.WINDOW_UPDATE, Kind.WINDOW_UPDATE):
                flood_limits.frame_came(seen(kind), 0)

    def test_blocks(self) -> None:
        """A field block has a bound, and nothing comes between its frames."""
        head, more = seen(Kind.HEADERS, 0, 60), seen(Kind.CONTINUATION, 0, 40)
        flood_limits = FloodLimits(100)
        flood_limits.frame_came(GREETING, 0)
        flood_limits.frame_came(head, 0)
        self.assertTrue(flood_limits.in_block)
        flood_limits.frame_came(seen(Kind.CONTINUATION, 4, 40), 0)
        self.assertFalse(flood_limits.in_block)
        self.assert_fault(
            flood_limits, Code.ENHANCE_YOUR_CALM, head, more, seen(Kind.CONTINUATION, 4, 1)
        )
        for between in (Kind.DATA, Kind.PING, Kind.GOAWAY, Kind.HEADERS):
            self.assert_fault(FloodLimits(100), Code.PROTOCOL_ERROR, GREETING, head, seen(between))

    def test_continuation(self) -> None:
        """A CONTINUATION stands directly behind an unfinished block of its own stream."""
        begun, whole = seen(Kind.HEADERS, 0, 1), seen(Kind.HEADERS, 4, 1)
        more = seen(Kind.CONTINUATION, 4, 1)
        for frames in ((more,), (whole, more), (begun, more._replace(stream_id=3))):
            self.assert_fault(FloodLimits(100), Code.PROTOCOL_ERROR, GREETING, *frames)

    def test_push(self) -> None:
        """A client can't push."""
        for flags in (0, 4):
            push = seen(Kind.PUSH_PROMISE, flags, 4)
            self.assert_fault(FloodLimits(100), Code.PROTOCOL_ERROR, GREETING, push)

    def test_answered_whole(self) -> None:
        """A response that leaves as a whole allows for as much as its pieces would."""
        whole, pieces = FloodLimits(100), FloodLimits(100)
        for flood_limits in (whole, pieces):
            flood_limits.frame_came(GREETING, 0)
            for _ in range(int(IDLE_FRAMES) - 1):
                flood_limits.idle(0)
        whole.responded(1024)
        pieces.sent(1024)
        pieces.responded()
        self.assertEqual(whole.sent_bytes, pieces.sent_bytes)
        for flood_limits in (whole, pieces):
            for _ in range(3 + 1024 // 256):
                flood_limits.idle(0)
            self.assertRaises(ConnectionFault, flood_limits.idle, 0)
