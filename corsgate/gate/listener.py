"""One listener: what it serves, and who its clients are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IProtocolFactory
from twisted.logger import Logger

from corsgate.config.model.endpoint import is_loopback
from corsgate.config.model.values import Config, Listener
from corsgate.errors import BadValue
from corsgate.gate.access_log import AccessLog
from corsgate.gate.error_page import Problem, render
from corsgate.gate.exchange import Exchange
from corsgate.gate.proxied_host import ProxiedHost
from corsgate.gate.resource import GateRoot
from corsgate.gate.runtime import Runtime
from corsgate.message.client import Client
from corsgate.message.forwarded import UNKNOWN, client_address, trusted
from corsgate.message.host import HostRules
from corsgate.routing import Match
from corsgate.server.admission import Admission, client_key
from corsgate.server.alpn import HTTP1, HTTP2, find_http2, over_tls
from corsgate.server.memory_budget import MemoryBudget
from corsgate.server.request import GateRequest
from corsgate.server.site import GateSite
from corsgate.server.tls import CertificateTable
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines
from corsgate.transport.files import read_file


class ListenerSite:
    """What one listener serves: it knows who the client is, and starts the exchange.

    Args:
        listener: Its configuration.
        config: The whole configuration.
        plan: The configuration made ready.
        access_log: Gets a line for each request.
        new_id: Answers a request id.
        admission: Counts the connections of all listeners.
        memory: Counts what waits in memory for all listeners.
        shortcuts: Which ones are taken.

    Attributes:
        certificates: What TLS is spoken with; None for plain TCP.
        factory: What listens.

    Raises:
        BadValue: OpenSSL refuses a certificate.
    """

    _log = Logger()

    def __init__(
        self,
        listener: Listener,
        config: Config,
        plan: Runtime,
        *,
        deadlines: Deadlines,
        access_log: AccessLog,
        new_id: Callable[[], str],
        admission: Admission,
        memory: MemoryBudget,
        reactor: Any,
        shortcuts: Shortcuts = ALL,
    ) -> None:
        self.listener = listener
        self._plan = plan
        self._new_id = new_id
        self._access_log = access_log
        hosts = HostRules.build(config.hosts, loopback=is_loopback(listener.endpoint))
        proxies = listener.trusted_proxies
        misdirects = ProxiedHost(hosts, proxies).is_refused if proxies else None
        root = GateRoot(plan.table, hosts, self._serve, self._answer, misdirects)
        self.site = GateSite(
            root,
            deadlines=deadlines,
            limits=config.limits,
            record=self._record,
            reactor=reactor,
            admission=admission,
            memory=memory,
            trusted_proxies=listener.trusted_proxies,
            shortcuts=shortcuts,
        )
        self.certificates: CertificateTable | None = None
        self.factory: IProtocolFactory = self.site
        if listener.certificates:
            make_http2 = find_http2() if listener.http2 else None
            protocols = (HTTP1,) if make_http2 is None else (HTTP2, HTTP1)
            self.certificates = CertificateTable(listener.certificates, protocols)
            self.factory = over_tls(self.site, self.certificates, make_http2, reactor)

    def reread_certificates(self) -> None:
        """Use what the certificates' files hold now, or go on with those in use; tell which."""
        if self.certificates is None:
            return
        endpoint = self.listener.endpoint
        try:
            self.certificates.reread(read_file)
        except (OSError, BadValue) as error:
            self._log.error(
                "SIGHUP: {endpoint} goes on with its old certificates: {problem}",
                endpoint=endpoint,
                problem=str(error),
            )
        else:
            self._log.info("SIGHUP: {endpoint} has read its certificates again", endpoint=endpoint)

    def _client(self, request: GateRequest) -> Client:
        """Return who asks, and note it for the log."""
        known = request.memo.client
        if known is None:
            known = request.memo.client = self._find_client(request)
        client, shown = known
        request.client_key = client.key
        request.log.id = self._new_id()
        request.log.client = shown
        return client

    def _find_client(self, request: GateRequest) -> tuple[Client, str]:
        networks = self.listener.trusted_proxies
        peer = getattr(request.client, "host", UNKNOWN)
        is_trusted = bool(networks) and trusted(peer, networks)
        shown = client_address(request.head.headers, peer, networks) if is_trusted else peer
        client = Client(
            peer=peer,
            trusted=is_trusted,
            scheme=b"https" if request.isSecure() else b"http",
            authority=request.authority,
            key=None if shown == UNKNOWN else client_key(shown),
        )
        return client, shown

    def _serve(self, request: GateRequest, match: Match) -> None:
        client = self._client(request)
        plan = self._plan.of(match)
        request.log.route = plan.label
        Exchange(request, plan, client).start()

    def _answer(self, request: GateRequest, problem: Problem) -> None:
        """Return a request that belongs to no route."""
        self._client(request)
        # The log says what the client is told, unless somebody has said more.
        request.log.conclude(problem.detail)
        accept = request.index.get(b"accept", ())
        head, body = render(problem, accept, request.log.id)
        request.respond(head, body)

    def _record(self, request: GateRequest) -> None:
        if not request.log.id:
            self._client(request)
        self._access_log.record(request)
