"""Questions to DNS, by twisted.names, with the time for which each answer holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs
from twisted.internet.defer import CancelledError, TimeoutError
from twisted.names.client import Resolver
from twisted.names.dns import AAAA, CNAME, PORT, SRV, A
from twisted.names.error import (
    DNSNameError,
    DNSQueryRefusedError,
    DNSQueryTimeoutError,
    DNSServerError,
)

from corsgate.balance.discovered import Service
from corsgate.errors import CorsgateError
from corsgate.upstream.hosts import Hosts
from corsgate.upstream.quiet_udp import QuietReactor

SYSTEM_RESOLVERS = "/etc/resolv.conf"

TIMEOUTS_S = (1, 2, 4)
"""How long each try to ask may take."""

HOSTS_TTL_S = 30.0
"""How long the hosts file is trusted to stay as it is."""

MOST_S = 30.0
"""How long a question may take as a whole, whatever servers there are and however they answer."""

_T = TypeVar("_T")


class LookupFailed(CorsgateError):
    """DNS has no usable answer."""


@attrs.frozen(kw_only=True)
class Found(Generic[_T]):
    """What a question brought.

    Attributes:
        values: At least one.
        ttl_s: How long they may be used.
    """

    values: tuple[_T, ...]
    ttl_s: float


class Lookup:
    """Asks the hosts file, then DNS servers.

    The system's servers are read anew each time: a machine that moves has others.

    Args:
        reactor: Sends the questions.
        server: The address and port to ask; None for the system's servers.
        hosts: Knows the names that come before DNS; by default the system's do.
    """

    def __init__(
        self,
        reactor: Any,
        server: tuple[str, int] | None = None,
        hosts: Hosts | None = None,
    ) -> None:
        self._reactor = QuietReactor(reactor)
        self._server = server
        self._hosts = hosts or Hosts()

    async def addresses(self, name: str) -> Found[str]:
        """Return a host's addresses: its IPv4 ones, or its IPv6 ones where it has none.

        Those of both kinds would be the same machines twice.

        Args:
            name: The whole name; no search list is applied.

        Raises:
            LookupFailed: It has none, or no server responds.
        """
        known = self._hosts.addresses(name)
        if known:
            values = tuple(sorted(each for each in known if ":" not in each) or sorted(known))
            return Found(values=values, ttl_s=HOSTS_TTL_S)
        for kind in (A, AAAA):
            # A server that fails to say whether there are IPv4 addresses hasn't said that there
            # are none: going on then would exchange all servers for others.
            answers = await self._ask(name, kind)
            values = tuple(
                sorted({each.payload.dottedQuad() for each in answers if each.type == A})
                if kind == A
                else sorted({_ipv6(each.payload) for each in answers if each.type == AAAA})
            )
            if values:
                return Found(values=values, ttl_s=_ttl(answers, kind))
        raise LookupFailed(f"{name}: it has no address")

    async def services(self, name: str) -> Found[Service]:
        """Return a service's records (RFC 2782).

        Raises:
            LookupFailed: There are none, or no server responds.
        """
        answers = await self._ask(name, SRV)
        values = tuple(
            Service(
                priority=each.payload.priority,
                weight=each.payload.weight,
                port=each.payload.port,
                target=each.payload.target.name.decode("ascii", "replace").rstrip(".").lower(),
            )
            for each in answers
            if each.type == SRV and each.payload.target.name.rstrip(b".")
        )
        if not values:
            raise LookupFailed(f"{name}: there is no such service")
        return Found(values=values, ttl_s=_ttl(answers, SRV))

    async def _ask(self, name: str, kind: int) -> Sequence[Any]:
        """Return the records that a question brings."""
        servers = system_servers() if self._server is None else [self._server]
        resolver: Any = Resolver(servers=list(servers), reactor=self._reactor)
        ask = {
            A: resolver.lookupAddress,
            AAAA: resolver.lookupIPV6Address,
            SRV: resolver.lookupService,
        }[kind]
        try:
            answers, _, _ = await ask(name, TIMEOUTS_S).addTimeout(MOST_S, self._reactor)
        except CancelledError:
            raise
        except Exception as error:  # A time-out, or a message that is none.
            raise LookupFailed(f"{name}: {_shown(error)}") from error
        finally:
            # An answer too long for a datagram came over a connection, which is left open.
            for connection in resolver.connections:
                connection.transport.loseConnection()
        found: Sequence[Any] = answers
        return found


def system_servers(path: str = SYSTEM_RESOLVERS) -> Sequence[tuple[str, int]]:
    """Return the DNS servers that the system asks, this machine where it names none.

    Args:
        path: A file as in resolv.conf(5).
    """
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    found = [(each[1], PORT) for each in words if len(each) > 1 and each[0] == "nameserver"]
    return found or [("127.0.0.1", PORT)]


def _ttl(answers: Iterable[Any], kind: int) -> float:
    """Return for how long records hold, with the names that led to them."""
    return float(min(each.ttl for each in answers if each.type in (kind, CNAME)))


def _ipv6(record: Any) -> str:
    return str(IPv6Address(record.address))


_REASONS: Mapping[type[Exception], str] = {
    DNSNameError: "there is no such name",
    DNSServerError: "the DNS server fails",
    DNSQueryRefusedError: "the DNS server refuses to say",
    DNSQueryTimeoutError: "the DNS server does not answer",
    TimeoutError: "the DNS server does not answer",
}


def _shown(error: Exception) -> str:
    """Return what an error of twisted.names says, in words."""
    for kind, reason in _REASONS.items():
        if isinstance(error, kind):
            return reason
    return type(error).__name__
