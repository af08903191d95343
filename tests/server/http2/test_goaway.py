"""The two steps of a goodbye over HTTP/2."""

from __future__ import annotations

from hyperframe.frame import Frame, GoAwayFrame, PingFrame
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.server.http2.codec import Codec
from corsgate.server.http2.goaway import FAREWELL, FAREWELL_S, Farewell
from corsgate.transport.deadlines import NEVER


class FarewellTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Begin a connection."""
        self.codec = Codec(Limits())
        self.farewell = Farewell(self.codec)
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
        farewell = self.farewell
        self.assertFalse(farewell.is_answered(FAREWELL))
        self.assertEqual((farewell.begun, farewell.due_s), (False, NEVER))
        self.assertTrue(farewell.begin(7.0))
        self.assertFalse(farewell.begin(9.0))
        self.assertEqual(self.said(), [2**31 - 1, FAREWELL])
        self.assertEqual((farewell.finished, farewell.due_s), (False, 7.0 + FAREWELL_S))
        self.assertFalse(farewell.is_answered(b"another."))
        self.assertTrue(farewell.is_answered(FAREWELL))
        self.assertTrue(farewell.finish())
        self.assertFalse(farewell.finish())
        self.assertEqual(self.said(), [0])
        self.assertEqual((farewell.finished, farewell.due_s), (True, NEVER))

    def test_one_step(self) -> None:
        """A client that leaves by itself is told the last stream alone."""
        self.assertTrue(self.farewell.finish())
        self.assertFalse(self.farewell.begin(0.0))
        self.assertEqual(self.said(), [0])
