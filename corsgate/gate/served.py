"""The routes and the clients of one listener under one configuration."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from corsgate.config.model.values import Config, Listener
from corsgate.gate.compiled_route import CompiledRoute
from corsgate.gate.counters import RouteCounters
from corsgate.gate.error_page import Problem
from corsgate.gate.exchange import Exchange
from corsgate.gate.own_responses import respond
from corsgate.gate.proxied_host import ProxiedHost
from corsgate.gate.resource import GateRoot
from corsgate.gate.runtime import Runtime
from corsgate.gate.unrouted import Unrouted
from corsgate.message.client import Client, gate_origin
from corsgate.message.forwarded import UNKNOWN, client_address, trusted
from corsgate.message.host import HostRules
from corsgate.message.request_id import REQUEST_ID_NAME, given_id
from corsgate.server.admission import client_key
from corsgate.server.alpn import HTTP1, HTTP2, MakeHttp2, find_http2
from corsgate.server.fields_memo import FieldsMemo
from corsgate.server.request import GateRequest
from corsgate.server.tls import CertificateTable
from corsgate.shortcuts import ALL, Shortcuts

_LONGEST_REMEMBERED = 256


class Served:
    """The state of one listener under one configuration; a reload replaces it as a whole.

    It opens nothing and needs no reactor, so a thread can make it.

    Args:
        listener: The listener's configuration.
        config: The whole configuration.
        runtime: The routes and upstreams of the configuration.
        new_id: Returns a request id.
        loopback: Whether only programs on this machine can connect to the listener.
        unrouted: Counts the requests without a route.
        is_local: Whether all listeners are on loopback, without a trusted proxy.
        status_page: Returns the URL of the status page; empty if there is none.
        shortcuts: Which shortcuts to take.

    Attributes:
        listener: As for the class.
        root: The root of its resource tree.
        certificates: The certificates for TLS; None for plain TCP.
        make_http2: Makes HTTP/2 connections; None if HTTP/2 is not offered.

    Raises:
        BadValue: OpenSSL refuses a certificate.
    """

    def __init__(
        self,
        listener: Listener,
        config: Config,
        runtime: Runtime,
        *,
        new_id: Callable[[], str],
        loopback: bool,
        unrouted: RouteCounters,
        is_local: bool = False,
        status_page: Callable[[], str] = str,
        shortcuts: Shortcuts = ALL,
    ) -> None:
        self.listener = listener
        self._new_id = new_id
        self._unrouted = unrouted
        self._no_route = Unrouted(runtime.table.routes, is_local=is_local, status_page=status_page)
        self._hosts_checked = config.hosts is not None or loopback
        hosts = HostRules.build(config.hosts, loopback=loopback)
        proxies = listener.trusted_proxies
        misdirects = ProxiedHost(hosts, proxies).is_refused if proxies else None
        serve = self._serve if shortcuts.memo else self._serve_anew
        self.root = GateRoot(runtime.table, hosts, serve, self._respond, self._admit, misdirects)
        self.certificates: CertificateTable | None = None
        self.make_http2: MakeHttp2 | None = None
        if listener.certificates:
            self.make_http2 = find_http2() if listener.http2 else None
            protocols = (HTTP1,) if self.make_http2 is None else (HTTP2, HTTP1)
            self.certificates = CertificateTable(listener.certificates, protocols)

    def client(self, request: GateRequest) -> Client:
        """Return the client of a request, and record it for the log."""
        known = request.memo.client
        if known is None or known[2] is not self:
            known = self._know(request)
        client, shown, _ = known
        request.client_key = client.key
        request.log.id = client.request_id or self._new_id()
        request.log.client = shown
        return client

    def _know(self, request: GateRequest) -> tuple[Client, str, object]:
        """Find the client of a request, and remember it for requests with the same fields."""
        if request.memo.client is not None:
            # It is from another configuration, like everything else in the memo.
            request.renew_memo()
        request.memo.client = known = (*self._find_client(request), self)
        return known

    def _find_client(self, request: GateRequest) -> tuple[Client, str]:
        networks = self.listener.trusted_proxies
        peer = getattr(request.client, "host", UNKNOWN)
        scheme, authority = b"https" if request.isSecure() else b"http", request.authority
        is_checked = self._hosts_checked
        if networks and trusted(peer, networks):
            shown = client_address(request.head.headers, peer, networks)
            client = _client_of(
                peer,
                scheme,
                authority,
                shown,
                is_checked=is_checked,
                is_trusted=True,
                request_id=given_id(request.index.get(REQUEST_ID_NAME, ())),
            )
            return client, shown
        if len(authority) > _LONGEST_REMEMBERED:
            return _client_of(peer, scheme, authority, peer, is_checked=is_checked), peer
        return _known_client(peer, scheme, authority, is_checked), peer

    def _admit(self, request: GateRequest, route: CompiledRoute) -> CompiledRoute:
        """Return the route that serves a request, given a route with restrictions."""
        assert route.reach is not None, "the route has no restrictions"
        return route.reach.admitted(
            request, route, lambda: gate_origin(self.client(request), request.head.headers)
        )

    def _serve(self, request: GateRequest, route: CompiledRoute) -> None:
        client = self.client(request)
        request.log.route = route.label
        counters = route.counters
        if counters is not None:
            counters.in_flight += 1
            request.log.counters = counters
        Exchange(request, route, client).start()

    def _serve_anew(self, request: GateRequest, route: CompiledRoute) -> None:
        """Serve a request as if none with the same fields had come before."""
        request.memo = FieldsMemo()
        self._serve(request, route)

    def _respond(self, request: GateRequest, problem: Problem) -> None:
        """Respond to a request without a route."""
        client = self.client(request)
        self.count_unrouted(request)
        if problem.status == 404 and request.refusal is None:
            self._no_route.respond(request, client, problem)
        else:
            respond(request, problem)

    def count_unrouted(self, request: GateRequest) -> None:
        """Count a request without a route."""
        request.log.counters = self._unrouted
        self._unrouted.in_flight += 1


def _client_of(
    peer: str,
    scheme: bytes,
    authority: bytes,
    shown: str,
    *,
    is_checked: bool,
    is_trusted: bool = False,
    request_id: str = "",
) -> Client:
    return Client(
        peer=peer,
        trusted=is_trusted,
        scheme=scheme,
        authority=authority,
        key=None if shown == UNKNOWN else client_key(shown),
        hosts_checked=is_checked,
        address=shown,
        request_id=request_id,
    )


@lru_cache(maxsize=1024)
def _known_client(peer: str, scheme: bytes, authority: bytes, is_checked: bool) -> Client:
    """Return a client that uses no trusted proxy: the same value for all its requests."""
    return _client_of(peer, scheme, authority, peer, is_checked=is_checked)
