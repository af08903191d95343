"""The Host value: its grammar, and which ones a listener serves."""

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

# A Host without a port speaks of its scheme's own port. Which scheme the client used can't be
# known here, since a proxy in front may have ended TLS.
_DEFAULT_PORTS = (80, 443)


# A gate sees the same few Host values over and over.
_REMEMBERED = 1024


class HostValue(NamedTuple):
    """A Host value taken apart; a tuple, because one is made for every request.

    Attributes:
        name: The name or IP address, lower-cased, without a dot at its end; an IPv6 address
            in its shortest form and without brackets.
        port: 1 to 65535, or None where the value names none.
    """

    name: bytes
    port: int | None


def parse_host(value: bytes) -> HostValue | None:
    """Take a Host value, or a URL's authority, apart.

    Stricter than ``reg-name``: percent escapes and sub-delims (the comma is one) are refused,
    for no name that resolves has them and they make two values out of one. So are user info,
    white space, empty labels, zones and the empty value.

    Args:
        value: The field's value as it came.

    Returns:
        Its parts, or None where it is no Host value (RFC 9110 7.2, RFC 3986 3.2.2).
    """
    # First: what is remembered is a client's.
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
    """Return what `parse_host` does for a value of a client's, of which there may be 32 KiB.

    `parse_host` remembers its arguments, a thousand of them, before it looks at them.
    """
    return parse_host(value) if len(value) <= _LONGEST else None


@lru_cache(maxsize=_REMEMBERED)
def is_loopback_name(name: bytes) -> bool:
    """Return whether a host is the machine itself without any name server's word.

    Args:
        name: A `HostValue.name`.

    Returns:
        True for ``localhost`` and names below it (RFC 6761 6.3), 127.0.0.0/8 and ``::1``.
    """
    if name in (b"localhost", b"::1") or name.endswith(b".localhost"):
        return True
    if not name.startswith(b"127."):
        return False
    try:
        # Not the prefix alone: 127.example.com is a name like any other.
        IPv4Address(name.decode())
    except AddressValueError:
        return False
    return True


def is_loopback_address(text: str) -> bool:
    """Return whether a peer is on this machine.

    Args:
        text: Its address; anything that is none passes for elsewhere.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


@attrs.frozen(kw_only=True)
class HostRules:
    """Which Host values one listener serves; any other gets 421.

    It is what keeps a page whose name was re-bound to 127.0.0.1 away from a local gate.
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
                raise BadValue(f'"{entry}" is no host', "write name, name:port or *.name")
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
            value: The field's value as it came; empty where the request names no host, which
                HTTP/1.0 and an empty field allow (RFC 9110 7.2).

        Returns:
            False for a value that is no Host at all, and for one that no rule covers. A value
            without a port is covered by an entry with port 80 or 443. No host is covered only
            where every host is: health checkers name none, browsers always one.
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
        return any(HostValue(host.name, port) in self._ports for port in _DEFAULT_PORTS)
