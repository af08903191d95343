"""DNS queries by twisted.names, and for how long each answer is valid."""

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
"""The time limits of the attempts at one query, in seconds."""

HOSTS_TTL_S = 30.0
"""How long an entry of the hosts file is valid, in seconds."""

MOST_S = 30.0
"""The maximum time of a query in seconds, including all attempts and all DNS servers."""

_T = TypeVar("_T")


class LookupFailed(CorsgateError):
    """DNS has no usable answer."""


@attrs.frozen(kw_only=True)
class Found(Generic[_T]):
    """The result of a query.

    Attributes:
        values: The values, at least one.
        ttl_s: For how many seconds they may be used.
    """

    values: tuple[_T, ...]
    ttl_s: float


class Lookup:
    """Resolves names by the hosts file, then by DNS servers.

    The list of the system's DNS servers is read for each query, because a machine that moves to
    another network gets other servers.

    Args:
        reactor: Sends the queries.
        server: The address and port of a DNS server; None for the system's servers.
        hosts: Resolves names before DNS does; None for the system's hosts file.
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
        """Return a host's IPv4 addresses, or its IPv6 addresses if it has no others.

        Both kinds together would list the same machines twice.

        Args:
            name: The full name; no search list is applied.

        Raises:
            LookupFailed: The host has no address, or no DNS server responds.
        """
        known = self._hosts.addresses(name)
        if known:
            values = tuple(sorted(each for each in known if ":" not in each) or sorted(known))
            return Found(values=values, ttl_s=HOSTS_TTL_S)
        for kind in (A, AAAA):
            # If the query for IPv4 addresses fails, don't try IPv6: there may be IPv4 addresses,
            # and all servers would be replaced by others.
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
            LookupFailed: There are none, or no DNS server responds.
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
        """Return the records in the answer to a query."""
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
        except Exception as error:  # A time-out, or an invalid message.
            raise LookupFailed(f"{name}: {_shown(error)}") from error
        finally:
            # An answer too long for UDP came over TCP, and twisted.names left the connection open.
            for connection in resolver.connections:
                connection.transport.loseConnection()
        found: Sequence[Any] = answers
        return found


def system_servers(path: str = SYSTEM_RESOLVERS) -> Sequence[tuple[str, int]]:
    """Return the system's DNS servers; this machine if none is configured.

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
    """Return for how many seconds records are valid, with the CNAMEs that led to them."""
    return float(min(each.ttl for each in answers if each.type in (kind, CNAME)))


def _ipv6(record: Any) -> str:
    return str(IPv6Address(record.address))


_REASONS: Mapping[type[Exception], str] = {
    DNSNameError: "there is no such name",
    DNSServerError: "the DNS server failed",
    DNSQueryRefusedError: "the DNS server refused the query",
    DNSQueryTimeoutError: "the DNS server does not answer",
    TimeoutError: "the DNS server does not answer",
}


def _shown(error: Exception) -> str:
    """Return an error of twisted.names in plain words."""
    for kind, reason in _REASONS.items():
        if isinstance(error, kind):
            return reason
    return type(error).__name__
