"""Connections of HTTP/2 on which nothing happens, or not enough; and bytes in any pieces."""

from __future__ import annotations

from itertools import pairwise

from hyperframe.frame import PingFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.server.admission import Spare
from corsgate.server.http2.frames import PREFACE
from corsgate.server.request import GateRequest
from tests.server.http2.client import PSEUDO, Answer, Http2Client
from tests.server.http2.test_stream_flow import LIMITS
from tests.server.support import Receiver, answer


class IdleTests(SynchronousTestCase):
    """Connections on which nothing happens."""

    def test_idle(self) -> None:
        """An idle connection is closed in good order, PING or not."""
        client = Http2Client(LIMITS)
        for _ in range(7):
            client.wait(5)
            client.ping()
        self.assertEqual(client.goaways, [])
        client.wait(6)
        client.read()
        self.assertEqual(client.goaways, [(2**31 - 1, 0)])
        client.wait(6)
        client.read()
        self.assertEqual(client.goaways[1:], [(0, 0)])
        self.assertFalse(client.open)
        client.wait(12)
        self.assertTrue(client.wire.disconnected)

    def test_spare(self) -> None:
        """What would be lost with a connection: a request, its beginning, or nothing."""
        client = Http2Client(LIMITS, greets=False)
        self.assertIs(client.connection.spare, Spare.UNREADY)
        client.connection.shed()
        self.assertTrue(client.wire.disconnected)
        client = Http2Client(LIMITS)
        self.assertIs(client.connection.spare, Spare.IDLE)
        number = client.request()
        self.assertIs(client.connection.spare, Spare.NO)
        answer(client.requests[0])
        self.assertIs(client.connection.spare, Spare.IDLE)
        client.connection.shed()
        client.read()
        self.assertEqual(client.goaways, [(number, 0)])
        self.assertFalse(client.open)
        self.assertIs(client.connection.spare, Spare.UNREADY)

    def test_busy(self) -> None:
        """One with a request is not idle; it is, from the request's end on."""
        client = Http2Client(LIMITS)
        client.request()
        client.wait(100)
        client.read()
        self.assertEqual(client.goaways, [])
        answer(client.requests[0])
        client.wait(38)
        client.read()
        self.assertEqual(client.goaways, [])
        client.wait(4)
        client.read()
        self.assertEqual(len(client.goaways), 1)

    def test_answered_at_once(self) -> None:
        """Nor is one idle whose requests are answered as soon as they are read."""
        client = Http2Client(LIMITS, render=answer)
        for _ in range(3):
            client.wait(30)
            client.request()
        self.assertEqual(client.goaways, [])
        client.wait(42)
        client.read()
        self.assertEqual(len(client.goaways), 1)

    def test_never_between_frames(self) -> None:
        """A client is not slow because each read ends in the midst of a frame."""
        client = Http2Client(LIMITS, render=answer)
        ping = PingFrame(0, b"01234567").serialize()
        client.raw(ping[:5])
        for _ in range(8):
            client.wait(3)
            number = client.number()
            head = client.head(number, [*PSEUDO, (b":path", b"/")]).serialize()
            client.raw(ping[5:] + head + ping[:5])
            self.assertTrue(client.answers[number].ended)
        self.assertEqual(client.goaways, [])
        client.wait(7)
        client.read()
        self.assertEqual([code for _, code in client.goaways], [11])

    def test_slow_beginning(self) -> None:
        """A client that doesn't get to its settings, or to the end of a frame, is cut."""
        head = Http2Client().head(1, [*PSEUDO, (b":path", b"/")]).serialize()
        for sent in (b"", PREFACE, PREFACE + bytes(3) + b"\x04" + bytes(5) + head[:-1]):
            client = Http2Client(LIMITS, greets=False)
            client.raw(sent)
            client.wait(7)
            client.read()
            self.assertEqual([code for _, code in client.goaways], [11])

    def test_slow_block(self) -> None:
        """A field block that doesn't end ends the connection, while others are served or not."""
        client = Http2Client(LIMITS)
        client.request()
        frame = client.head(client.number(), PSEUDO)
        frame.flags.discard("END_HEADERS")
        client.send(frame)
        client.wait(7)
        client.read()
        self.assertEqual([code for _, code in client.goaways], [11])
        self.assertIn("a head did not arrive in time", client.recorded[0].log.outcome)


class SplitTests(SynchronousTestCase):
    """Bytes may come in any pieces."""

    def play(self, cuts: list[int]) -> dict[int, Answer]:
        """Return what a few requests get, their bytes cut at these places."""

        def render(request: GateRequest) -> None:
            if request.body is None:
                answer(request, request.uri, length=None)
                return
            receiver = Receiver()
            receiver.body_ended = lambda: answer(request, receiver.data)  # type: ignore[method-assign]
            request.body.start(receiver)

        client = Http2Client(render=render, greets=False)
        script = Http2Client(greets=False)
        data = PREFACE + bytes(3) + b"\x04" + bytes(5)
        data += script.head(1, [*PSEUDO, (b":path", b"/one"), (b"x", b"y" * 99)]).serialize()
        upload = [(b":method", b"PUT"), *PSEUDO[1:], (b":path", b"/two")]
        data += script.head(3, upload, end=False).serialize()
        data += bytes((0, 0, 3, 0, 0, 0, 0, 0, 3)) + b"abc"
        data += script.head(5, [(b":method", b"get x"), *PSEUDO[1:]]).serialize()
        data += bytes((0, 0, 3, 0, 1, 0, 0, 0, 3)) + b"def"
        data += bytes((0, 0, 8, 6, 0, 0, 0, 0, 0)) + b"01234567"
        edges = [0, *sorted(cut % len(data) for cut in cuts), len(data)]
        for start, end in pairwise(edges):
            client.raw(data[start:end])
        self.assertEqual(client.goaways, [])
        return dict(client.answers)

    @settings(max_examples=60)
    @given(st.lists(st.integers(0, 10**6), max_size=30))
    def test_split(self, cuts: list[int]) -> None:
        """However they are split, the answers are the same."""
        got = self.play(cuts)
        self.assertEqual((got[1].body, got[3].body, got[5].reset), (b"/one", b"abcdef", 1))
        self.assertEqual(got, self.play([]))
