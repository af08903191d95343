"""Whatever a client of HTTP/2 sends: it is answered, and nothing is left of it."""

from __future__ import annotations

import gc

from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.message.headers import HeaderList
from corsgate.server.request import GateRequest
from tests.server.http2.client import PSEUDO, Http2Client
from tests.server.support import answer

GET: HeaderList = [*PSEUDO, (b":path", b"/")]


def raw(kind: int, flags: int, number: int, payload: bytes) -> bytes:
    """Return a frame of any kind."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + number.to_bytes(4) + payload


_BLOCK = Encoder().encode(GET)
FRAMES = st.builds(
    raw,
    st.sampled_from([*range(11), 250]),
    st.sampled_from([0, 1, 4, 5, 8, 0x24, 0x2D, 255]),
    st.sampled_from([0, 1, 1, 3, 3, 4, 5, 2**31 - 1]),
    st.sampled_from([_BLOCK, b"", b"\x82", bytes(4), bytes(3) + b"\x01", b"\x02" + bytes(7)])
    | st.binary(max_size=20),
)
GOOD = st.sampled_from(
    [raw(1, 5, 1, _BLOCK), raw(1, 4, 3, _BLOCK), raw(0, 0, 3, b"data"), raw(0, 1, 3, b"")]
)


class AnythingTests(SynchronousTestCase):
    """Whatever a client sends."""

    @settings(max_examples=400)
    @given(st.lists(GOOD | FRAMES, max_size=12), st.booleans())
    def test_anything(self, frames: list[bytes], answers: bool) -> None:
        """It is served, or told what was wrong with it; nothing breaks, and nothing stays."""
        client = Http2Client(render=lambda request: answer(request, b"x") if answers else None)
        client.raw(b"".join(frames))
        self.assertEqual(client.open, client.goaways == [])
        client.wait(2)
        client.leave()
        self.assertTrue(all(request.gone for request in client.requests))
        # What is no request is logged as well.
        self.assertLessEqual(set(client.requests), set(client.recorded))
        self.assertTrue(client.deadlines.empty)


class FlatTests(SynchronousTestCase):
    """Nothing is left of thousands of streams, good and bad."""

    def test_flat(self) -> None:
        """Neither streams nor objects gather on one connection."""

        def render(request: GateRequest) -> None:
            if request.uri == b"/answered":
                answer(request, b"x" * 100)

        client = Http2Client(Limits(), render)

        def mix() -> None:
            client.answers.clear()
            client.control.clear()
            for _ in range(40):
                client.request(b"/answered", method=b"POST", end=False)
                client.request(b"/answered")
            client.reset(client.request(b"/reset"))
            client.block([*GET, (b"X", b"")])
            number = client.request(b"/half", method=b"PUT", end=False)
            client.data(number, b"x" * 1000)
            client.reset(number)
            client.requests.clear()
            client.recorded.clear()
            client.wait(1)

        def held() -> int:
            gc.collect()
            return len(gc.get_objects())

        for _ in range(15):
            mix()
        before = held()
        for _ in range(40):
            mix()
        self.assertEqual(client.goaways, [])
        self.assertLess(held() - before, 200)
        self.assertEqual(len(client.deadlines._members), 1)
        self.assertEqual(client.connection._streams, {})
        self.assertLessEqual(len(client.connection.codec._h2._closed_streams), 256)

    def test_no_cycles(self) -> None:
        """A stream that has ended is gone without the collector's help."""
        client = Http2Client(render=lambda request: answer(request, b"body"))

        def ask() -> None:
            client.request()
            client.data(client.request(method=b"PUT", end=False), b"x")
            client.block([*GET, (b"X", b"")])
            for kept in (client.answers, client.control, client.requests, client.recorded):
                kept.clear()

        ask()
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for _ in range(10):
            ask()
        self.assertEqual(gc.collect(), 0)
