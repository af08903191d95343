"""A server's bytes read into responses: what passes, what is refused, where a body ends."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadUpstreamResponse, ConnectionReset
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.upstream.parser import MAX_HEAD_BYTES, Ending
from tests.upstream.parsing import (
    BAD,
    BODY,
    CHUNKS,
    CL,
    EARLY,
    END,
    FINE,
    OK,
    SURPLUS,
    SWITCH,
    TE,
    TEN,
    UPGRADE,
    Event,
    Recorder,
    by_bytes,
    read,
)

GOOD: tuple[tuple[bytes, bytes, tuple[Event, ...]], ...] = (
    (b"GET", FINE, ((200, 0, True), END)),
    (b"GET", OK + CL + b"\r\nhello", ((200, 5, True), BODY, END)),
    (b"GET", OK + b"Connection: close\r\n" + CL + b"\r\nhello", ((200, 5, False), BODY, END)),
    (b"GET", OK + TE + b"\r\n" + CHUNKS + b"\r\n", ((200, -2, True), BODY, END)),
    (
        b"GET",
        OK + TE + b"\r\n" + CHUNKS + b"X: 1\r\nx:2 \r\n\r\n",
        ((200, -2, True), BODY, ("end", ((b"X", b"1"), (b"x", b"2")))),
    ),
    (b"GET", OK + b"\r\nhello", ((200, -1, False), BODY)),
    (b"GET", TEN + b"\r\nhello", ((200, -1, False), BODY)),
    (b"GET", TEN + CL + b"\r\nhello", ((200, 5, False), BODY, END)),
    (b"GET", TEN + b"Connection: keep-alive\r\n" + CL + b"\r\nhello", ((200, 5, True), BODY, END)),
    (
        b"GET",
        TEN + b"Connection: keep-alive\r\n" + TE + b"\r\n" + CHUNKS + b"\r\n",
        ((200, -2, False), BODY, END),
    ),
    (b"HEAD", OK + CL + b"\r\n", ((200, 5, True), END)),
    (b"HEAD", OK + TE + b"\r\n", ((200, -1, True), END)),
    (b"GET", b"HTTP/1.1 204 N\r\n\r\n", ((204, 0, True), END)),
    (b"GET", b"HTTP/1.1 304 N\r\n" + CL + b"\r\n", ((304, 5, True), END)),
    # Interim responses, which never have a body, whatever they say (RFC 9112 6.3).
    (b"GET", b"HTTP/1.1 100 C\r\n\r\n" + FINE, (("informed", 100), (200, 0, True), END)),
    (
        b"GET",
        b"HTTP/1.1 102 P\r\n\r\n" + EARLY * 2 + FINE,
        (("informed", 102), ("informed", 103), ("informed", 103), (200, 0, True), END),
    ),
    (b"GET", b"HTTP/1.1 103 E\r\n" + CL + b"\r\n" + FINE, (("informed", 103), (200, 0, True), END)),
    (b"GET", b"HTTP/1.1 103 E\r\n" + TE + b"\r\n" + FINE, (("informed", 103), (200, 0, True), END)),
    # Offers of the server's, which nobody takes up.
    (b"GET", OK + UPGRADE + CL + b"\r\nhello", ((200, 5, True), BODY, END)),
    (b"GET", b"HTTP/1.1 426 U\r\n" + UPGRADE + CL + b"\r\nhello", ((426, 5, True), BODY, END)),
)

SWITCHED = (
    (SWITCH + b"\r\n", b""),
    (SWITCH + b"\r\n\x81\x00HTTP/1.1 200 OK\r\n\r\n", b"\x81\x00HTTP/1.1 200 OK\r\n\r\n"),
    (EARLY + SWITCH + b"\r\nabc", b"abc"),
    (SWITCH + CL + b"\r\nhello", b"hello"),
    (SWITCH + TE + b"\r\n0\r\n\r\n", b"0\r\n\r\n"),
)

BAD_HEADS = (
    b"<html>",
    b"\x16\x03\x01",
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"HTTP/1.1 99 X\r\n\r\n",
    b"HTTP/1.1 600 X\r\n\r\n",
    b"HTTP/1.1 200 OK\n\r\n",
    OK + b"X : y\r\n\r\n",
    OK + b"X: y\r\n z\r\n\r\n",
    OK + b"X: \x00\r\n\r\n",
    OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    OK + b"Content-Length: 5, 5\r\n\r\n",
    OK + b"Content-Length: -5\r\n\r\n",
    OK + CL + TE + b"\r\n",
    OK + TE + CL + b"\r\n",
    OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    OK + b"Transfer-Encoding: gzip\r\n\r\n",
    SWITCH + b"\r\n",
)

# Each with the events before.
BAD_ENDINGS: tuple[tuple[bytes, bytes, tuple[Event, ...]], ...] = (
    (b"GET", FINE + FINE, ((200, 0, True), END, SURPLUS, BAD)),
    (b"GET", FINE + b"x", ((200, 0, True), END, SURPLUS, BAD)),
    (b"GET", FINE + EARLY, ((200, 0, True), END, SURPLUS, BAD)),
    (b"HEAD", OK + CL + b"\r\nhello", ((200, 5, True), END, SURPLUS)),
    (b"GET", OK + TE + b"\r\n5\r\nhellox\r\n", ((200, -2, True), BODY, BAD)),
    (b"GET", OK + TE + b"\r\n5\r\nhello\r\n0\r\nX : y\r\n\r\n", ((200, -2, True), BODY, BAD)),
)


class CaseTests(SynchronousTestCase):
    def test_good(self) -> None:
        """Each is read as the response that it is, however slowly it comes."""
        for method, raw, events in GOOD:
            for reads in ([raw], by_bytes(raw)):
                for upgrade in (False, True):
                    sink, tail = read(*reads, method=method, upgrade=upgrade)
                    self.assertEqual((tuple(sink.events), tail), (events, b""), raw)

    def test_switched(self) -> None:
        """Behind a 101 that was asked for all bytes are another protocol's."""
        for raw, tail in SWITCHED:
            for reads in ([raw], by_bytes(raw)):
                sink, came = read(*reads, upgrade=True)
                self.assertEqual((sink.events[-1], came), (("switched",), tail), raw)

    def test_not_switched(self) -> None:
        """A 101 that was not asked for, names no protocol or is HTTP/1.0's is no response."""
        for raw, upgrade in (
            (SWITCH + b"\r\nabc", False),
            (b"HTTP/1.1 101 S\r\n\r\nabc", True),
            (b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\nabc", True),
            (b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\n\r\nabc", True),
            (b"HTTP/1.0 101 S\r\n" + UPGRADE + b"\r\nabc", True),
        ):
            for reads in ([raw], by_bytes(raw)):
                sink, tail = read(*reads, upgrade=upgrade)
                self.assertEqual((sink.events, tail), ([BAD], b""), raw)

    def test_bad_heads(self) -> None:
        """What is no response, or could be read in two ways, is refused at once."""
        for raw in BAD_HEADS:
            for reads in ([raw], by_bytes(raw)):
                self.assertEqual(read(*reads)[0].events, [BAD], raw)

    def test_bad_endings(self) -> None:
        """What can't be told apart from the next response keeps the connection from reuse."""
        for method, raw, events in BAD_ENDINGS:
            self.assertEqual(tuple(read(raw, method=method)[0].events), events, raw)


class FinishTests(SynchronousTestCase):
    """The connection ends."""

    def finish(self, raw: bytes, ending: Ending) -> list[Event]:
        """Return what a connection is told that gets these bytes and ends."""
        sink = Recorder()
        reader = sink.parser
        reader.expect(b"GET", upgrade=False)
        sink.feed(raw)
        before = reader.head, reader.complete
        error = reader.finish(ending)
        sink.note(*before)
        if error is not None:
            sink.events.append((type(error), str(error)))
        return sink.events

    def test_until_close(self) -> None:
        """A body without a length ends with it, if the server closed it."""
        for raw in (OK + b"\r\nhello", TEN + b"\r\nhello"):
            self.assertEqual(self.finish(raw, Ending.CLOSED), [(200, -1, False), BODY, END])
            cut: Event = (BadUpstreamResponse, "its body was cut short")
            for ending in (Ending.CUT, Ending.UNSEALED):
                self.assertEqual(self.finish(raw, ending)[1:], [BODY, cut])

    def test_cut_short(self) -> None:
        """Any other is cut short, however the connection ends; what has not begun is not."""
        for raw, error, said in (
            (b"", ConnectionReset, "the server closed the connection"),
            (OK, BadUpstreamResponse, "its head was cut short"),
            (EARLY, BadUpstreamResponse, "its head was cut short"),
            (OK + CL + b"\r\nhell", BadUpstreamResponse, "its body was cut short"),
            (OK + TE + b"\r\n" + CHUNKS, BadUpstreamResponse, "its body was cut short"),
        ):
            for ending in Ending:
                self.assertEqual(self.finish(raw, ending)[-1], (error, said), raw)


class HeadTests(SynchronousTestCase):
    def test_fields(self) -> None:
        """Fields keep their order, spelling and multiplicity, and lose white space around."""
        raw = OK + b"x: 1\r\nY:\t2 \t\r\nX: 3,\xe94\r\nE:\r\n" + CL + b"\r\n"
        (head,) = read(raw)[0].heads
        fields = [(b"x", b"1"), (b"Y", b"2"), (b"X", b"3,\xe94"), (b"E", b"")]
        self.assertEqual(head.headers, [*fields, (b"Content-Length", b"5")])
        self.assertEqual((head.status, head.reason), (200, b"OK"))

    def test_each_its_own(self) -> None:
        """An interim response's fields and reason are no part of the next head's."""
        early, final = read(*by_bytes(EARLY + FINE))[0].heads
        self.assertEqual((early.reason, early.headers), (b"E", [(b"Link", b"x")]))
        self.assertEqual((final.reason, final.headers), (b"OK", [(b"Content-Length", b"0")]))

    def test_one_after_the_other(self) -> None:
        """A connection's responses are read in turn, the answer to HEAD among them."""
        sink = Recorder()
        reader = sink.parser
        for method, raw in ((b"HEAD", OK + CL + b"\r\n"), (b"GET", OK + CL + b"\r\nhello")) * 2:
            reader.expect(method, upgrade=False)
            self.assertFalse(reader.started)
            self.assertEqual(sink.feed(raw), b"")
            self.assertTrue(reader.started)
        self.assertEqual(sink.events, [(200, 5, True), END, (200, 5, True), BODY, END] * 2)


class BoundTests(SynchronousTestCase):
    def assert_bounded(self, start: bytes, more: bytes, before: Sequence[Event] = ()) -> None:
        """Assert that what goes on for ever is refused in the end."""
        reads = [more] * (MAX_HEAD_BYTES // len(more) + 1)
        events = read(start, *reads)[0].events
        self.assertEqual((events[: len(before)], events[-1]), (list(before), BAD), start)

    def test_endless(self) -> None:
        """llhttp would collect heads, interim responses, trailers and extensions for ever."""
        self.assert_bounded(OK + b"X: ", b"a" * 10_000)
        self.assert_bounded(b"", b"HTTP/1.1 102 P\r\n\r\n" * 100)
        chunked = (200, -2, True)
        self.assert_bounded(OK + TE + b"\r\n", b"0\r\nX: " + b"a" * 1000, [chunked])
        self.assert_bounded(OK + TE + b"\r\n5;", b"a" * 1000, [chunked])

    def test_long(self) -> None:
        """A body that moves may be as long as it likes."""
        reads = [b"1;a=b\r\nx\r\n"] * (MAX_HEAD_BYTES // 10 + 2)
        events = read(OK + TE + b"\r\n", *reads, b"0\r\n\r\n")[0].events
        self.assertEqual(events[-1], END)


STREAMS = st.sampled_from(
    [(method, raw) for method, raw, _ in GOOD]
    + [(b"GET", raw) for raw, _ in SWITCHED]
    + [(b"GET", raw) for raw in BAD_HEADS]
)


class SplitTests(SynchronousTestCase):
    @given(STREAMS, st.booleans(), st.data())
    def test_any_split(
        self, stream: tuple[bytes, bytes], upgrade: bool, data: st.DataObject
    ) -> None:
        """Reads may fall anywhere: what is told is the same as of one read."""
        method, raw = stream
        cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=8))
        edges = [0, *sorted(cuts), len(raw)]
        pieces = [raw[a:b] for a, b in pairwise(edges) if a != b]
        sink, tail = read(*pieces, method=method, upgrade=upgrade)
        whole, whole_tail = read(raw, method=method, upgrade=upgrade)
        self.assertEqual((sink.events, tail), (whole.events, whole_tail))

    @given(st.binary(max_size=200), st.booleans())
    def test_anything(self, raw: bytes, upgrade: bool) -> None:
        """Whatever comes, nothing but BadUpstreamResponse is raised."""
        read(raw, upgrade=upgrade)
        read(SWITCH[: len(raw)], raw, b"\r\n\r\n" + raw, upgrade=upgrade)

    @given(STREAMS, st.binary(max_size=8), st.data())
    def test_without_shortcuts(
        self, stream: tuple[bytes, bytes], more: bytes, data: st.DataObject
    ) -> None:
        """What is told is the same without shortcuts, whatever stands behind the response."""
        method, raw = stream
        cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=4))
        pieces = [raw[a:b] for a, b in pairwise([0, *sorted(cuts), len(raw)]) if a != b]
        pieces[-1] += more
        told = []
        for shortcuts in (ALL, Shortcuts(counted=False, head_names=False)):
            sink, tail = read(*pieces, method=method, shortcuts=shortcuts)
            told.append((sink.events, tail, [head.headers for head in sink.heads]))
        self.assertEqual(*told)


