"""What stands for a request and for an upstream's servers in tests of what the gate decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import TestCase

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import provider

from corsgate.gate.compiled_route import CompiledRoute
from corsgate.gate.runtime import make_runtime
from corsgate.message.client import Client
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import Header, index_headers
from corsgate.server.fields_memo import FieldsMemo
from corsgate.server.request_body import RequestBody
from corsgate.server.request_log import RequestLog
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.response import RESPONSE_DONE, UpstreamResponse
from tests.support import LISTEN, parse

ASKING = Client(peer="192.0.2.1", trusted=False, scheme=b"http", authority=b"localhost")
DATE = b"Sun, 29 Nov 2026 06:00:00 GMT"


class FakeServers:
    """Stands where an upstream's client does; a test says what its servers do.

    Attributes:
        heads: What was sent, in order.
        origins: Which server each was sent to.
        bodies: The body of each, or None.
        waiting: What waits for a response, in order.
    """

    def __init__(self) -> None:
        self.heads: list[RequestHead] = []
        self.origins: list[str] = []
        self.bodies: list[Any] = []
        self.waiting: list[Deferred[UpstreamResponse]] = []

    def send(
        self, origin: str, head: RequestHead, body: Any, *_: object
    ) -> Deferred[UpstreamResponse]:
        """Take a request."""
        self.origins.append(origin)
        self.heads.append(head)
        self.bodies.append(body)
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def fail(self, error: Exception) -> None:
        """Have the request that came last fail."""
        self.waiting[-1].errback(Failure(error))

    def respond(
        self, status: int = 200, headers: Sequence[Header] = (), body: bytes = b"ok"
    ) -> None:
        """Have the request that came last get a response that has come whole."""
        made = response(status, headers, len(body))
        made.body_data(body)
        made.body_ended(RESPONSE_DONE)
        self.waiting[-1].callback(made)


class FakeConnection:
    """Stands where an upstream connection does; counts what is asked of it."""

    def __init__(self) -> None:
        self.given_up = 0

    def pause_response(self, response: UpstreamResponse) -> None:
        """Do nothing."""

    def resume_response(self, response: UpstreamResponse) -> None:
        """Do nothing."""

    def give_up_response(self, response: UpstreamResponse) -> None:
        """Count it."""
        self.given_up += 1


def response(status: int, headers: Sequence[Header] = (), length: int = -1) -> UpstreamResponse:
    """Return a response of which nothing but the head has come."""
    head = ResponseHead(status=status, reason=b"", headers=[(b"Date", DATE), *headers])
    return UpstreamResponse(FakeConnection(), head, length)


class FakeRequest:
    """What an exchange asks of a client's request; keeps what the client gets.

    Args:
        clock: Tells the time.
        method: Its method.
        headers: Its fields.
        body: Its body, or None.
        target: Its target.

    Attributes:
        status: Of the response; None while there is none.
        headers: The response's fields.
        length: How long its body is said to be.
        sent: All of its body.
        ended: Whether the response is whole.
        aborted: Whether it was cut.
    """

    gone = False
    refusal: Any = None
    client_key = None
    offers = ()
    startedWriting = 0
    on_lost: Any = None
    clientproto = b"HTTP/1.1"

    def __init__(
        self,
        clock: Any,
        method: bytes = b"GET",
        headers: Sequence[Header] = (),
        body: RequestBody | None = None,
        target: bytes = b"/v1/x",
    ) -> None:
        self.clock = clock
        self.head = RequestHead(method=method, target=target, headers=list(headers))
        self.method = method
        self.uri = target
        self.index = index_headers(headers)
        self.authority = b"localhost"
        self.body = body
        self.memo = FieldsMemo()
        self.log = RequestLog()
        self.log.client = ASKING.peer
        self.arrived_s = clock.seconds()
        context = SimpleNamespace(
            deadlines=Deadlines(clock),
            memory=SimpleNamespace(is_tight=lambda _: False),
            date=lambda: DATE,
        )
        self.channel = SimpleNamespace(context=context, pins=None, require_http1=lambda: False)
        self.status: int | None = None
        self.headers: list[Header] = []
        self.length: int | None = None
        self.sent = b""
        self.prepath: list[bytes] = []
        self.postpath: list[bytes] = []
        self.trailers: list[Header] = []
        self.ended = False
        self.aborted = False
        self.producer: Any = None

    def begin(self, head: ResponseHead, length: int | None) -> None:
        """Take a head."""
        self.startedWriting, self.status, self.headers = 1, head.status, head.headers
        self.length = length

    def write(self, data: bytes) -> None:
        """Take a piece of the body."""
        self.sent += data

    def flush(self) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Note the end."""
        self.ended = True

    def respond(self, head: ResponseHead, body: bytes, *, announced: bool = True) -> None:
        """Take a whole response."""
        self.begin(head, len(body) if announced else None)
        self.write(body)
        self.finish()

    def inform(self, head: ResponseHead) -> None:
        """Ignore it."""

    def abort(self) -> None:
        """Note it."""
        self.aborted = True

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take what sends the body."""
        self.producer = producer

    def unregisterProducer(self) -> None:
        """Forget it."""
        self.producer = None

    def leave(self) -> None:
        """Have the client leave."""
        self.gone = True
        if self.on_lost is not None:
            self.on_lost()


def compiled(
    clock: MemoryReactorClock,
    servers: FakeServers | None = None,
    *,
    count: int = 2,
    upstream: str = "",
    route: str = "",
    cors: str = "",
    shortcuts: Shortcuts = ALL,
) -> CompiledRoute:
    """Return a route ``/v1`` to an upstream with servers that a test plays.

    Args:
        clock: Tells the time.
        servers: Who takes its requests.
        count: How many servers there are.
        upstream: Further lines of the upstream.
        route: Further lines of the route.
        cors: The route's policy, as a table.
        shortcuts: Which ones are taken.
    """
    origins = [f"http://10.0.0.{number}:80" for number in range(1, count + 1)]
    policy = f"cors = {{ {cors} }}\n" if cors else ""
    config = parse(
        f"{LISTEN}[upstreams.a]\nservers = {origins}\n{upstream}\n"
        f'[routes."/v1"]\nupstream = "a"\n{policy}{route}\n'
    )
    runtime = make_runtime(
        config,
        reactor=clock,
        deadlines=Deadlines(clock),
        rng=bytes,
        file="gate.toml",
        pseudonym=b"corsgate-0",
        shortcuts=shortcuts,
    )
    (made,) = runtime.table.routes
    if servers is not None:
        client: Any = servers
        made.upstream = attrs.evolve(made.upstream, client=client)
    return made


def logged(case: TestCase) -> Callable[[], list[str]]:
    """Return what returns the lines that the daemon's log has been told since now."""
    events: list[LogEvent] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        events.append(event)

    globalLogPublisher.addObserver(observe)
    case.addCleanup(globalLogPublisher.removeObserver, observe)
    return lambda: [str(formatEvent(event)) for event in events]


@contextmanager
def collected() -> Iterator[list[LogEvent]]:
    """Give what the daemon's log is told meanwhile."""
    events: list[LogEvent] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        events.append(event)

    globalLogPublisher.addObserver(observe)
    try:
        yield events
    finally:
        globalLogPublisher.removeObserver(observe)
