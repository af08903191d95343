"""One listener: its connections, which outlive the configuration that they began under."""

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
    """Makes the protocol of each new connection, by the configuration in force.

    The listening socket keeps it across reloads.

    Attributes:
        current: The factory of the connections that are accepted now.
    """

    noisy = False

    def __init__(self, current: IProtocolFactory) -> None:
        self.current = current

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Return the protocol for a new connection."""
        return self.current.buildProtocol(addr)  # type: ignore[arg-type]  # None for a Unix socket


class ListenerSite:
    """One listener and its connections; `use` replaces what it serves.

    Args:
        served: What it serves first.
        limits: Bounds on heads, bodies and times, which a reload changes in place.
        access_log: Gets a line for each request.
        admission: Counts the connections of all listeners.
        memory: Counts what waits in memory for all listeners.
        shortcuts: Which ones are taken.

    Attributes:
        served: What it serves.
        site: Has its connections.
        factory: What listens.
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
        """What TLS is spoken with on new connections; None for plain TCP."""
        return self.served.certificates

    def use(self, served: Served) -> None:
        """Serve something else from the next request and the next connection on.

        Requests in flight end under the configuration that they began under. What connections
        remember of their last request is for the old resources, so it is not used again.
        """
        before, self.served = self.served, served
        self.site.resource = served.root
        self.site.connections.trust(served.listener.trusted_proxies)
        self.factory.current = self._entrance(served)
        before.root.end()

    def _entrance(self, served: Served) -> IProtocolFactory:
        """Return what makes the protocols of new connections."""
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
