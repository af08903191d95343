"""Heads that llhttp rejects, rewritten; what else the parser's tables don't show."""

from __future__ import annotations

from collections import Counter
from time import process_time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadUpstreamResponse
from corsgate.upstream.lenient_head import MAX_LINES, KeptHeads, read_fields, read_head
from corsgate.upstream.repairs import Repair


class HeadTests(SynchronousTestCase):
    def test_rewritten(self) -> None:
        """A head is rewritten with what it means, its framing last; each fault is counted."""
        found = read_head(
            b"HTTP/1.1  200 Fine \n"
            b"Content-Length : 5\n"
            b"Set-Cookie: a\x01=b\x02\n"
            b"bad line\n"
            b"Set-Cookie:c\r\n"
            b" d\n"
            b"worse line\n"
            b"content-length: 5\n\n"
        )
        self.assertEqual(
            found.head,
            b"HTTP/1.1 200 Fine\r\n"
            b"Set-Cookie: a =b\r\nSet-Cookie: c d\r\nContent-Length: 5\r\n\r\n",
        )
        self.assertEqual(
            found.repairs,
            Counter(
                {
                    Repair.STATUS_LINE: 1,
                    Repair.BARE_LF: 1,
                    Repair.SPACED_NAME: 1,
                    Repair.CONTROL: 2,
                    Repair.BAD_LINE: 2,
                    Repair.FOLDED: 1,
                    Repair.REPEATED_LENGTH: 1,
                }
            ),
        )

    def test_nothing_but_a_status_line(self) -> None:
        """A head may have no field."""
        self.assertEqual(read_head(b"HTTP/1.0 200\n\n").head, b"HTTP/1.0 200 \r\n\r\n")

    def test_zeros(self) -> None:
        """A length may have thousands of zeros before it, and be there twice."""
        line = b"Content-Length: " + b"0" * 5000 + b"2\n"
        found = read_head(b"HTTP/1.1 200 OK\n" + line * 2 + b"\n")
        self.assertEqual(found.head, b"HTTP/1.1 200 OK\r\n" + line[:-1] + b"\r\n\r\n")

    @given(st.lists(st.sampled_from([b"a", b":", b" ", b"\t", b"\x01", b"\xff", b"(", b"\n"])))
    def test_fields(self, parts: list[bytes]) -> None:
        """Whatever lines come, names are tokens and values have no control byte."""
        try:
            fields = read_fields(b"".join(parts).split(b"\n"), Counter())
        except BadUpstreamResponse:
            return
        for name, value in fields:
            self.assertRegex(name, rb"\Aa+\Z")
            self.assertRegex(value, rb"\A(?:[!-~\xff](?:[ \t!-~\xff]*[!-~\xff])?)?\Z")

    def test_many_lines(self) -> None:
        """A head of so many lines that reading it would keep others waiting is rejected."""
        for line in (b"a:", b"a", b" b"):
            lines = [b"a:", *[line] * (MAX_LINES - 1)]
            read_fields(lines, Counter())
            with self.assertRaises(BadUpstreamResponse):
                read_fields([*lines, line], Counter())


class KeptTests(SynchronousTestCase):
    def test_tls(self) -> None:
        """A server that speaks TLS, and gets a plain request, is named so."""
        kept = KeptHeads(bytes.fromhex("15030300020246"), 0)
        error = self.assertRaises(BadUpstreamResponse, kept.take)
        self.assertIn("write https:// in servers", str(error))

    def test_waits(self) -> None:
        """A head is there once its end is; what follows is the rest."""
        kept = KeptHeads(b"HTTP/1.1 103 E\r\n\r\nHTTP/1.0 200 OK\nX: 1\n", 18)
        self.assertIsNone(kept.take())
        kept.add(b"\r")
        self.assertIsNone(kept.take())
        kept.add(b"\nhello")
        found = kept.take()
        assert found is not None
        self.assertEqual(found.head, b"HTTP/1.0 200 OK\r\nX: 1\r\n\r\n")
        self.assertEqual(kept.rest(), b"hello")

    def test_empty_lines(self) -> None:
        """Empty lines before a head are counted with it alone, however they come."""
        kept = KeptHeads(b"\r", 0)
        for more in (b"\n", b"\r", b"\nH", b"TTP/1.1 100 C\n\n", b"HTTP/1.1 200 OK\r\n"):
            self.assertIsNone(kept.take())
            kept.add(more)
            if more.endswith(b"\n\n"):
                found = kept.take()
                assert found is not None
                self.assertEqual(found.repairs, {Repair.EMPTY_LINE: 1, Repair.BARE_LF: 1})
        kept.add(b"\r\n")
        found = kept.take()
        assert found is not None
        self.assertEqual(found.repairs, {})

    def test_no_head(self) -> None:
        """What begins like no HTTP is rejected at once: its end might never come."""
        for raw in (b"<", b"HTTX", b"\r\nh", b"\rH", b"\r\r", b"\x00"):
            with self.assertRaises(BadUpstreamResponse):
                KeptHeads(raw, 0).take()

    def test_dripping(self) -> None:
        """The search for the end goes on where it stopped."""

        def seconds(size: int) -> float:
            kept = KeptHeads(b"HTTP/1.1 200 OK\n", 0)
            start = process_time()
            for _ in range(size):
                kept.add(b"a")
                kept.take()
            return process_time() - start

        # Were it to begin anew each time, it would take sixty-four times as long.
        self.assertLess(
            min(seconds(32_000) for _ in range(3)), 30 * min(seconds(4_000) for _ in range(3))
        )
