"""Where reads are cut, so that each message begins with a piece of its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.server.http1.message_cuts import MessageCuts

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def pieces(*reads: bytes, in_body: bool = False) -> list[bytes]:
    """Return what reads are cut into, all of which are in heads, or in a body in chunks."""
    cuts, made = MessageCuts(), []
    in_line = False
    for data in reads:
        cuts.begin_read()
        at = 0
        while at < len(data):
            end = cuts.next(data, at, in_body=in_body, in_line=in_line)
            made.append(data[at:end])
            at = end
            in_line = not made[-1].endswith(b"\r\n\r\n")
        cuts.end_read(data)
    return made


class MessageCutsTests(SynchronousTestCase):
    def test_heads(self) -> None:
        """A piece ends with a head; what follows begins another one."""
        self.assertEqual(pieces(HEAD + HEAD + b"GE"), [HEAD, HEAD, b"GE"])

    def test_across_reads(self) -> None:
        """The end of a head is found wherever it is split."""
        for at in range(1, len(HEAD)):
            made = pieces(HEAD[:at], HEAD[at:] + b"next")
            self.assertEqual(made, [HEAD[:at], HEAD[at:], b"next"], at)

    def test_empty_lines_before(self) -> None:
        """Empty lines before a request line are no head's end, and go with the head."""
        self.assertEqual(pieces(b"\r\n\r\n" + HEAD + b"x"), [b"\r\n\r\n" + HEAD, b"x"])

    def test_many_in_a_body(self) -> None:
        """A body of empty lines is not cut for ever; the next read is cut again."""
        cuts, data = MessageCuts(), b"\r\n\r\n" * 100
        cuts.begin_read()
        at = count = 0
        while at < len(data):
            at = cuts.next(data, at, in_body=True, in_line=False)
            count += 1
        self.assertTrue(cuts.given_up)
        self.assertLess(count, 70)
        cuts.begin_read()
        self.assertFalse(cuts.given_up)

    @given(st.lists(st.binary(min_size=1, max_size=9), max_size=6), st.booleans())
    def test_nothing_is_lost(self, reads: list[bytes], in_body: bool) -> None:
        """The pieces are the reads, and none is empty."""
        made = pieces(*reads, in_body=in_body)
        self.assertEqual(b"".join(made), b"".join(reads))
        self.assertNotIn(b"", made)
