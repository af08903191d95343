"""Whether a server can be reached: one connection, which is closed at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from corsgate.config.model.values import Server, Upstream
from corsgate.errors import BadValue, CorsgateError
from corsgate.upstream.connector import Connector
from corsgate.upstream.hosts import Hosts
from corsgate.upstream.tls import creators


def unreachable(
    reactor: Any, upstream: Upstream, server: Server, timeout_s: float
) -> Deferred[str]:
    """Connect to a server, and verify its certificate if it is an https server.

    No request is sent.

    Args:
        reactor: Connects and tells the time.
        upstream: Says how certificates are verified.
        server: The server.
        timeout_s: How long it may take, in seconds.

    Returns:
        A Deferred of the reason why the server can't be reached; empty if it can.
    """
    try:
        tls = creators(upstream, [server]).get(server.origin)
    except BadValue as error:
        made: Deferred[str] = Deferred()
        made.callback(error.problem)
        return made
    opened: list[Protocol] = []

    def make() -> Any:
        opened.append(Protocol())
        return opened[-1]

    connecting: Deferred[Any] = Connector(
        reactor, server, tls, make, short=_nothing, hosts=Hosts()
    ).connect(timeout_s)
    connecting.addCallback(lambda _: "").addErrback(_words, server)
    return connecting.addBoth(_close, opened)


def _nothing() -> None:
    """Close nothing: a gate that has just started has no connection to spare."""


def _words(failure: Failure, server: Server) -> str:
    failure.trap(CorsgateError)
    return failure.getErrorMessage().removeprefix(f"{server.origin}: ")


def _close(result: Any, opened: list[Protocol]) -> Any:
    for protocol in opened:
        abort: Callable[[], None] | None = getattr(protocol.transport, "abortConnection", None)
        if abort is not None:
            abort()
    return result
