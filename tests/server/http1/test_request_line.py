"""The request line that is judged is the one that was read, wherever its message begins."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.cors.names import TOKEN as TOKEN_PATTERN
from corsgate.message.framing import CHUNKED
from corsgate.server.http1.parser import RequestParser
from corsgate.server.http1.request_line import RequestLine
from corsgate.server.http1.states import State
from corsgate.server.http1.timeouts import SLOW_HEAD
from tests.server.http1.cases import NEXT, POST, REFUSED, ROUTABLE, TE, get
from tests.server.http1.test_parser import Recorder, read

TOKEN = "!#$%&'*+-.^_`|~0123456789ABCLPRTabcdefxyz"
METHODS = st.text(TOKEN, min_size=1, max_size=64).map(str.encode) | st.sampled_from(
    [b"LIST", b"BAN", b"VERSION-CONTROL", b"patch", b"PRI", b"M-SEARCH", b"GET", b"GETX", b"GE"]
)
FRAMINGS = st.sampled_from(
    [
        (b"", b"", None),
        (b"Content-Length: 0\r\n", b"", 0),
        (b"Content-Length: 5\r\n", b"ab\r\n\r"[:5], 5),
        (TE, b"3\r\nabc\r\n0\r\n\r\n", CHUNKED),
    ]
)


class MethodTests(SynchronousTestCase):
    """Which methods are read, and that they change nothing else."""

    @given(METHODS, FRAMINGS, st.data())
    def test_any_token(
        self, method: bytes, framing: tuple[bytes, bytes, int | None], data: st.DataObject
    ) -> None:
        """A head with any method is read as one with POST is, wherever its reads end."""
        lines, body, length = framing
        rest = b" /a?b HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n" + body + NEXT
        raw = method + rest
        cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=8))
        edges = [0, *sorted(cuts), len(raw)]
        events = read(*[raw[a:b] for a, b in pairwise(edges) if a != b]).events
        self.assertEqual(events[0], (method, b"/a?b", length, True))
        self.assertEqual(events[1:], read(b"POST" + rest).events[1:])
        self.assertEqual(events[-1], get(b"/next"))

    @given(st.binary(min_size=1, max_size=20).filter(lambda raw: raw[:1] not in b"\r\n"))
    def test_nothing_else(self, raw: bytes) -> None:
        """What is no token is refused, and nothing behind it is read."""
        line = RequestLine()
        if TOKEN_PATTERN.fullmatch(raw):
            self.assertEqual(line.take(raw), b"")
            # A target of CONNECT has a form of its own.
            shown = raw if raw == b"CONNECT" else b"POST"
            self.assertEqual((line.take(b" /"), line.method), (shown + b" /", raw))
        else:
            event = read(raw.partition(b" ")[0] + b"\x01 / HTTP/1.1\r\nHost: a\r\n\r\n", NEXT)
            self.assertEqual(event.events, [(400, False)])

    def test_shown(self) -> None:
        """llhttp gets one method for all, except for that whose target has a form of its own."""
        for method, shown in ((b"GET", b"POST"), (b"LIST", b"POST"), (b"CONNECT", b"CONNECT")):
            line = RequestLine()
            pieces = [line.take(method[at : at + 1]) for at in range(len(method))]
            self.assertEqual((b"".join(pieces), line.method, bool(line)), (b"", b"", True))
            self.assertEqual(line.take(b" /"), shown + b" /")
            self.assertEqual(line.take(b"a HTTP/1.1\r\n"), b"a HTTP/1.1\r\n")
            self.assertTrue(line.is_exactly(b"/a", "1.1"))
            self.assertFalse(line.is_exactly(b"/a", "1.0"))
            line.clear()
            self.assertEqual((line.method, bool(line)), (b"", False))

    def test_slow(self) -> None:
        """A method that never ends is bounded as any head is, and its client waited for."""
        sink = Recorder()
        reader = RequestParser(sink, Limits(max_head_bytes=1024))
        for _ in range(12):
            reader.feed(b"M" * 100)
        self.assertEqual(sink.events, [(431, False)])
        reader = RequestParser(sink, Limits())
        reader.feed(b"LIS")
        self.assertIs(reader.state, State.HEAD)

    def test_refused_early(self) -> None:
        """What is refused before its head has ended keeps the method, so that HEAD gets no body."""
        sink = Recorder()
        reader = RequestParser(sink, Limits())
        reader.feed(b"HEAD /a HTTP/1.1\r\nHost")
        reader.refuse(SLOW_HEAD)
        self.assertEqual(sink.requests[0].head.method, b"HEAD")


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
                events.append((status, (status, raw) in ROUTABLE))
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
