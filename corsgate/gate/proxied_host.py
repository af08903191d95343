"""Checks the host in a trusted proxy's fields, as Host is checked: it must be served here."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

from twisted.logger import Logger

from corsgate.gate.log_text import shown_bytes
from corsgate.message.forwarded import UNKNOWN, told_hosts, trusted
from corsgate.message.host import HostRules
from corsgate.server.request import GateRequest
from corsgate.transport.log_throttle import Throttle

_log = Logger()


class ProxiedHost:
    """Checks X-Forwarded-Host and Forwarded of one listener's trusted proxies.

    The host in these fields becomes the gate's own origin, which is in rewritten Location fields
    and in what the upstream gets. Without this check, a page could use DNS rebinding to reach the
    proxy by its own name, although Host would stop it.

    Args:
        hosts: The hosts that are served.
        networks: The listener's ``trusted_proxies``.
    """

    def __init__(self, hosts: HostRules, networks: Sequence[IPv4Network | IPv6Network]) -> None:
        self._hosts = hosts
        self._networks = networks
        self._throttle = Throttle()

    def is_refused(self, request: GateRequest) -> bool:
        """Return whether the proxy was asked for a host that is not served; log it if so."""
        # Computed once for all requests with the same fields.
        known = request.memo.refused_host
        if known is None or known[1] is not self:
            known = request.memo.refused_host = (self._find_refused(request), self)
        refused = known[0]
        if not refused:
            return False
        host = shown_bytes([refused])
        request.log.outcome = f"the proxy was asked for the host {host}, which is not served"
        more = self._throttle.due(request.arrived_s)
        if more is not None:
            _log.warn(
                "421: a trusted proxy was asked for the host {host}, which is not served;"
                " list it in hosts if it is the gate's{more}",
                host=host,
                more=more,
            )
        return True

    def _find_refused(self, request: GateRequest) -> bytes:
        """Return the first host of a trusted proxy's fields that is not served; empty for none."""
        if not trusted(getattr(request.client, "host", UNKNOWN), self._networks):
            return b""
        found = (host for host in told_hosts(request.index) if not self._hosts.allows(host))
        return next(found, b"")
