"""One listener and its connections, which outlive the configuration that they started with."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.protocol import Factory

from corsgate.config.model.limits import Limits
from corsgate.config.model.values import Listener
from corsgate.gate.access_log import AccessLog
from corsgate.gate.served import Served
from corsgate.server.admission import Admission
from corsgate.server.alpn import over_tls
from corsgate.server.memory_budget import MemoryBudget
from corsgate.server.request import GateRequest
from corsgate.server.site import GateSite
from corsgate.server.tls import CertificateTable
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines


class Entrance(Factory):
    """Makes the protocol of each new connection, as the current configuration requires.

    The listening socket keeps this factory across reloads.

    Attributes:
        current: The factory for new connections.
    """

    noisy = False

    def __init__(self, current: IProtocolFactory) -> None:
        self.current = current

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Return the protocol for a new connection."""
        return self.current.buildProtocol(addr)  # type: ignore[arg-type]  # None for a Unix socket


class ListenerSite:
    """One listener and its connections; `use` changes its configuration.

    Args:
        served: What it serves initially.
        limits: Bounds on heads, bodies and times, which a reload changes in place.
        access_log: Gets a line for each request.
        admission: Counts the connections of all listeners.
        memory: Counts the bytes that wait in memory for all listeners.
        shortcuts: Which shortcuts to take.

    Attributes:
        served: What it serves now.
        site: The site, which has its connections.
        factory: The factory of the listening socket.
    """

    def __init__(
        self,
        served: Served,
        *,
        limits: Limits,
        deadlines: Deadlines,
        access_log: AccessLog,
        admission: Admission,
        memory: MemoryBudget,
        reactor: Any,
        shortcuts: Shortcuts = ALL,
    ) -> None:
        self.served = served
        self._access_log = access_log
        self._reactor = reactor
        self._now = deadlines.now
        self.site = GateSite(
            served.root,
            deadlines=deadlines,
            limits=limits,
            record=self._record,
            reactor=reactor,
            admission=admission,
            memory=memory,
            trusted_proxies=served.listener.trusted_proxies,
            shortcuts=shortcuts,
        )
        self.factory = Entrance(self._entrance(served))

    @property
    def listener(self) -> Listener:
        """Its configuration."""
        return self.served.listener

    @property
    def certificates(self) -> CertificateTable | None:
        """The certificates for new TLS connections; None for plain TCP."""
        return self.served.certificates

    def use(self, served: Served) -> None:
        """Serve a new configuration, starting with the next request and the next connection.

        Requests in flight finish under their old configuration. What connections remember about
        their last request belongs to the old resources, so it is not used again.
        """
        before, self.served = self.served, served
        self.site.resource = served.root
        self.site.connections.trust(served.listener.trusted_proxies)
        self.factory.current = self._entrance(served)
        before.root.end()

    def _entrance(self, served: Served) -> IProtocolFactory:
        """Return the factory of the protocols of new connections."""
        if served.certificates is None:
            return self.site
        return over_tls(self.site, served.certificates, served.make_http2, self._reactor)

    def _record(self, request: GateRequest) -> None:
        log = request.log
        if not log.id:
            self.served.client(request)
            self.served.count_unrouted(request)
        if log.counters is not None:
            log.counters.record(request, self._now())
        self._access_log.record(request)
