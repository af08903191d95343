"""A client's bytes read into requests: what passes, what is refused, and where a body ends."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.message.framing import CHUNKED
from corsgate.message.headers import HeaderList
from corsgate.server.http1.parser import RequestParser
from corsgate.server.parsed_request import ParsedRequest
from corsgate.shortcuts import ALL, Shortcuts
from tests.server.http1.cases import (
    BROKEN,
    GET,
    GOOD,
    NEXT,
    POST,
    REFUSED,
    ROUTABLE,
    TE,
    Event,
    H,
    get,
)


class Recorder:
    """A sink that keeps what it is told, bodies joined."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.requests: list[ParsedRequest] = []

    def request_read(self, request: ParsedRequest) -> None:
        """Note a head or a refusal."""
        self.requests.append(request)
        head = request.head
        if request.refusal is None:
            self.events.append((head.method, head.target, request.length, request.keep_alive))
        else:
            self.events.append((request.refusal.status, request.refusal.routable))

    def body_read(self, data: bytes) -> None:
        """Note a piece."""
        last = self.events[-1]
        if last[0] == "body":
            self.events[-1] = ("body", last[1] + data)  # type: ignore[operator]  # bytes
        else:
            self.events.append(("body", data))

    def body_complete(self, trailers: HeaderList) -> None:
        """Note the end."""
        self.events.append(("end",))

    def body_broken(self, detail: str) -> None:
        """Note that it broke."""
        self.events.append(("broken",))


def read(*reads: bytes, limits: Limits | None = None, shortcuts: Shortcuts = ALL) -> Recorder:
    """Return what a connection that brings these reads is told."""
    sink = Recorder()
    reader = RequestParser(sink, limits or Limits(), shortcuts)
    for data in reads:
        reader.feed(data)
    return sink


class CaseTests(SynchronousTestCase):
    def test_good(self) -> None:
        """Each is read as the requests that it is, and what follows begins where it should."""
        for raw, events in GOOD:
            self.assertEqual(tuple(read(raw).events), events, raw[:80])

    def test_refused(self) -> None:
        """Each is one refusal, and nothing behind it is ever read as a request."""
        for status, raw in REFUSED:
            event = (status, (status, raw) in ROUTABLE)
            self.assertEqual(read(raw, NEXT).events, [event], raw[:80])

    def test_refused_behind_another(self) -> None:
        """A refusal stands in its place among the requests before it."""
        for status, raw in REFUSED:
            events = read(NEXT + raw + NEXT).events
            event = (status, (status, raw) in ROUTABLE)
            self.assertEqual(events, [get(b"/next"), event], raw[:80])

    def test_byte_by_byte(self) -> None:
        """However slowly it comes, it is refused for the same reason."""
        for status, raw in REFUSED:
            if len(raw) < 1000:
                pieces = [raw[at : at + 1] for at in range(len(raw))]
                event = (status, (status, raw) in ROUTABLE)
                self.assertEqual(read(*pieces).events, [event], raw[:80])

    def test_broken(self) -> None:
        """A body that isn't well-formed ends all, and nothing behind it is a request."""
        for raw in BROKEN:
            events = read(POST + TE + b"\r\n" + raw, NEXT).events
            self.assertEqual(events[0], (b"POST", b"/", CHUNKED, True))
            self.assertEqual(events[-1], ("broken",), raw)
            self.assertNotIn(get(b"/next"), events)


class HeadTests(SynchronousTestCase):
    def test_fields(self) -> None:
        """Fields keep their order, spelling and multiplicity, and lose white space around."""
        raw = GET + b"hOST: a\r\nX: 1\r\ny:\t2 \t\r\nX: 3,\xe94\r\nE:\r\n\r\n"
        request = read(raw).requests[0]
        self.assertEqual(
            request.head.headers,
            [(b"hOST", b"a"), (b"X", b"1"), (b"y", b"2"), (b"X", b"3,\xe94"), (b"E", b"")],
        )
        self.assertEqual(request.index[b"x"], [b"1", b"3,\xe94"])

    def test_authority(self) -> None:
        """An absolute-form target's host counts, whatever Host says."""
        raw = b"GET http://B.test:81/x HTTP/1.1\r\nHost: a\r\n\r\n"
        self.assertEqual(read(raw).requests[0].authority, b"B.test:81")

    def test_trailers_are_no_fields(self) -> None:
        """A trailer is never taken for a field of its request or the next one."""
        raw = POST + TE + b"\r\n0\r\nX-Late: 1\r\n\r\n" + NEXT
        for request in read(raw).requests:
            self.assertNotIn(b"x-late", request.index)

    def test_refused_method(self) -> None:
        """A refused request keeps its method, so that HEAD gets no body."""
        request = read(b"HEAD / HTTP/1.1\r\n\r\n").requests[0]
        self.assertEqual(request.head.method, b"HEAD")


