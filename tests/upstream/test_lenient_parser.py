"""What browsers, nginx or HAProxy read is read; what could be read in two ways is not."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BadUpstreamResponse
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.upstream.lenient_parser import LenientParser, parser_for
from corsgate.upstream.parser import MAX_HEAD_BYTES, Ending, ResponseParser
from corsgate.upstream.repairs import Repair
from tests.upstream.parsing import (
    CHUNKS,
    CL,
    EARLY,
    OK,
    SWITCH,
    TE,
    TEN,
    UPGRADE,
    Recorder,
    by_bytes,
)
from tests.upstream.sloppy_forms import (
    AMBIGUOUS_BODIES,
    AMBIGUOUS_HEADS,
    CHUNKED,
    FIVE,
    FORMS,
    LF_OK,
    OTHER_FORMS,
    fine,
    splits,
    take,
)
from tests.upstream.test_parser import GOOD, SWITCHED


class FormTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """Each is read as what it means, however it comes, and its connection is not used again."""
        for raw, found in FORMS:
            for reads in splits(raw):
                for shortcuts in (ALL, Shortcuts(counted=False, head_names=False)):
                    self.assertEqual(take(reads, shortcuts=shortcuts), found, raw)

    def test_other_forms(self) -> None:
        """So are those that have no body, or more than one head."""
        for method, raw, found in OTHER_FORMS:
            for reads in splits(raw):
                self.assertEqual(take(reads, method), found, raw)

    def test_strictly(self) -> None:
        """A strict parser has no whole response for them, or has accepted them before."""
        accepted = []
        for raw, _ in FORMS:
            parser = parser_for(lambda _: None, ALL, None)
            parser.expect(b"GET", upgrade=False)
            try:
                parser.feed(raw)
            except BadUpstreamResponse:
                continue
            accepted.append(raw[:18])
        self.assertEqual(
            accepted, [b"\r\n" + OK[:16], b"\n\r\n" + OK[:15], b"HTTP/1.1 200  OK\r\n"]
        )

    def test_switch(self) -> None:
        """A 101 in odd form switches if it was asked for, even as HTTP/1.0."""
        for raw, repair in (
            (b"HTTP/1.1 101 S\nUpgrade: websocket\nConnection: Upgrade\n\n", Repair.BARE_LF),
            (b"HTTP/1.0 101 S\r\n" + UPGRADE + b"\r\n", Repair.OLD_SWITCH),
            (b"\r\n" + SWITCH + b"\r\n", Repair.EMPTY_LINE),
        ):
            for tail in (b"", b"\x81\x00", b"HTTP/1.1 200 OK\n\n"):
                for reads in ([raw + tail], by_bytes(raw + tail)):
                    found = take(reads, upgrade=True)
                    self.assertEqual(
                        (found.status, found.whole, found.reusable, found.tail, found.repairs),
                        (101, True, False, tail, {repair}),
                        raw,
                    )


class WellFormedTests(SynchronousTestCase):
    def test_good(self) -> None:
        """What is well-formed is read as strictly, and nothing is put right."""
        for method, raw, _ in GOOD:
            for reads in splits(raw):
                strict = Recorder()
                lenient = Recorder(make=LenientParser)
                for sink in (strict, lenient):
                    sink.parser.expect(method, upgrade=False)
                    for data in reads:
                        sink.feed(data)
                self.assertEqual(lenient.events, strict.events, raw)
                self.assertEqual(lenient.parser.reusable, strict.parser.reusable, raw)
                self.assertEqual(take(reads, method).repairs, frozenset(), raw)

    def test_switched(self) -> None:
        """A switch that is well-formed is one."""
        for raw, tail in SWITCHED:
            for reads in ([raw], by_bytes(raw)):
                found = take(reads, upgrade=True)
                self.assertEqual(
                    (found.status, found.tail, found.repairs), (101, tail, frozenset())
                )

    def test_next(self) -> None:
        """Behind a long body in chunks the next response is read from its head on."""
        sink = Recorder(make=LenientParser)
        for _ in range(2):
            for raw in (OK + TE + b"\r\n" + CHUNKS + b"X: 1\r\n\r\n", OK + CL + b"\r\nhello"):
                sink.parser.expect(b"GET", upgrade=False)
                for data in by_bytes(raw):
                    sink.feed(data)
                self.assertTrue(sink.parser.complete and sink.parser.reusable)
        self.assertEqual(
            [event for event in sink.events if event[0] == "body"], [("body", b"hello")] * 4
        )


class BehindTests(SynchronousTestCase):
    def test_behind_others(self) -> None:
        """What a connection has carried before changes nothing of what a response means."""
        early = EARLY.replace(b"103 ", b"103  ") + OK + CL + b"\r\nhello"
        self.assertEqual(take([early]), fine([FIVE], Repair.STATUS_LINE, informed=(103,)))
        raws = [early, *(raw for raw, _ in FORMS), *AMBIGUOUS_HEADS]
        raws += [OK + TE + raw for raw, _ in AMBIGUOUS_BODIES]
        empty = OK + b"Content-Length: 0\r\n\r\n"
        trailer = OK + TE + b"\r\n" + CHUNKS + b"X: 1\r\n\r\n"
        for before in ((b"GET", EARLY + empty), (b"GET", trailer), (b"HEAD", OK + CL + b"\r\n")):
            for raw in raws:
                for reads in ([raw], by_bytes(raw)):
                    self.assertEqual(take(reads, before=[before]), take(reads), (before, raw))


class AmbiguousTests(SynchronousTestCase):
    def test_heads(self) -> None:
        """A head that has two meanings, or none, is rejected."""
        for raw in AMBIGUOUS_HEADS:
            for reads in splits(raw):
                found = take(reads)
                self.assertEqual((found.status, found.body, found.whole), (None, b"", False), raw)

    def test_behind_another(self) -> None:
        """So is one behind an interim response in odd form."""
        for raw in AMBIGUOUS_HEADS:
            if not raw.startswith((b"\r", b"HTTP/1.1 101", b"HTTP/1.0 101")):
                for reads in splits(b"HTTP/1.1 102 P\n\n" + raw):
                    found = take(reads)
                    self.assertEqual((found.status, found.informed), (None, (102,)), raw)

    def test_bodies(self) -> None:
        """A body whose end is uncertain is cut short, where its head passes."""
        for rest, body in AMBIGUOUS_BODIES:
            for start in (OK + TE, OK + TE + CL, OK + b"X : 1\r\n" + TE):
                for reads in splits(start + rest):
                    found = take(reads)
                    self.assertEqual(
                        (found.status, found.body, found.whole), (200, body, False), rest
                    )

    def test_truncated(self) -> None:
        """So is one that is shorter than its length, put right or not, and a head without end."""
        for raw, status in (
            (LF_OK + b"Content-Length: 50\n\nhello", 200),
            (LF_OK + b"X: 1\n", None),
        ):
            for ending in Ending:
                found = take([raw], ending=ending)
                self.assertEqual((found.status, found.whole), (status, False))

    def test_bytes_beyond(self) -> None:
        """What is behind a response is no part of it, be it another response."""
        for more in (b"x", b"HTTP/1.1 200 OK\n\n", OK + CL + b"\r\nother"):
            for raw, found in FORMS:
                if FIVE in found.headers or CHUNKED in found.headers:
                    self.assertEqual(take([raw + more]), found, raw)

    def test_reset(self) -> None:
        """A connection that ended in a head that is being kept has begun its response."""
        parser = LenientParser(lambda _: None)
        parser.expect(b"GET", upgrade=False)
        self.assertFalse(parser.started)
        parser.feed(LF_OK)
        self.assertTrue(parser.started)
        self.assertIsInstance(parser.finish(Ending.CLOSED), BadUpstreamResponse)


class UnsealedTests(SynchronousTestCase):
    """Over TLS, the connection ends without close_notify."""

    def test_until_close(self) -> None:
        """A body passes whose head says that the connection ends with it."""
        close = b"Connection: x, Close\r\n"
        for raw, whole in (
            (TEN + b"\r\nhello", True),
            (OK + close + b"\r\nhello", True),
            (b"HTTP/2 200 OK\nConnection: close\n\nhello", True),
            (OK + b"\r\nhello", False),
            (OK + close + b"Content-Length: 6\r\n\r\nhello", False),
            (OK + close + TE + b"\r\n5\r\nhello\r\n", False),
            (TEN + b"X: 1\r\n", False),
        ):
            found = take([raw], ending=Ending.UNSEALED)
            self.assertEqual((found.whole, Repair.UNSEALED in found.repairs), (whole, whole), raw)
            self.assertFalse(take([raw], ending=Ending.CUT).whole, raw)

    def test_next(self) -> None:
        """What an earlier response said of its connection doesn't count for the next one."""
        parser = LenientParser(lambda _: None)
        for raw in (TEN + b"Connection: keep-alive\r\n" + CL + b"\r\nhello", OK + b"\r\nhello"):
            parser.expect(b"GET", upgrade=False)
            parser.feed(raw)
        self.assertIsInstance(parser.finish(Ending.UNSEALED), BadUpstreamResponse)


