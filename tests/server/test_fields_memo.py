"""What was worked out of a request's fields is kept within bounds."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.head import RequestHead
from corsgate.server.fields_memo import MAX_HEAD_BYTES, MAX_KEPT, FieldsMemo


def prepared(size: int) -> RequestHead:
    """Return a head whose lines have so many bytes."""
    return RequestHead(method=b"GET", target=b"/", headers=[], lines=bytes(size))


class FieldsMemoTests(SynchronousTestCase):
    """`FieldsMemo`."""

    def test_asked(self) -> None:
        """A client that asks for one route after the other doesn't have all of them kept."""
        memo = FieldsMemo()
        for route in range(10 * MAX_KEPT):
            memo.keep_ruling(route, b"GET", route)
            self.assertEqual(memo.rulings[route, b"GET"], route)
            self.assertLessEqual(len(memo.rulings), MAX_KEPT)

    def test_head_bytes(self) -> None:
        """However large heads are, no more than so many bytes are kept, the last among them."""
        memo = FieldsMemo()
        for size in (1, 100, 2000, MAX_HEAD_BYTES):
            for key in range(20):
                memo.keep_head(key, prepared(size))
                self.assertIn(key, memo.heads)
                kept = sum(len(each.lines or b"") for each in memo.heads.values())
                self.assertLessEqual(kept, MAX_HEAD_BYTES)
                self.assertLessEqual(len(memo.heads), MAX_KEPT)

    def test_too_large(self) -> None:
        """One that is too large by itself is not kept, and drives nothing out."""
        memo = FieldsMemo()
        memo.keep_head(1, prepared(1))
        memo.keep_head(2, prepared(MAX_HEAD_BYTES + 1))
        self.assertEqual(list(memo.heads), [1])
