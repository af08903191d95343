"""The request line that is judged is the one that was read, wherever its message begins."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.message.framing import CHUNKED
from corsgate.server.http1.parser import RequestParser
from tests.server.http1.test_parser import NEXT, POST, REFUSED, TE, Recorder, get, read


class RequestLineTests(SynchronousTestCase):
    def test_refused_behind_a_body(self) -> None:
        """A body that looks like the request line behind it does not stand for it."""
        for status, raw in REFUSED:
            if len(raw) > 1000:
                continue
            line = raw.strip().partition(b"\r\n")[0]
            fake = b"\r\n" + line.replace(b"RTSP", b"HTTP").replace(b"ICE", b"HTTP") + b"\r\n\r\n"
            chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(fake), fake)
            for framing, body in (
                (b"Content-Length: %d\r\n\r\n" % len(fake), fake),
                (TE + b"\r\n", chunks),
            ):
                whole = POST + framing + body + raw + NEXT
                length = CHUNKED if body is chunks else len(fake)
                events = [(b"POST", b"/", length, True), ("body", fake), ("end",)]
                events.append((status, status == 431))
                self.assertEqual(read(whole).events, events, raw[:80])
                pieces = [whole[at : at + 1] for at in range(len(whole))]
                self.assertEqual(read(*pieces).events, events, raw[:80])

    def test_body_of_empty_lines(self) -> None:
        """However many ends a body in chunks seems to have, little is made of them."""
        body = b"\r\n\r\n" * 4000
        chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        events = [(b"POST", b"/", CHUNKED, True), ("body", body), ("end",)]
        parsed = []

        class Counted(RequestParser):
            def _parse_some(self, data: bytes) -> None:
                parsed.append(len(data))
                super()._parse_some(data)

        for reads, last in (
            ((POST + TE + b"\r\n" + chunks, NEXT), get(b"/next")),
            # Here nobody can tell where the next request begins.
            ((POST + TE + b"\r\n" + chunks + NEXT,), (400, False)),
        ):
            parsed.clear()
            sink = Recorder()
            reader = Counted(sink, Limits())
            for data in reads:
                reader.feed(data)
            self.assertEqual(sink.events, [*events, last])
            self.assertLess(len(parsed), 100)

    def test_body_with_some_empty_lines(self) -> None:
        """A request behind a body in chunks with empty lines is read."""
        body = b"--x\r\nA: b\r\n\r\nc\r\n" * 20
        whole = POST + TE + b"\r\n%x\r\n%b\r\n0\r\nX: y\r\n\r\n" % (len(body), body) + NEXT
        events = [(b"POST", b"/", CHUNKED, True), ("body", body), ("end",), get(b"/next")]
        for step in (1, 2, 3, 5, 7, 64, len(whole)):
            pieces = [whole[at : at + step] for at in range(0, len(whole), step)]
            self.assertEqual(read(*pieces).events, events, step)

    def test_tiny_chunks(self) -> None:
        """What comes in one read is passed on at once, however many chunks it comes in."""
        calls = []

        class Counting(Recorder):
            def body_read(self, data: bytes) -> None:
                calls.append(data)

        reader = RequestParser(Counting(), Limits())
        reader.feed(POST + TE + b"\r\n")
        reader.feed(b"1\r\nx\r\n" * 4000)
        self.assertEqual(calls, [b"x" * 4000])

    def test_refused_alone(self) -> None:
        """A refusal of what comes before a request says nothing of the request before that."""
        refused = read(NEXT + b"\n" + NEXT).requests[1]
        self.assertEqual((refused.head.target, refused.head.headers), (b"/", []))