class BoundTests(SynchronousTestCase):
    def assert_bounded(self, start: bytes, more: bytes, method: bytes = b"GET") -> None:
        """Assert that what goes on for ever is rejected in the end."""
        parser = LenientParser(lambda _: None)
        parser.expect(method, upgrade=False)
        parser.feed(start)
        with self.assertRaises(BadUpstreamResponse):
            for _ in range(MAX_HEAD_BYTES // len(more) + 1):
                parser.feed(more)

    def test_endless(self) -> None:
        """What is kept, or read and not passed on, is bounded."""
        self.assert_bounded(LF_OK, b"X: 1\n" * 100)
        self.assert_bounded(LF_OK, b"a" * 1000)
        self.assert_bounded(b"", b"\n" * 1000)
        self.assert_bounded(b"\n", b"HTTP/1.1 102 P\n\n" * 100)
        self.assert_bounded(OK + TE + b"\r\n", b"0\r\nX: " + b"a" * 1000)
        self.assert_bounded(OK + TE + b"\r\n", b"0\n" + b"X: 1\n" * 100)
        self.assert_bounded(OK + TE + b"\r\n5;", b"a" * 1000)
        self.assert_bounded(OK + TE + b"\r\n", b"0" * 1000)

    def test_long(self) -> None:
        """A body that moves may be as long as it likes."""
        reads = [b"1 \nx\n"] * (MAX_HEAD_BYTES // 5 + 2)
        found = take([OK + TE + b"\r\n", *reads, b"0\n\n"])
        self.assertEqual((found.whole, len(found.body)), (True, len(reads)))


class ChoiceTests(SynchronousTestCase):
    def test_parser_for(self) -> None:
        """A server is read strictly if nothing is to be put right."""
        self.assertIs(type(parser_for(lambda _: None, ALL, None)), ResponseParser)
        self.assertIs(type(parser_for(lambda _: None, ALL, lambda *_: None)), LenientParser)
