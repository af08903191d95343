"""The listening sockets: which listener each belongs to, and how a reload changes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.python.failure import Failure

from corsgate.config.model.endpoint import (
    address_of,
    is_handed_over,
    with_backlog,
)
from corsgate.config.model.limits import Limits
from corsgate.errors import Fault, ListenError
from corsgate.gate.drain import Drain
from corsgate.gate.listen_fault import COMMAND_LINE, errno_of, listen_fault
from corsgate.gate.listener import ListenerSite
from corsgate.gate.start_lines import listening_line
from corsgate.server.proxy_protocol import listening_endpoint
from corsgate.transport.fast_write import bound_unsent
from corsgate.transport.listening import adjust, stop_listening, tend


@attrs.define(eq=False)
class Socket:
    """A listener and its listening socket.

    Attributes:
        site: The listener.
        endpoint: Opens the socket.
        port: The socket; None before it is open.
    """

    site: ListenerSite
    endpoint: IStreamServerEndpoint
    port: IListeningPort | None = None

    @property
    def text(self) -> str:
        """The listener's endpoint, as it is configured."""
        return self.site.listener.endpoint


class Listening:
    """The listening sockets of the gate.

    Args:
        reactor: The reactor to listen with.
        short: Called if there is no file descriptor left for a connection.

    Attributes:
        sockets: The sockets of the current configuration, in its order.
        leaving: Listeners of earlier configurations that still have connections, each with a
            Deferred that fires when its last connection has ended.
    """

    def __init__(self, reactor: Any, short: Callable[[], None]) -> None:
        self._reactor = reactor
        self._short = short
        self.sockets: Sequence[Socket] = ()
        self.leaving: dict[ListenerSite, Deferred[Any]] = {}

    @property
    def ports(self) -> list[IListeningPort]:
        """The open sockets."""
        return [each.port for each in self.sockets if each.port is not None]

    def open(
        self,
        sockets: Sequence[Socket],
        numbers: Sequence[int],
        file: str,
        admin: str | None = None,
    ) -> Deferred[None]:
        """Open all of some sockets, or none of them.

        Args:
            sockets: The sockets to open.
            numbers: The index of each listener in the configuration, for faults.
            file: The configuration's name, for faults.
            admin: The endpoint of the admin listener, or None.

        Returns:
            A Deferred that fails with ListenError if one can't be opened; then all others are
            closed. With Twisted's own endpoints, it has already fired when this returns.
        """
        opening = [maybeDeferred(each.endpoint.listen, each.site.factory) for each in sockets]

        def opened(results: Sequence[tuple[bool, Any]]) -> None:
            faults: list[Fault] = []
            reasons: list[int | None] = []
            for (succeeded, result), socket, number in zip(results, sockets, numbers, strict=True):
                if succeeded:
                    socket.port = result
                    tend(result, self._reactor, self._short)
                else:
                    own = [each.text for each in self.sockets if each not in sockets]
                    own += [] if admin is None else [admin]
                    faults.append(
                        listen_fault(file, _key(file, number), socket.text, result.value, own)
                    )
                    reasons.append(errno_of(result.value))
            if faults:
                # Don't wait for this, since a start has to fail immediately.
                self.close(sockets)
                raise ListenError(faults, reasons[-1])

        return DeferredList(opening, consumeErrors=True).addCallback(opened)

    def close(self, sockets: Sequence[Socket]) -> Deferred[Any]:
        """Close sockets to which no client can have connected yet."""
        closing = []
        for each in sockets:
            port, each.port = each.port, None
            if port is not None:
                closing.append(maybeDeferred(port.stopListening))
        return DeferredList(closing)

    def use(self, sockets: Sequence[Socket], limits: Limits) -> None:
        """Use these sockets from now on; all others close and drain.

        Args:
            sockets: The sockets, which are open.
            limits: How long connections of the other sockets may continue.
        """
        before, self.sockets = self.sockets, tuple(sockets)
        for each in before:
            if each not in self.sockets:
                self._drain(each, limits)

    def _drain(self, socket: Socket, limits: Limits) -> None:
        """Close a socket, and drain the connections of its listener."""
        leaving = socket.site
        drain = Drain(
            [leaving.site],
            limits,
            self._reactor,
            ended=f"{socket.text} closed",
            outcome="its listener was removed",
        )
        self.leaving[leaving] = ended = drain.run([self._stop(socket)])

        def forget(result: object) -> object:
            del self.leaving[leaving]
            return result

        ended.addBoth(forget)

    def cut_leaving(self) -> None:
        """Cut the connections of listeners of earlier configurations."""
        for site in list(self.leaving):
            site.site.abort()

    def stop(self) -> list[Deferred[Any]]:
        """Accept the pending connections, and close all sockets; return a Deferred for each."""
        stopped = [self._stop(each) for each in self.sockets if each.port is not None]
        for each in self.sockets:
            each.port = None
        return stopped

    def _stop(self, socket: Socket) -> Deferred[Any]:
        handed_over = is_handed_over(socket.text)
        return stop_listening(socket.port, self._reactor, handed_over=handed_over)

    def find(self, endpoint: str, others: Sequence[Socket]) -> Socket | None:
        """Return the socket that an endpoint can keep using, unless it is among others.

        Only the address must be the same. The backlog of a TCP socket and the mode of a Unix socket
        can be changed in place.
        """
        address = address_of(endpoint)
        return next(
            (
                each
                for each in self.sockets
                if each not in others and address_of(each.text) == address
            ),
            None,
        )

    def make(self, site: ListenerSite) -> Socket:
        """Return the socket of a listener, not yet open.

        Raises:
            Exception: The endpoint's arguments are bad. The endpoint's parser decides on the type.
        """
        text = with_backlog(site.listener.endpoint)
        return Socket(site, listening_endpoint(self._reactor, text))

    def bad_endpoint(self, file: str, number: int, text: str) -> Fault:
        """Return the fault of an endpoint for which `make` has just raised an exception."""
        return listen_fault(file, _key(file, number), text, Failure().value, ())

    def began(self, sockets: Sequence[Socket]) -> Iterator[str]:
        """Prepare open sockets for connections; return a log line for each."""
        for each in sockets:
            if each.port is not None:
                bound_unsent(each.port)
                yield listening_line(each.site.listener, each.port.getHost())


def adjust_socket(socket: Socket, before: str) -> None:
    """Apply changed options of an endpoint to its socket, which is kept.

    Args:
        socket: The socket, whose listener already has the new endpoint.
        before: The endpoint for which it was opened.
    """
    if socket.text != before and socket.port is not None:
        adjust(socket.port, with_backlog(socket.text))


def _key(file: str, number: int) -> str:
    return "--listen" if file == COMMAND_LINE else f"listen[{number}]"
