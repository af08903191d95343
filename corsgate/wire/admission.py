"""Which clients' connections are taken on: so many in all, and so many of each client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

import attrs
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger

from corsgate.config.model import Limits
from corsgate.message.forwarded import trusted
from corsgate.wire.sweeper import NEVER, Sweeper

REPORT_INTERVAL_S = 10.0
"""How long refusals are counted before a line of the log tells of them all."""

_CLIENT_PREFIX_V6 = 64


def client_key(host: str) -> str:
    """Answer what a client is counted by.

    One host is commonly given a whole IPv6 /64 (RFC 6177), so that its single addresses say
    nothing.

    Args:
        host: An IP address, perhaps with a zone, as a socket tells it.

    Returns:
        An IPv4 address, also for one mapped into IPv6, or an IPv6 /64 network.
    """
    if ":" not in host:
        return host
    address = ip_address(host.partition("%")[0])
    assert isinstance(address, IPv6Address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, _CLIENT_PREFIX_V6), strict=False))


@attrs.frozen(eq=False)
class Admitted:
    """One connection that was taken on; it counts until it is given back.

    Attributes:
        client: What its client is counted by, or None for one that isn't.
    """

    client: str | None


class Admission:
    """Counts the clients' connections of all listeners, and refuses those past a bound.

    Args:
        sweeper: Says when the log is to tell of refusals.
        limits: How many connections there may be, in all and of each client.

    Attributes:
        deadline_s: For the sweeper: when the log is to tell of refusals.
        connections: How many there are.
    """

    _log = Logger()

    def __init__(self, sweeper: Sweeper, limits: Limits) -> None:
        self.deadline_s = NEVER
        self.connections = 0
        self._sweeper = sweeper
        self._most = limits.max_connections
        self._most_per_client = limits.max_connections_per_client
        self._of_client: Counter[str] = Counter()
        self._refused = 0
        self._refused_of_client = 0
        self._last_refused = ""

    @property
    def clients(self) -> int:
        """How many clients are counted at the moment."""
        return len(self._of_client)

    def admit(
        self, address: IAddress | None, exempt: Sequence[IPv4Network | IPv6Network] = ()
    ) -> Admitted | None:
        """Count a connection, or refuse it.

        Args:
            address: Its client's; one without a host, as a Unix socket's, has the bound in all
                only.
            exempt: Networks whose clients have it only, too: proxies that speak for many.

        Returns:
            What `leave` wants once the connection is gone; None where it is refused.
        """
        host = getattr(address, "host", None)
        if self.connections >= self._most:
            self._refuse(None)
            return None
        client = None
        if host is not None and not (exempt and trusted(host, exempt)):
            client = client_key(host)
            if self._of_client[client] >= self._most_per_client:
                self._refuse(client)
                return None
            self._of_client[client] += 1
        self.connections += 1
        return Admitted(client)

    def leave(self, admitted: Admitted) -> None:
        """Count a connection no longer."""
        self.connections -= 1
        client = admitted.client
        if client is not None:
            self._of_client[client] -= 1
            if not self._of_client[client]:
                del self._of_client[client]

    def timed_out(self) -> None:
        """Tell of the refusals so far."""
        self.report()

    def report(self) -> None:
        """Tell the log of the refusals so far: a flood of them makes no flood of lines."""
        self.deadline_s = NEVER
        self._sweeper.discard(self)
        in_all, self._refused = self._refused, 0
        of_client, self._refused_of_client = self._refused_of_client, 0
        if in_all:
            self._log.warn(
                "{count} connection(s) refused past max_connections = {most} of [limits]",
                count=in_all,
                most=self._most,
            )
        if of_client:
            self._log.warn(
                "{count} connection(s) refused past max_connections_per_client = {most} of"
                " [limits], the last one of {client}; a proxy that speaks for many clients"
                " belongs in trusted_proxies",
                count=of_client,
                most=self._most_per_client,
                client=self._last_refused,
            )

    def _refuse(self, client: str | None) -> None:
        if client is None:
            self._refused += 1
        else:
            self._refused_of_client += 1
            self._last_refused = client
        if self.deadline_s == NEVER:
            self.deadline_s = self._sweeper.now() + REPORT_INTERVAL_S
            self._sweeper.add(self)
