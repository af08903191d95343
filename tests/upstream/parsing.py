"""Has a parser read bytes, and notes what it finds; what parsers read in tests."""

from __future__ import annotations

from corsgate.errors import BadUpstreamResponse
from corsgate.message.head import ResponseHead
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.upstream.parser import ResponseParser

OK = b"HTTP/1.1 200 OK\r\n"
TEN = b"HTTP/1.0 200 OK\r\n"
CL = b"Content-Length: 5\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n"
FINE = OK + b"Content-Length: 0\r\n\r\n"
UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
SWITCH = b"HTTP/1.1 101 S\r\n" + UPGRADE
EARLY = b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n"

Event = tuple[object, ...]
END: Event = ("end", ())
BODY: Event = ("body", b"hello")
SURPLUS: Event = ("surplus",)
BAD: Event = ("bad",)


class Recorder:
    """Keeps what a parser finds, bodies joined."""

    def __init__(
        self, shortcuts: Shortcuts = ALL, make: type[ResponseParser] = ResponseParser
    ) -> None:
        self.events: list[Event] = []
        self.heads: list[ResponseHead] = []
        self.parser = make(self.informed, shortcuts)

    def informed(self, head: ResponseHead) -> None:
        """Note an interim response."""
        self.heads.append(head)
        self.events.append(("informed", head.status))

    def feed(self, data: bytes) -> bytes:
        """Have the parser read bytes, and note what they were; return what follows a switch."""
        before = self.parser.head, self.parser.complete
        try:
            return self.parser.feed(data)
        finally:
            self.note(*before)

    def note(self, head: ResponseHead | None, complete: bool) -> None:
        """Note what is new since there was this head, and what was complete or not."""
        parser = self.parser
        if parser.head is not None and parser.head is not head:
            self.heads.append(parser.head)
            told = (parser.head.status, parser.announced_length, parser.reusable)
            self.events.append(("switched",) if parser.switched else told)
        if parser.body:
            data = parser.body
            if self.events[-1][0] == "body":
                data = self.events.pop()[1] + data  # type: ignore[operator]  # bytes
            self.events.append(("body", data))
        if parser.complete and not complete:
            self.events.append(("end", tuple(parser.trailers)))
        if parser.has_surplus:
            self.events.append(SURPLUS)


def read(
    *reads: bytes,
    method: bytes = b"GET",
    upgrade: bool = False,
    shortcuts: Shortcuts = ALL,
    make: type[ResponseParser] = ResponseParser,
) -> tuple[Recorder, bytes]:
    """Return what a connection is told that gets these reads, and what followed a switch."""
    sink = Recorder(shortcuts, make)
    sink.parser.expect(method, upgrade=upgrade)
    tail = b""
    try:
        for data in reads:
            tail += sink.feed(data)
    except BadUpstreamResponse:
        sink.events.append(BAD)
    return sink, tail


def by_bytes(raw: bytes) -> list[bytes]:
    """Return the slowest way to send bytes."""
    return [raw[at : at + 1] for at in range(len(raw))]
