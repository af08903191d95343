"""The admin listener as an IService. It has a separate port, and stays open during a drain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from corsgate.admin.resource import AdminRoot
from corsgate.config.model.admin import FREE_ADMIN_LISTEN, SOCKET_MODE
from corsgate.config.model.endpoint import address_of, with_mode
from corsgate.config.model.limits import Limits
from corsgate.config.model.values import Config
from corsgate.errors import Fault, ListenError
from corsgate.gate.listen_fault import listen_fault
from corsgate.gate.service import GateService
from corsgate.message.host import HostRules
from corsgate.server.admission import Admission
from corsgate.server.proxy_protocol import listening_endpoint
from corsgate.server.site import GateSite
from corsgate.transport.address_text import address_text
from corsgate.transport.deadlines import Deadlines
from corsgate.transport.listening import adjust, tend

ADMIN_LIMITS = Limits(
    client_head_timeout_s=5.0,
    client_body_timeout_s=5.0,
    keep_alive_timeout_s=30.0,
    max_head_bytes=16 * 1024,
    max_connections=32,
    max_connections_per_client=32,
)
"""The limits for clients of the admin listener, which are separate from those of the gate."""


class AdminService(Service):
    """Serves the admin listener of the configuration in force.

    Args:
        gate: The gate.
        reactor: Listens and provides the time.
        populate: Adds the resources to the root of the tree.
        any_port: Whether to use a free port if the address is not available.

    Attributes:
        port: The listening port; None if it does not listen.
    """

    _log = Logger()

    def __init__(
        self,
        gate: GateService,
        reactor: Any,
        populate: Callable[[AdminRoot], None],
        *,
        any_port: bool = False,
    ) -> None:
        self.port: IListeningPort | None = None
        self._gate = gate
        self._reactor = reactor
        self._populate = populate
        self._any_port = any_port
        self._listen: str | None = None
        self._site: GateSite | None = None
        gate.status_page = lambda: self.url or ""

    def privilegedStartService(self) -> None:
        """Listen, if the configuration has an admin listener.

        Raises:
            ListenError: The address is not available.
        """
        super().privilegedStartService()
        admin = self._gate.config.admin
        if admin is None:
            return
        error = self._try(admin.listen)
        if error is not None and self._any_port:
            error = self._try(FREE_ADMIN_LISTEN)
            self._listen = admin.listen
        if error is not None:
            reason = getattr(getattr(error, "socketError", None), "errno", None)
            raise ListenError([self._fault(admin.listen, error, ())], reason)

    def startService(self) -> None:
        """Log the address."""
        super().startService()
        self._announce(in_summary=True)

    def stopService(self) -> Deferred[Any]:
        """Keep listening until the gate has drained, then close all connections."""
        super().stopService()
        drained: Deferred[None] = self._gate.when_stopped()
        return drained.addCallback(lambda _: self._close())

    def follow(self, config: Config) -> None:
        """Listen on the address of a new configuration.

        Args:
            config: The configuration that is about to come into force.

        Raises:
            ListenError: The new address is not available. Nothing has changed.
        """
        wanted = None if config.admin is None else config.admin.listen
        if wanted == self._listen or not self.running:
            return
        port, site = self.port, self._site
        if wanted is None:
            self.port = self._site = self._listen = None
        elif self._listen is not None and address_of(wanted) == address_of(self._listen):
            adjust(port, wanted)
            self._listen = wanted
            return
        else:
            error = self._try(wanted)
            if error is not None:
                own = [each.listener.endpoint for each in self._gate.listeners]
                own += [] if self._listen is None else [self._listen]
                raise ListenError([self._fault(wanted, error, own)])
            self._announce()
        _close(port, site)

    def _try(self, text: str) -> Exception | None:
        """Listen on an endpoint; return the exception if that fails, otherwise None."""
        is_unix = text.partition(":")[0].lower() == "unix"
        root = AdminRoot(HostRules.build(None, loopback=not is_unix))
        self._populate(root)
        deadlines = Deadlines(self._reactor)
        site = GateSite(
            root,
            deadlines=deadlines,
            limits=ADMIN_LIMITS,
            record=lambda request: None,
            reactor=self._reactor,
            admission=Admission(deadlines, ADMIN_LIMITS, owner="the admin listener"),
        )
        ports: list[IListeningPort] = []
        errors: list[Any] = []
        try:
            endpoint = listening_endpoint(self._reactor, with_mode(text, SOCKET_MODE))
            listening: Deferred[IListeningPort] = endpoint.listen(site)
        except Exception as error:
            # The parser of an endpoint may raise any exception for invalid arguments.
            return error
        listening.addCallbacks(ports.append, errors.append)
        if errors:
            return errors[0].value  # type: ignore[no-any-return]  # a Failure's value
        (port,) = ports
        tend(port, self._reactor, lambda: None)
        self.port, self._site, self._listen = port, site, text
        return None

    @property
    def url(self) -> str | None:
        """The address of the status page or the path of the socket; None if it does not listen."""
        if self.port is None:
            return None
        address = address_text(self.port.getHost())
        return address if address.startswith("unix:") else f"http://{address}/"

    def _announce(self, *, in_summary: bool = False) -> None:
        if self.url is not None:
            self._log.info("status and metrics: {url}", url=self.url, in_summary=in_summary)

    def _close(self) -> Deferred[Any]:
        port, site = self.port, self._site
        self.port = self._site = self._listen = None
        return _close(port, site)

    def _fault(self, text: str, error: Exception, own: Sequence[str]) -> Fault:
        return listen_fault(self._gate.file, "admin.listen", text, error, own)


def _close(port: IListeningPort | None, site: GateSite | None) -> Deferred[Any]:
    """Stop listening, and cut all connections, since event streams never end on their own."""
    if port is None or site is None:
        return succeed(None)
    stopped = maybeDeferred(port.stopListening)
    emptied = site.drain()
    site.abort()
    return gatherResults([stopped, emptied])