class BoundTests(SynchronousTestCase):
    LIMITS = Limits(max_head_bytes=1024, max_target_bytes=64, max_headers=3)

    def test_long_target(self) -> None:
        """A target past its own bound is refused on its route, so that a page may read it."""
        raw = b"GET /" + b"a" * 64 + b" HTTP/1.1\r\n" + H + b"\r\n"
        self.assertEqual(read(raw, limits=self.LIMITS).events, [(414, True)])
        fits = b"GET /" + b"a" * 63 + b" HTTP/1.1\r\n" + H + b"\r\n"
        self.assertEqual(read(fits, limits=self.LIMITS).events, [get(b"/" + b"a" * 63)])

    def test_many_fields(self) -> None:
        """One field too many is refused; its body is read over, and nothing follows."""
        raw = POST + b"A: 1\r\nB: 1\r\nContent-Length: 2\r\n\r\nhi" + NEXT
        self.assertEqual(read(raw, limits=self.LIMITS).events, [(431, True)])

    def test_late_host(self) -> None:
        """Behind too many fields Host is not seen, and so neither is the route."""
        raw = GET + b"X: y\r\n" * 3 + H + b"\r\n"
        self.assertEqual(read(raw, NEXT, limits=self.LIMITS).events, [(431, False)])

    def test_endless_head(self) -> None:
        """A head is refused before it has ended, once it is too large."""
        for status, start, more in (
            (414, b"GET /", b"a" * 100),
            (431, GET + b"X: ", b"a" * 100),
            (431, GET + b"X", b"a" * 100),
            (431, GET + b"X:", b" " * 100),
        ):
            events = read(start, *[more] * 11, limits=self.LIMITS).events
            self.assertEqual(events, [(status, False)], start)
        # Behind Host the route is known.
        events = read(GET + H + b"X: ", *[b"a" * 100] * 11, limits=self.LIMITS).events
        self.assertEqual(events, [(431, True)])

    def test_requests_before_do_not_count(self) -> None:
        """A head that begins in a large read isn't charged for the requests before it."""
        whole = NEXT * 100
        sink = read(whole + NEXT[:-4], NEXT[-4:], limits=self.LIMITS)
        self.assertEqual(sink.events, [get(b"/next")] * 101)

    def test_body_before_does_not_count(self) -> None:
        """Nor for the body that ends in the same read."""
        head = POST + b"Content-Length: 5000\r\n\r\n"
        sink = read(head, b"x" * 5000 + NEXT[:-4], NEXT[-4:], limits=self.LIMITS)
        self.assertEqual(sink.events[2:], [("end",), get(b"/next")])

    def test_endless_trailer(self) -> None:
        """llhttp would collect a trailer for ever; it breaks the body past the head's bound."""
        for start in (b"0\r\nX", b"0\r\nX: ", b"5;", b'5;a="'):
            events = read(
                POST + TE + b"\r\n" + start, *[b"a" * 100] * 11, limits=self.LIMITS
            ).events
            self.assertEqual(events[1:], [("broken",)], start)

    def test_long_body_of_small_chunks(self) -> None:
        """A body that moves may have any number of chunks."""
        chunks = [b"1;a=b\r\nx\r\n"] * 1000
        sink = read(POST + TE + b"\r\n", *chunks, b"0\r\n\r\n", limits=self.LIMITS)
        self.assertEqual(sink.events[1:], [("body", b"x" * 1000), ("end",)])

    def test_many_offers_to_upgrade(self) -> None:
        """As many declined upgrades as fit into one read neither nest nor raise."""
        raw = (GET + b"Host:\r\nConnection:upgrade\r\nUpgrade:h2c\r\n\r\n") * 1100
        self.assertEqual(read(raw).events, [get(b"/")] * 1100)


STREAMS = st.lists(
    st.sampled_from([raw for raw, _ in GOOD] + [raw for _, raw in REFUSED if len(raw) < 1000]),
    min_size=1,
    max_size=4,
)


class SplitTests(SynchronousTestCase):
    @given(STREAMS, st.data())
    def test_any_split(self, parts: list[bytes], data: st.DataObject) -> None:
        """Reads may fall anywhere: what is told is the same as of one read."""
        raw = b"".join(parts)
        cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=8))
        edges = [0, *sorted(cuts), len(raw)]
        pieces = [raw[a:b] for a, b in pairwise(edges) if a != b]
        self.assertEqual(read(*pieces).events, read(raw).events)

    @given(st.binary(max_size=200))
    def test_anything(self, raw: bytes) -> None:
        """Whatever comes, nothing is raised, and at most one refusal is told, at the end."""
        events = read(GET + H + b"\r\n" + raw, raw, NEXT).events
        self.assertEqual(events[0], get(b"/"))
        refusals = [event for event in events if isinstance(event[0], int)]
        self.assertLessEqual(len(refusals), 1)
