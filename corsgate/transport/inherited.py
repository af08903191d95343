"""Listening sockets that systemd opened and passed to the process.

The descriptors stay open as long as the process runs: each listener accepts from a duplicate. So a
reload can close a listener and add it again, and nothing here ever shuts down a socket that the
next process needs.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred, execute
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.internet.tcp import Port
from twisted.internet.unix import Port as UnixPort
from zope.interface import implementer

from corsgate.config.model.endpoint import handed_over, is_handed_over
from corsgate.errors import BadValue
from corsgate.message.host import is_loopback_address
from corsgate.transport.address_text import address_text

_NAMES = "LISTEN_FDNAMES"
_UNIT = "FileDescriptorName= of the socket unit"


@attrs.frozen(kw_only=True)
class InheritedSocket:
    """A socket that was handed over.

    Attributes:
        index: Its number, counted from 0.
        name: Its name; several sockets may have the same one.
        fileno: Its descriptor.
        family: Its address family, or None if it is not a listening stream socket.
        address: Where it listens, for messages.
        is_loopback: Whether only programs on this machine can connect to it by TCP.
    """

    index: int
    name: str
    fileno: int
    family: int | None
    address: str
    is_loopback: bool


def inherited_sockets(
    reactor: Any, environ: Mapping[str, str] = os.environ
) -> Sequence[InheritedSocket]:
    """Return the sockets that were handed over to this process, in their order.

    Twisted reads and removes LISTEN_PID and LISTEN_FDS when it is imported, so only its endpoints
    know the descriptors. LISTEN_FDNAMES is left. Twisted ignores all sockets if it is incomplete.

    Args:
        reactor: The reactor, for Twisted's endpoints.
        environ: The environment.

    Source: sd_listen_fds(3).
    """
    names = environ.get(_NAMES, "")
    if not names:
        return ()
    return [
        _inspected(index, name, fileno)
        for index, (name, fileno) in enumerate(
            zip(names.split(":"), _descriptors(reactor), strict=False)
        )
    ]


def find_socket(endpoint: str, sockets: Sequence[InheritedSocket]) -> InheritedSocket:
    """Return the socket that a ``systemd:`` endpoint names.

    Args:
        endpoint: A string for which `is_handed_over` is true.
        sockets: What was handed over.

    Raises:
        BadValue: There is none, or more than one, or it can't be listened on.
    """
    wanted = handed_over(endpoint)
    if not sockets:
        raise BadValue(
            f"systemd handed over no socket for {endpoint!r}",
            "enable the socket unit, and start the service by it",
        )
    if wanted.name is not None:
        found = [each for each in sockets if each.name == wanted.name]
    else:
        found = [each for each in sockets if each.index == wanted.index]
    if not found:
        names = ", ".join(dict.fromkeys(repr(each.name) for each in sockets))
        raise BadValue(
            f"systemd handed over no socket for {endpoint!r}, but {len(sockets)} named {names}",
            f"use one of these names, or set {_UNIT}",
        )
    if len(found) > 1:
        places = ", ".join(f"index={each.index} ({each.address})" for each in found)
        raise BadValue(
            f"systemd handed over {len(found)} sockets named {wanted.name!r}: {places}",
            "put each into a socket unit with a FileDescriptorName= of its own, or give an index",
        )
    (only,) = found
    if only.family is None:
        raise BadValue(
            f"{endpoint!r} is not a listening stream socket: {only.address}",
            "use ListenStream= and Accept=no in the socket unit",
        )
    domain = socket.AddressFamily(only.family).name.removeprefix("AF_")
    if wanted.domain not in (None, domain):
        raise BadValue(
            f"{endpoint!r} has the domain {wanted.domain}, but the socket is {domain}",
            f"write domain={domain}, or leave the domain out",
        )
    return only


def unused_sockets(
    endpoints: Sequence[str], sockets: Sequence[InheritedSocket]
) -> Iterator[InheritedSocket]:
    """Return the sockets that were handed over but are named by no endpoint.

    Args:
        endpoints: The endpoints of all listeners.
        sockets: What was handed over.
    """
    used = set()
    for endpoint in endpoints:
        if is_handed_over(endpoint):
            with suppress(BadValue):
                used.add(find_socket(endpoint, sockets).index)
    return (each for each in sockets if each.index not in used)


def is_loopback_socket(endpoint: str, reactor: Any) -> bool:
    """Return whether an endpoint is a socket from systemd that listens on loopback.

    Args:
        endpoint: A string that `check_endpoint` accepts. False for a wrapper such as ``haproxy:``,
            where a proxy in front passes on requests from anywhere.
        reactor: The reactor, for Twisted's endpoints.
    """
    if endpoint.partition(":")[0].lower() != "systemd":
        return False
    with suppress(BadValue):
        return find_socket(endpoint, inherited_sockets(reactor)).is_loopback
    return False


@implementer(IStreamServerEndpoint)
class InheritedEndpoint:
    """Accepts connections from an inherited socket, any number of times.

    Twisted's own endpoint closes the descriptor, so that it could be used only once.

    Args:
        reactor: The reactor that accepts.
        inherited: The socket.
    """

    def __init__(self, reactor: Any, inherited: InheritedSocket) -> None:
        self._reactor = reactor
        self._inherited = inherited

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Begin to accept."""
        return execute(self._adopt, protocolFactory)

    def _adopt(self, factory: IProtocolFactory) -> IListeningPort:
        fileno = self._inherited.fileno
        os.set_blocking(fileno, False)
        # sd_listen_fds(3): systemd leaves this to the service.
        os.set_inheritable(fileno, False)
        if self._inherited.family == socket.AF_UNIX:
            return InheritedUnixPort.adopt(self._reactor, fileno, factory)
        adopted = self._reactor.adoptStreamPort(fileno, self._inherited.family, factory)
        return cast(IListeningPort, adopted)


