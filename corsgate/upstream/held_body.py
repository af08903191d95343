"""A body that waits until its server asks for it (RFC 9110 10.1.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from corsgate.message.head import ResponseHead
from corsgate.message.headers import Header, HeaderList
from corsgate.upstream.body import Body

EXPECT: Final[Header] = (b"Expect", b"100-continue")

EXPECTATION_FAILED: Final = 417

WAIT_S: Final = 1.0
"""How many seconds a body waits for 100 Continue, as in curl, since many servers ignore Expect."""

GRACE_S: Final = 0.25
"""How many seconds a body waits after 100 Continue for a challenge, in case that comes next."""

LATE_S: Final = 0.1
"""If the timer fires this many seconds late, the gate was busy: a response may just be unread."""


@implementer(IBodyProducer)
class HeldBody:
    """Holds a body back until 100 Continue, and sends it after `WAIT_S` without a response.

    Some servers send 100 Continue to every request, and only then look at its credentials. If a
    challenge is likely, the body waits `GRACE_S` longer for it.

    Until then nothing is read from the client, so that the request can be sent again. Stopping the
    body before that changes nothing. Stopping it later discards the rest that the client sends.

    Args:
        body: The body, of which nothing has been read.
        clock: The clock.
        ignored: Called when the server has sent nothing within `WAIT_S`, or has rejected Expect.
        heeded: Called when the server has sent 100 Continue.
        is_wary: Whether a challenge may follow 100 Continue.
        asks: Whether the request has Expect. Without it, the body only waits `GRACE_S` for a
            challenge.

    Attributes:
        asks: As above.
        length: In bytes, or `UNKNOWN_LENGTH`.
        is_released: Whether sending the body has started.
    """

    def __init__(
        self,
        body: Body,
        clock: IReactorTime,
        ignored: Callable[[], None],
        heeded: Callable[[], None],
        *,
        is_wary: bool = False,
        asks: bool = True,
    ) -> None:
        self.length = body.length
        self.is_released = False
        self._body = body
        self._clock = clock
        self._ignored = ignored
        self._heeded = heeded
        self.asks = asks
        self._is_wary = is_wary
        self._consumer: IConsumer | None = None
        self._done: Deferred[None] = Deferred()
        self._paused = False
        # Whether the server has sent 100 Continue.
        self._is_wanted = False
        self._timer: Any = None

    @property
    def replayable(self) -> bool:
        """Whether nothing of it has been read yet, or all of it is kept."""
        return not self.is_released or self._body.replayable

    @property
    def trailers(self) -> HeaderList:
        """The fields to send after it."""
        fields: HeaderList = getattr(self._body, "trailers", [])
        return fields

    def informed(self, head: ResponseHead) -> None:
        """Send the body, perhaps after a while, if an interim response is 100 Continue.

        Args:
            head: The interim response.
        """
        if head.status != 100:
            return
        self._heeded()
        if not self._is_wary:
            self._release()
        elif self._timer is not None and not self._is_wanted:
            # Some servers send it twice.
            self._is_wanted = True
            self._stop_timer()
            self._wait(GRACE_S, may_be_late=True)

    def responded(self, status: int) -> bool:
        """Stop waiting, since the final response has begun; return whether to omit Expect.

        A server that ignores Expect may begin a successful response before it has read the body,
        and then wait for the body. After any other response the body is never sent. A server that
        rejects Expect gets the request once more without it.

        Args:
            status: The response's status.
        """
        self._stop_timer()
        if 200 <= status < 300:
            self._release()
        rejected = status == EXPECTATION_FAILED and self.asks and not self.is_released
        if rejected:
            self._ignored()
        return rejected

    # Called by the upload.

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Wait; the Deferred fires when all of the body has been written."""
        assert not self.is_released, "a released body can't be sent again"
        self._consumer, self._done = consumer, Deferred()
        self._paused = self._is_wanted = False
        self._wait(WAIT_S if self.asks else GRACE_S, may_be_late=True)
        return self._done

    def pauseProducing(self) -> None:
        """Pause writing."""
        self._paused = True
        if self.is_released:
            self._body.pauseProducing()

    def resumeProducing(self) -> None:
        """Continue writing."""
        self._paused = False
        if self.is_released:
            self._body.resumeProducing()

    def stopProducing(self) -> None:
        """Stop waiting, or sending."""
        self._stop_timer()
        self._consumer = None
        if self.is_released:
            self._body.stopProducing()

    # Internals.

    def _wait(self, delay_s: float, *, may_be_late: bool) -> None:
        """Start the timer; if it may be late, it is started once more if it fires too late."""
        self._timer = self._clock.callLater(
            delay_s, self._waited, self._clock.seconds(), delay_s, may_be_late
        )

    def _waited(self, since_s: float, delay_s: float, may_be_late: bool) -> None:
        self._timer = None
        if may_be_late and self._clock.seconds() - since_s > delay_s + LATE_S:
            self._wait(delay_s, may_be_late=False)
            return
        if self.asks and not self._is_wanted:
            self._ignored()
        self._release()

    def _release(self) -> None:
        """Start sending the body, unless it has started or the connection has stopped it."""
        consumer = self._consumer
        if self.is_released or consumer is None:
            return
        self._stop_timer()
        self.is_released, self._consumer = True, None
        if self._paused:
            self._body.pauseProducing()
        self._body.startProducing(consumer).chainDeferred(self._done)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