class CountedTests(SynchronousTestCase):
    """A body of known length is counted, no less strictly than it would be parsed."""

    LONG = OK + b"Content-Length: 10\r\n\r\n"

    def test_behind_the_body(self) -> None:
        """Bytes behind it are no part of it, and leave the connection in doubt."""
        for reads in ((b"0123456789x",), (b"012345", b"6789x"), (b"0123456789", b"x")):
            for shortcuts in (ALL, Shortcuts(counted=False)):
                events = read(self.LONG, *reads, shortcuts=shortcuts)[0].events
                self.assertEqual(
                    events, [(200, 10, True), ("body", b"0123456789"), END, SURPLUS, BAD], reads
                )

    def test_empty_lines(self) -> None:
        """Empty lines behind it do no harm, in the same read or in one of their own."""
        for reads in ((b"0123456789\r\n",), (b"012345", b"6789\r\n\r\n")):
            for shortcuts in (ALL, Shortcuts(counted=False)):
                events = read(self.LONG, *reads, shortcuts=shortcuts)[0].events
                self.assertEqual(events, [(200, 10, True), ("body", b"0123456789"), END], reads)

    def test_next(self) -> None:
        """The next response is read from its head on."""
        sink = Recorder()
        for _ in range(2):
            sink.parser.expect(b"GET", upgrade=False)
            for data in (self.LONG + b"012", b"345", b"6789"):
                sink.feed(data)
        self.assertEqual(sink.events, [(200, 10, True), ("body", b"0123456789"), END] * 2)

    def test_cut_short(self) -> None:
        """One that ends early is cut short."""
        sink = Recorder()
        sink.parser.expect(b"GET", upgrade=False)
        sink.feed(self.LONG)
        sink.feed(b"012")
        self.assertIsInstance(sink.parser.finish(Ending.CLOSED), BadUpstreamResponse)

    def test_not_begun(self) -> None:
        """A status that has no body has none to count, whatever its length says."""
        for method, raw in ((b"GET", b"HTTP/1.1 304 N\r\n"), (b"HEAD", OK)):
            sink, _ = read(raw + b"Content-Length: 10\r\n\r\n", method=method)
            self.assertEqual(sink.events[-1], END)


class NamesTests(SynchronousTestCase):
    def test_names(self) -> None:
        """A final head knows what its names imply."""
        for shortcuts in (ALL, Shortcuts(head_names=False)):
            (head,) = read(OK + b"X: 1\r\n" + CL + b"\r\n", shortcuts=shortcuts)[0].heads
            assert head.names is not None
            self.assertEqual(
                (head.names.lowered, head.names.length_at), ((b"x", CL[:14].lower()), 1)
            )
