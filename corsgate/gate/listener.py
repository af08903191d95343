"""One listener: what it serves, and who its clients are."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from twisted.internet.interfaces import IProtocolFactory
from twisted.logger import Logger

from corsgate.config.model.endpoint import is_loopback
from corsgate.config.model.values import Config, Listener
from corsgate.errors import BadValue
from corsgate.gate.access_log import AccessLog
from corsgate.gate.error_page import Problem
from corsgate.gate.exchange import Exchange
from corsgate.gate.own_responses import respond
from corsgate.gate.proxied_host import ProxiedHost
from corsgate.gate.resource import GateRoot
from corsgate.gate.runtime import CompiledRoute, Runtime
from corsgate.message.client import Client, gate_origin
from corsgate.message.forwarded import UNKNOWN, client_address, trusted
from corsgate.message.host import HostRules
from corsgate.server.admission import Admission, client_key
from corsgate.server.alpn import HTTP1, HTTP2, find_http2, over_tls
from corsgate.server.fields_memo import FieldsMemo
from corsgate.server.memory_budget import MemoryBudget
from corsgate.server.request import GateRequest
from corsgate.server.site import GateSite
from corsgate.server.tls import CertificateTable
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines
from corsgate.transport.files import read_file
from corsgate.transport.inherited import is_loopback_socket

_LONGEST_REMEMBERED = 256


class ListenerSite:
    """What one listener serves: it knows who the client is, and starts the exchange.

    Args:
        listener: Its configuration.
        config: The whole configuration.
        runtime: The configuration made ready.
        access_log: Gets a line for each request.
        new_id: Returns a request id.
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
        runtime: Runtime,
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
        self._new_id = new_id
        self._access_log = access_log
        endpoint = listener.endpoint
        # The string does not say where a socket from systemd listens; the socket does.
        loopback = is_loopback(endpoint) or is_loopback_socket(endpoint, reactor)
        self._hosts_checked = config.hosts is not None or loopback
        hosts = HostRules.build(config.hosts, loopback=loopback)
        proxies = listener.trusted_proxies
        misdirects = ProxiedHost(hosts, proxies).is_refused if proxies else None
        serve = self._serve if shortcuts.memo else self._serve_anew
        root = GateRoot(runtime.table, hosts, serve, self._respond, self._admit, misdirects)
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
        """Use what the certificates' files hold now, or go on with those in use; log which."""
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
        scheme, authority = b"https" if request.isSecure() else b"http", request.authority
        is_checked = self._hosts_checked
        if networks and trusted(peer, networks):
            shown = client_address(request.head.headers, peer, networks)
            client = _client_of(
                peer, scheme, authority, shown, is_checked=is_checked, is_trusted=True
            )
            return client, shown
        if len(authority) > _LONGEST_REMEMBERED:
            return _client_of(peer, scheme, authority, peer, is_checked=is_checked), peer
        return _known_client(peer, scheme, authority, is_checked), peer

    def _admit(self, request: GateRequest, route: CompiledRoute) -> CompiledRoute:
        """Return the route that serves a request, of one that restricts what its requests reach."""
        assert route.reach is not None, "it restricts nothing"
        return route.reach.admitted(
            request, route, lambda: gate_origin(self._client(request), request.head.headers)
        )

    def _serve(self, request: GateRequest, route: CompiledRoute) -> None:
        client = self._client(request)
        request.log.route = route.label
        Exchange(request, route, client).start()

    def _serve_anew(self, request: GateRequest, route: CompiledRoute) -> None:
        """Serve a request as if none had had the same fields before."""
        request.memo = FieldsMemo()
        self._serve(request, route)

    def _respond(self, request: GateRequest, problem: Problem) -> None:
        """Respond to a request that belongs to no route."""
        self._client(request)
        respond(request, problem)

    def _record(self, request: GateRequest) -> None:
        if not request.log.id:
            self._client(request)
        self._access_log.record(request)


def _client_of(
    peer: str,
    scheme: bytes,
    authority: bytes,
    shown: str,
    *,
    is_checked: bool,
    is_trusted: bool = False,
) -> Client:
    return Client(
        peer=peer,
        trusted=is_trusted,
        scheme=scheme,
        authority=authority,
        key=None if shown == UNKNOWN else client_key(shown),
        hosts_checked=is_checked,
        address=shown,
    )


@lru_cache(maxsize=1024)
def _known_client(peer: str, scheme: bytes, authority: bytes, is_checked: bool) -> Client:
    """Return a client that no trusted proxy speaks for: the same value for all its requests."""
    return _client_of(peer, scheme, authority, peer, is_checked=is_checked)
