"""The two steps of a goodbye over HTTP/2."""

from __future__ import annotations

from hyperframe.frame import Frame, GoAwayFrame, PingFrame
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.server.http2.codec import Codec
from corsgate.server.http2.goaway import FAREWELL, FAREWELL_S, GoAway
from corsgate.transport.deadlines import NEVER


class FarewellTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Begin a connection."""
        self.codec = Codec(Limits())
        self.goaway = GoAway(self.codec)
        self.codec.take()

    def said(self) -> list[object]:
        """Return the last streams and the pings that the client was sent."""
        data, said = memoryview(self.codec.take()), list[object]()
        while data:
            frame, length = Frame.parse_frame_header(data[:9])
            frame.parse_body(data[9 : 9 + length])
            data = data[9 + length :]
            if isinstance(frame, GoAwayFrame):
                said.append(frame.last_stream_id)
            elif isinstance(frame, PingFrame):
                said.append(frame.opaque_data)
        return said

    def test_two_steps(self) -> None:
        """Each step is taken once, the second when the client answers or is too late."""
        goaway = self.goaway
        self.assertFalse(goaway.is_answered(FAREWELL))
        self.assertEqual((goaway.begun, goaway.due_s), (False, NEVER))
        self.assertTrue(goaway.begin(7.0))
        self.assertFalse(goaway.begin(9.0))
        self.assertEqual(self.said(), [2**31 - 1, FAREWELL])
        self.assertEqual((goaway.finished, goaway.due_s), (False, 7.0 + FAREWELL_S))
        self.assertFalse(goaway.is_answered(b"another."))
        self.assertTrue(goaway.is_answered(FAREWELL))
        self.assertTrue(goaway.finish())
        self.assertFalse(goaway.finish())
        self.assertEqual(self.said(), [0])
        self.assertEqual((goaway.finished, goaway.due_s), (True, NEVER))

    def test_one_step(self) -> None:
        """A client that leaves by itself is told the last stream alone."""
        self.assertTrue(self.goaway.finish())
        self.assertFalse(self.goaway.begin(0.0))
        self.assertEqual(self.said(), [0])
