"""UDP ports that don't log: twisted.names uses one per query, and each would log four lines."""

from __future__ import annotations

from typing import Any

from twisted.internet.base import BasePort
from twisted.internet.error import CannotListenError
from twisted.internet.udp import Port


class QuietReactor:
    """A reactor whose UDP ports don't log their start and end.

    Args:
        reactor: The real reactor, which does everything else.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenUDP(
        self, port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192
    ) -> Port:
        """Listen; see `IReactorUDP`."""
        protocol.noisy = False
        quiet = _QuietPort(port, protocol, interface, maxPacketSize, self._reactor)
        quiet.startListening()
        return quiet


class _QuietPort(Port):
    """A `Port` whose methods are overridden where they would log."""

    def _bindSocket(self) -> None:
        try:
            made = self.createInternetSocket()
            made.bind((self.interface, self.port))
        except OSError as error:
            raise CannotListenError(self.interface, self.port, error) from error
        self._realPortNumber = made.getsockname()[1]
        self.connected = 1
        self.socket = made
        self.fileno = made.fileno  # type: ignore[method-assign]  # as Port does

    def connectionLost(self, reason: Any = None) -> None:
        self._realPortNumber = None
        self.maxThroughput = -1
        BasePort.connectionLost(self, reason)
        self.protocol.doStop()
        self.socket.close()
        del self.socket
        # The Deferred that `stopListening` returned, if it was called.
        stopped = self.__dict__.pop("d", None)
        if stopped is not None:
            stopped.callback(None)