class InheritedUnixPort(UnixPort):
    """Accepts connections from a Unix socket that systemd created and will use again.

    Twisted's own class would make the socket writable for all users despite SocketMode=, set its
    backlog to 50, and at the end shut it down for all processes and remove its file.
    """

    # The next process, or systemd itself, uses the same socket.
    _shouldShutdown = False

    @classmethod
    def adopt(cls, reactor: Any, fileno: int, factory: IProtocolFactory) -> InheritedUnixPort:
        """Return a port that accepts from a duplicate of a descriptor."""
        duplicate = socket.fromfd(fileno, socket.AF_UNIX, socket.SOCK_STREAM)
        port = cls(duplicate.getsockname(), factory, reactor=reactor)
        port.socket = duplicate
        port.startListening()
        return port

    def startListening(self) -> None:
        """Accept; the socket already listens."""
        ours: Any = self
        ours.factory.doStart()
        ours.connected = True
        ours.fileno = ours.socket.fileno
        ours.numberAccepts = 100
        ours.startReading()

    def connectionLost(self, reason: Any) -> None:
        """Close the duplicate, and leave the file."""
        Port.connectionLost(self, reason)


def _descriptors(reactor: Any) -> Iterator[int]:
    index = 0
    while True:
        try:
            # The domain is not used before the endpoint listens, which this one never does.
            endpoint: Any = serverFromString(reactor, f"systemd:domain=INET:index={index}")
        except IndexError:
            return
        yield endpoint.fileno
        index += 1


def _inspected(index: int, name: str, fileno: int) -> InheritedSocket:
    family, address, is_loopback = None, "", False
    try:
        with socket.socket(fileno=os.dup(fileno)) as opened:
            address = address_text(opened.getsockname())
            if opened.type != socket.SOCK_STREAM:
                address += ", not a stream"
            elif not opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                address += ", not listening"
            else:
                family = int(opened.family)
            if family in (socket.AF_INET, socket.AF_INET6):
                is_loopback = is_loopback_address(opened.getsockname()[0].partition("%")[0])
    except OSError as error:
        # It may be any file, such as a FIFO, or a descriptor that is already closed.
        address = f"descriptor {fileno}: {error.strerror}"
    return InheritedSocket(
        index=index,
        name=name,
        fileno=fileno,
        family=family,
        address=address,
        is_loopback=is_loopback,
    )
