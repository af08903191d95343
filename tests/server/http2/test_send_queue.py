"""What of a response has been written and not sent."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.headers import HeaderList
from corsgate.server.http2.send_queue import MAX_HEADS, Block, Piece, SendQueue

HEAD: HeaderList = [(b":status", b"200")]
TRAILERS: HeaderList = [(b"x", b"y")]


class SendQueueTests(SynchronousTestCase):
    """`SendQueue`."""

    def everything(self, send_queue: SendQueue, room: int) -> list[tuple[object, bool]]:
        """Return what is taken with so much room each time."""
        got: list[tuple[object, bool]] = []
        while (item := send_queue.take(room)) is not None:
            got.append((item.fields if isinstance(item, Block) else item.data, item.end))
        return got

    def test_order(self) -> None:
        """Heads, body, trailers; the last of them ends the stream."""
        for data, trailers, expected in (
            (b"", [], [(HEAD, True)]),
            (b"abc", [], [(HEAD, False), (b"ab", False), (b"c", True)]),
            (b"abc", TRAILERS, [(HEAD, False), (b"ab", False), (b"c", False), (TRAILERS, True)]),
            (b"", TRAILERS, [(HEAD, False), (TRAILERS, True)]),
        ):
            send_queue = SendQueue()
            self.assertFalse(send_queue.waiting)
            send_queue.put_head(HEAD)
            send_queue.put(data)
            self.assertEqual(send_queue.pending, len(data))
            send_queue.end(trailers)
            send_queue.put(b"late")
            send_queue.end([(b"late", b"")])
            self.assertTrue(send_queue.waiting)
            self.assertEqual(self.everything(send_queue, 2), expected)
            self.assertEqual(
                (send_queue.waiting, send_queue.sent, send_queue.pending), (False, True, 0)
            )

    def test_end_alone(self) -> None:
        """Where all has been taken the end comes by itself, even without room."""
        send_queue = SendQueue()
        send_queue.put_head(HEAD)
        send_queue.put(b"a")
        self.assertEqual(len(self.everything(send_queue, 9)), 2)
        self.assertFalse(send_queue.sent)
        send_queue.end()
        self.assertEqual(self.everything(send_queue, 0), [(b"", True)])

    def test_length(self) -> None:
        """A body whose length was told ends with it; before that it is short."""
        for length, pieces, short, last in (
            (0, [], False, (HEAD, True)),
            (3, [], True, (HEAD, False)),
            (3, [b"ab"], True, (b"ab", False)),
            (3, [b"ab", b"c", b"late"], False, (b"c", True)),
            (3, [b"abcd", b"late"], False, (b"abcd", True)),
            (None, [b"ab"], False, (b"ab", False)),
        ):
            send_queue = SendQueue()
            send_queue.put_head(HEAD, length)
            for piece in pieces:
                send_queue.put(piece)
            self.assertEqual(send_queue.short, short, pieces)
            self.assertEqual(self.everything(send_queue, 9)[-1], last)

    def test_no_room(self) -> None:
        """Heads need no room; the body waits for it."""
        send_queue = SendQueue()
        send_queue.put_interim(HEAD)
        send_queue.put_head(HEAD)
        send_queue.put(b"a")
        send_queue.end()
        self.assertEqual(self.everything(send_queue, 0), [(HEAD, False)] * 2)
        self.assertTrue(send_queue.waiting)
        last = send_queue.take(1)
        assert isinstance(last, Piece)
        self.assertEqual((last.data, last.end), (b"a", True))

    def test_interim_flood(self) -> None:
        """Of interim heads that nobody takes so many wait, and the final one."""
        send_queue = SendQueue()
        for _ in range(99):
            send_queue.put_interim(HEAD)
        send_queue.put_head(TRAILERS)
        got = self.everything(send_queue, 0)
        self.assertEqual((len(got), got[-1]), (MAX_HEADS + 1, (TRAILERS, False)))

    def test_whole(self) -> None:
        """A response is whole if its head waits alone, and what is there is all of its body."""
        for length, size, whole in ((3, 3, True), (3, 2, False), (None, 3, False), (0, 0, True)):
            send_queue = SendQueue()
            self.assertIsNone(send_queue.whole(size))
            send_queue.put_head(HEAD, length)
            self.assertEqual(send_queue.whole(size), HEAD if whole else None)
        send_queue.put_interim(HEAD)
        self.assertIsNone(send_queue.whole(0))

    def test_not_whole(self) -> None:
        """It is not, once a part of it waits or has left."""
        send_queue = SendQueue()
        send_queue.put_head(HEAD, 3)
        send_queue.put(b"a")
        self.assertIsNone(send_queue.whole(2))
        self.everything(send_queue, 9)
        self.assertIsNone(send_queue.whole(2))
        send_queue = SendQueue()
        send_queue.put_head(HEAD, 3)
        self.everything(send_queue, 9)
        self.assertIsNone(send_queue.whole(3))

    def test_whole_left(self) -> None:
        """Once it has left, nothing waits, and nothing more is taken."""
        send_queue = SendQueue()
        send_queue.put_head(HEAD, 3)
        send_queue.whole_left(3)
        send_queue.put(b"late")
        send_queue.end(TRAILERS)
        self.assertEqual(self.everything(send_queue, 9), [])
        self.assertEqual(
            (send_queue.waiting, send_queue.sent, send_queue.short, send_queue.held),
            (False, True, False, 0),
        )
        self.assertEqual(send_queue.taken_bytes, 3)
