"""Host values: their grammar, and which of them a listener serves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

import attrs

from corsgate.errors import BadValue

_HOST = re.compile(
    rb"(?:(?P<name>[A-Za-z0-9_~-]+(?:\.[A-Za-z0-9_~-]+)*)\.?|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])"
    rb"(?::(?P<port>[0-9]{0,5}))?"
)
_LONGEST = 255 + len(b":65535")

DEFAULT_PORTS = {b"http": 80, b"https": 443}
"""The ports that a URL without one has, by its scheme."""


# A gate gets the same few Host values again and again.
_REMEMBERED = 1024


class HostValue(NamedTuple):
    """A parsed Host value; a tuple, because one is made for every request.

    Attributes:
        name: The name or IP address, lower-cased and without a trailing dot; an IPv6 address is
            in its shortest form and without brackets.
        port: 1 to 65535, or None if the value has no port.
    """

    name: bytes
    port: int | None


def parse_host(value: bytes) -> HostValue | None:
    """Parse a Host value, or a URL's authority.

    It is stricter than ``reg-name``. Percent escapes and sub-delims, such as the comma, are
    rejected: no name that resolves has them, and a comma could turn one value into two. User info,
    white space, empty labels, zones and the empty value are also rejected.

    Args:
        value: The field's value as received.

    Returns:
        Its parts, or None if it is not a Host value (RFC 9110 7.2, RFC 3986 3.2.2).
    """
    # The length is checked first, because the cache keeps the client's values.
    return _parse_host(value) if len(value) <= _LONGEST else None


@lru_cache(maxsize=_REMEMBERED)
def _parse_host(value: bytes) -> HostValue | None:
    found = _HOST.fullmatch(value)
    if found is None:
        return None
    name, ipv6, digits = found.groups()
    port = int(digits) if digits else None
    if port is not None and not 1 <= port <= 65535:
        return None
    if name is not None:
        return HostValue(name.lower(), port)
    try:
        return HostValue(IPv6Address(ipv6.decode()).compressed.encode(), port)
    except AddressValueError:
        return None


def read_host(value: bytes) -> HostValue | None:
    """Parse a value from a client, which may have 32 KiB, like `parse_host`.

    A cache keeps the arguments of up to a thousand calls, so long values must not reach it.
    """
    return parse_host(value) if len(value) <= _LONGEST else None


@lru_cache(maxsize=_REMEMBERED)
def is_localhost(name: bytes) -> bool:
    """Return whether a name is ``localhost`` or below it, and so always loopback (RFC 6761 6.3).

    Args:
        name: A host name in lower case.
    """
    return name == b"localhost" or name.endswith(b".localhost")


def is_loopback_name(name: bytes) -> bool:
    """Return whether a host is this machine, without a DNS lookup.

    Args:
        name: A `HostValue.name`.

    Returns:
        True for ``localhost`` and names below it, 127.0.0.0/8 and ``::1``.
    """
    if name == b"::1" or is_localhost(name):
        return True
    if not name.startswith(b"127."):
        return False
    try:
        # The prefix is not enough: 127.example.com is an ordinary name.
        IPv4Address(name.decode())
    except AddressValueError:
        return False
    return True


def is_loopback_address(text: str) -> bool:
    """Return whether a peer is on this machine.

    Args:
        text: Its address; the result is False for any other text.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


@attrs.frozen(kw_only=True)
class HostRules:
    """The Host values that one listener serves; any other gets 421.

    They protect a local gate from DNS rebinding: a page whose name resolves to 127.0.0.1.
    """

    _everything: bool = False
    _loopback_names: bool = False
    _names: frozenset[bytes] = frozenset()
    _ports: frozenset[HostValue] = frozenset()
    _suffixes: tuple[bytes, ...] = ()

    @classmethod
    def build(cls, hosts: Iterable[str] | None, *, loopback: bool) -> HostRules:
        """Compile ``Config.hosts`` for one listener.

        Args:
            hosts: ``name`` (any port), ``name:port`` or ``*.name`` (subdomains only, any
                port), or None for the default.
            loopback: Whether the listener is reachable from this machine only.

        Returns:
            Rules; by default a loopback listener serves loopback names, any other everything.

        Raises:
            BadValue: An entry has none of the three forms.
        """
        if hosts is None:
            return cls(everything=not loopback, loopback_names=loopback)
        names, ports, suffixes = set(), set(), set()
        for entry in hosts:
            below = entry.startswith("*.")
            value = parse_host(entry.removeprefix("*.").encode())
            if value is None or (below and value.port is not None):
                raise BadValue(f'"{entry}" is not a host', "write name, name:port or *.name")
            if below:
                suffixes.add(b"." + value.name)
            elif value.port is None:
                names.add(value.name)
            else:
                ports.add(value)
        return cls(names=frozenset(names), ports=frozenset(ports), suffixes=tuple(sorted(suffixes)))

    def allows(self, value: bytes) -> bool:
        """Return whether requests with this Host value are served.

        Args:
            value: The field's value as received; empty if the request has no host, which HTTP/1.0
                and an empty field allow (RFC 9110 7.2).

        Returns:
            False for an invalid value, and for one that no rule covers. An entry with port 80 or
            443 covers a value without a port. A request without a host is served only if every
            host is: health checkers send none, but browsers always send one.
        """
        if not value:
            return self._everything
        host = parse_host(value)
        if host is None:
            return False
        return (
            self._everything
            or host.name in self._names
            or (self._loopback_names and is_loopback_name(host.name))
            or self._allows_port(host)
            or host.name.endswith(self._suffixes)
        )

    def _allows_port(self, host: HostValue) -> bool:
        if not self._ports:
            return False
        if host.port is not None:
            return host in self._ports
        # A Host without a port means its scheme's default port. The client's scheme is unknown
        # here, since a proxy in front may have terminated TLS.
        return any(HostValue(host.name, port) in self._ports for port in DEFAULT_PORTS.values())
