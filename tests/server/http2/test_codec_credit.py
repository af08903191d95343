"""The connection's window, which no stream may use up for ever, however it ends."""

from __future__ import annotations

from collections.abc import Callable

from hyperframe.frame import DataFrame
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.server.http2.codec import CONNECTION_WINDOW, FIRST_WINDOW, MAX_STREAMS
from corsgate.server.http2.stream import EARLY_RESPONSE_S
from tests.server.http2.client import PSEUDO, Http2Client
from tests.server.support import Receiver, answer

LIMITS = Limits(min_upload_rate=0)
PIECE = 16 * 1024
TIMES = 3 * CONNECTION_WINDOW // PIECE
"""How many pieces are three times the window."""


class CreditTests(SynchronousTestCase):
    """The connection's credit for streams that the client or the gate ends early."""

    def assert_credited(self, end: Callable[[Http2Client], int], client: Http2Client) -> None:
        """Send bodies of more bytes than the window has, which end before they are complete.

        Args:
            end: Sends a part of a body, and lets its stream end; returns the size of the part.
            client: The client.
        """
        sent = 0
        for _ in range(TIMES):
            sent += end(client)
            self.assertGreater(FIRST_WINDOW + client.credit(0) - sent, CONNECTION_WINDOW // 4)
        self.assertGreater(sent, 2 * CONNECTION_WINDOW)
        self.assertEqual(client.goaways, [])
        self.assertEqual(client.site.context.memory.windows.grown, 0)
        self.assertEqual(client.site.context.memory.held, 0)

    def test_reset_by_client(self) -> None:
        """The client resets its upload; the server has read it, or not."""

        def unread(client: Http2Client) -> int:
            number = client.request(method=b"PUT", end=False)
            client.data(number, bytes(PIECE))
            client.reset(number)
            return PIECE

        def read(client: Http2Client) -> int:
            number = client.request(method=b"PUT", end=False)
            body = client.requests[-1].body
            assert body is not None
            body.start(Receiver())
            for _ in range(4):
                client.data(number, bytes(PIECE))
            self.assertGreater(client.connection.tally.window_growth, 0)
            client.reset(number)
            return 4 * PIECE

        for end in (unread, read):
            self.assert_credited(end, Http2Client(LIMITS))

    def test_reset_by_gate(self) -> None:
        """The gate resets it, and the client learns that after it has sent more."""

        def malformed(client: Http2Client) -> int:
            number = client.block([*PSEUDO, (b":path", b"/"), (b"upgrade", b"x")], end=False)
            client.data(number, bytes(PIECE))
            self.assertEqual(client.answers[number].reset, 1)
            return PIECE

        def too_long(client: Http2Client) -> int:
            length = [(b"content-length", b"3")]
            number = client.request(method=b"PUT", headers=length, end=False)
            client.data(number, bytes(2 * PIECE))
            self.assertEqual(client.answers[number].reset, 1)
            return 2 * PIECE

        def padded(client: Http2Client) -> int:
            number = client.request(method=b"PUT", end=False)
            client.connection._streams[number].abortConnection()
            client.send(DataFrame(number, bytes(PIECE - 256), pad_length=255, flags=["PADDED"]))
            return PIECE

        for end in (malformed, too_long, padded):
            self.assert_credited(end, Http2Client(LIMITS))

    def test_refused(self) -> None:
        """There are too many streams."""

        def end(client: Http2Client) -> int:
            number = client.request(method=b"PUT", end=False)
            client.data(number, bytes(PIECE))
            self.assertEqual(client.answers[number].reset, 7)
            return PIECE

        client = Http2Client(LIMITS)
        for _ in range(MAX_STREAMS):
            client.request()
        self.assert_credited(end, client)

    def test_early_response(self) -> None:
        """The response comes first, and the upload ends later, or is reset after a while."""

        def goes_on(client: Http2Client) -> int:
            number = client.request(method=b"PUT", end=False)
            client.data(number, bytes(PIECE))
            answer(client.requests[-1])
            client.data(number, bytes(PIECE), end=True)
            self.assertEqual(client.answers[number].reset, None)
            return 2 * PIECE

        def too_slow(client: Http2Client) -> int:
            number = client.request(method=b"PUT", end=False)
            answer(client.requests[-1])
            client.data(number, bytes(PIECE))
            client.wait(EARLY_RESPONSE_S + 1)
            client.read()
            self.assertEqual(client.answers[number].reset, 0)
            client.data(number, bytes(PIECE))
            return 2 * PIECE

        for end in (goes_on, too_slow):
            self.assert_credited(end, Http2Client(LIMITS))

    def test_late_pieces(self) -> None:
        """Small pieces that are in flight when the gate resets their upload are no flood."""
        client = Http2Client(LIMITS)
        for _ in range(3):
            number = client.request(method=b"PUT", end=False)
            client.connection._streams[number].abortConnection()
            piece = DataFrame(number, bytes(1024)).serialize()
            client.raw(piece * (CONNECTION_WINDOW // 2 // 1024))
        self.assertEqual(client.goaways, [])
