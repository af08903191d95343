"""A request's body being received."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.python.failure import Failure

from corsgate.errors import BodyTooLarge
from corsgate.message.headers import HeaderList

SMALL_PIECE_BYTES = 4 * 1024
"""Up to this size, waiting pieces of a body are joined."""


class BodyReceiver(Protocol):
    """The receiver of a request's body, piece by piece."""

    def body_data(self, data: bytes) -> None:
        """Receive the next piece, which is never empty."""

    def body_ended(self) -> None:
        """The body is complete. No method is called after this."""

    def body_failed(self, reason: Failure) -> None:
        """The body will never be complete. No method is called after this."""


class RequestBody:
    """A request's body being received, bounded, and only as fast as its receiver reads it.

    Pieces that arrive before there is a receiver are kept. Above `max_buffered_bytes` the channel
    stops reading. One read of the transport may exceed that limit.

    Attributes:
        length: Its length in bytes; None if it is chunked.
        complete: Whether its end has arrived.
        retained: How many more bytes of it are in memory elsewhere: kept to be sent again, or in
            the buffer of a slow server. Whoever keeps them sets this.
        trailers: The trailers, once it is complete.
    """

    def __init__(
        self, length: int | None, max_buffered_bytes: int, update: Callable[[], None]
    ) -> None:
        self.length = length
        self.complete = False
        self.retained = 0
        self.trailers: HeaderList = []
        self._limit: int | None = None
        self._max_buffered_bytes = max_buffered_bytes
        self._update = update
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._received = 0
        self._receiver: BodyReceiver | None = None
        self._paused = False
        self._discarding = False
        self._failure: Failure | None = None
        self._send_continue: Callable[[], None] | None = None

    @property
    def limit(self) -> int | None:
        """The maximum size in bytes, or None. Above it, the receiver gets `BodyTooLarge`."""
        return self._limit

    @limit.setter
    def limit(self, limit: int | None) -> None:
        self._limit = limit
        # Bytes that arrived with the head are already here.
        self._check_limit()

    @property
    def held(self) -> int:
        """How many bytes of it are in memory."""
        return self._kept_bytes + self.retained

    @property
    def started(self) -> bool:
        """Whether a receiver may already have received a part of it."""
        return self._receiver is not None or self._discarding

    @property
    def received(self) -> int:
        """How many bytes of it have arrived."""
        return self._received

    @property
    def discarded(self) -> bool:
        """Whether the rest of it is discarded."""
        return self._discarding

    @property
    def has_receiver(self) -> bool:
        """Whether there is a receiver, which would be notified of a failure."""
        return self._receiver is not None

    @property
    def failed(self) -> bool:
        """Whether it will never be complete."""
        return self._failure is not None

    @property
    def wants_data(self) -> bool:
        """Whether the channel should continue to read this body."""
        if self._discarding or self.complete:
            return True
        if self._receiver is None:
            return self._kept_bytes < self._max_buffered_bytes
        return not self._paused

    @property
    def awaits_continue(self) -> bool:
        """Whether the client waits for 100 (Continue) before it sends it (RFC 9110 10.1.1)."""
        return self._send_continue is not None and not self.complete and not self._received

    def expect_continue(self, send_continue: Callable[[], None]) -> None:
        """Call `send_continue` when a receiver first asks for the body."""
        self._send_continue = send_continue

    def start(self, receiver: BodyReceiver, *, ask: bool = True) -> None:
        """Pass all bytes that have arrived or will arrive to `receiver`; call this only once.

        Args:
            receiver: The receiver.
            ask: Whether to send 100 (Continue) now to a client that waits for it.
        """
        assert self._receiver is None, "a body has one receiver"
        if self._failure is not None:
            receiver.body_failed(self._failure)
            return
        self._receiver = receiver
        if ask:
            self.ask()
        self._flush()
        self._update()

    def take_whole(self) -> bytes | None:
        """Return the body if it is already complete, instead of calling `start`; else None."""
        if not self.complete or self.started or self._failure is not None:
            return None
        data = b"".join(self._kept)
        self.discard()
        return data

    def ask(self) -> None:
        """Send 100 (Continue) if the client waits for it."""
        if self.awaits_continue and self._send_continue is not None:
            self._send_continue()
        self._send_continue = None

    def pause(self) -> None:
        """Stop passing pieces on; the channel stops reading."""
        self._paused = True
        self._update()

    def resume(self) -> None:
        """Pass pieces on again."""
        self._paused = False
        self._flush()
        self._update()

    def discard(self) -> None:
        """Discard the rest of it as it arrives; the receiver gets nothing more."""
        self._discarding = True
        self._receiver = None
        self._kept.clear()
        self._kept_bytes = self.retained = 0
        self._update()

    def data_received(self, data: bytes) -> None:
        """Accept a piece from the channel."""
        self._received += len(data)
        if self._discarding:
            return
        if self._limit is not None and self._check_limit():
            return
        if self._receiver is not None and not self._paused and not self._kept:
            self._receiver.body_data(data)
            return
        self._keep(data)

    def ended(self, trailers: HeaderList | None = None) -> None:
        """Accept the end from the channel."""
        self.complete = True
        if trailers:
            self.trailers = trailers
        if self._receiver is not None:
            self._flush()

    def fail(self, reason: Failure) -> None:
        """Notify the receiver, now or once there is one, that the body will never be complete."""
        if self._failure is not None or self._discarding:
            return
        self._failure = reason
        receiver = self._receiver
        self.discard()
        if receiver is not None:
            receiver.body_failed(reason)

    def _keep(self, data: bytes) -> None:
        """Keep a piece for later.

        Pieces are not joined into one buffer, because a growing buffer fragments the heap, which
        then takes twice the memory. But small pieces are joined, because each as a separate object
        could take thirty times its size.
        """
        self._kept_bytes += len(data)
        if self._kept and len(self._kept[-1]) + len(data) <= SMALL_PIECE_BYTES:
            self._kept[-1] += data
        else:
            self._kept.append(data)

    def _check_limit(self) -> bool:
        """Return whether the body is too large, in which case it has failed."""
        if self._limit is None or self._received <= self._limit:
            return False
        self.fail(Failure(BodyTooLarge()))
        return True

    def _flush(self) -> None:
        receiver = self._receiver
        if receiver is None or self._paused:
            return
        if self._kept:
            data = b"".join(self._kept)
            self._kept.clear()
            self._kept_bytes = 0
            receiver.body_data(data)
        # The receiver may have paused or discarded the body when it got the piece.
        if self.complete and not self._paused and self._receiver is receiver:
            self._receiver = None
            self._discarding = True
            receiver.body_ended()
