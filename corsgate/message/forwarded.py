"""The fields that describe the client to an upstream: Forwarded and X-Forwarded-*."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

import attrs

from corsgate.message.headers import (
    Header,
    HeaderIndex,
    HeaderList,
    index_headers,
    list_members,
    short_list,
)
from corsgate.message.host import read_host
from corsgate.message.identity import is_proxys_word

Address: TypeAlias = IPv4Address | IPv6Address

UNKNOWN = "unknown"
"""The address of a peer that has none, as on a Unix socket (RFC 7239 6.2)."""

# Parsing each node costs time, and a client may send thousands. Only the nearest are read: those
# further left were sent by the client of the nearest trusted proxy.
_MOST_NODES = 32
_MOST_PAIRS = 4 * _MOST_NODES
_MOST_BYTES = 4 * 1024
_LONGEST_NODE = 128

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Possessive throughout, so that no value takes more than one pass.
_PAIR = re.compile(
    r"[ \t]*+(?:(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]++)="
    r'(?:(?P<token>[^\s",;=]++)|"(?P<quoted>(?:[^"\\]|\\.)*+)"))?[ \t]*+(?P<end>[,;]|\Z)'
)
_PREFIX = re.compile(rb"(?:/[0-9A-Za-z._~!$&'()*+=:@%-]++)*+")
_NODE = re.compile(r"\[([^\]]*)\](?::[^:]*)?|([^:\[\]]+)(?::[^:]*)?")


@attrs.frozen(kw_only=True)
class _Story:
    """The report of the proxies in front of the gate: the nodes, client first, and its request."""

    nodes: Sequence[str] = ()
    proto: bytes = b""
    host: bytes = b""
    hosts: Sequence[bytes] = ()


def forwarded(
    headers: Sequence[Header],
    *,
    peer: str,
    scheme: bytes,
    host: bytes,
    trusted: bool,
    passed: frozenset[bytes] = frozenset(),
    prefix: bytes = b"",
) -> HeaderList:
    """Return the fields that describe the client and its request to an upstream.

    The fields of an untrusted peer are ignored. The result then depends only on the other
    arguments, and may be reused for a connection. A trusted proxy's X-Forwarded-For and Forwarded
    are extended. Its X-Forwarded-Proto and -Host are kept, as are its other fields about the
    client (`corsgate.message.identity.is_proxys_word`). If only one of Forwarded and
    X-Forwarded-For is present, the other is derived from it. If they name different nodes,
    Forwarded is rebuilt from X-Forwarded-For. Most proxies write only the latter, and pass through
    a client's own Forwarded.

    Args:
        headers: The client's fields.
        peer: The IP address at the other end of the connection, or `UNKNOWN`.
        scheme: ``http`` or ``https``, as used by the peer.
        host: The request's Host value, or empty.
        trusted: Whether the peer is a trusted proxy.
        passed: Lower-cased names that pass from any sender, and so are not returned.
        prefix: The path that is stripped from the target, percent-encoded; empty for none. It is
            appended to that of a trusted proxy, so that the result is the path the client used.

    Returns:
        Fields to add after all fields about the client are dropped (RFC 7239 4 and 7.4).
    """
    node = _plain(peer) if ":" in peer else peer  # only IPv6 has more than one spelling
    if not trusted:
        return [*_own_fields(node, scheme, host), *_prefix_field(b"", prefix)]
    index = index_headers(headers)
    kept = [
        header
        for header in headers
        if is_proxys_word(name := header[0].lower())
        and name not in passed
        and not (prefix and name == b"x-forwarded-prefix")
    ]
    kept += _prefix_field(_nearest(index, b"x-forwarded-prefix"), prefix)
    story, whole = _told(index)
    proto = _joined(index, b"x-forwarded-proto") or story.proto or scheme
    outer_host = _joined(index, b"x-forwarded-host") or story.host or host
    if whole:
        elements = [_nearest(index, b"forwarded"), _element(node, host, scheme)]
    else:
        elements = [_element(_plain(each)) for each in story.nodes]
        elements.append(_element(node, host, scheme))
        first = (*story.nodes, node)[0]
        elements[0] = _element(_plain(first), _first(outer_host), _first(proto))
    chain = list_members([_nearest(index, b"x-forwarded-for")])[-_MOST_NODES:]
    chain = [*(chain or (_plain(each).encode() for each in story.nodes)), node.encode()]
    return kept + _fields(b", ".join(elements), b", ".join(chain), proto, outer_host)


def only_listed(fields: Iterable[Header], listed: frozenset[bytes]) -> HeaderList:
    """Return fields about the client without those that an upstream must not see.

    Args:
        fields: The result of `forwarded`.
        listed: Lower-cased names from `corsgate.message.identity.FORWARDED_FIELDS`. Of the names
            that begin with ``x-forwarded-``, no others are returned.
    """
    return [
        field
        for field in fields
        if (name := field[0].lower()) in listed
        or not (name == b"forwarded" or name.startswith(b"x-forwarded-"))
    ]


def trusted(peer: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Return whether a peer is a trusted proxy.

    Args:
        peer: An IP address, possibly with a zone, or `UNKNOWN`, which is never trusted.
        networks: The listener's ``trusted_proxies``.

    Returns:
        True if one of the networks contains the address. An IPv4-mapped IPv6 address, as from a
        dual-stack socket, counts as IPv4.
    """
    address = _address(peer) if networks else None
    return address is not None and any(address in network for network in networks)


def client_address(
    headers: Sequence[Header], peer: str, networks: Sequence[IPv4Network | IPv6Network]
) -> str:
    """Return the nearest address that does not belong to a trusted proxy, for the log.

    X-Forwarded-For, or else Forwarded, is read from the right, past trusted proxies. Anything
    further left comes from an untrusted sender. A node that is not an address ends the search, so
    that no text of a client gets into the log.

    Args:
        headers: The client's fields.
        peer: The address at the other end of the connection, or `UNKNOWN`.
        networks: The listener's ``trusted_proxies``.

    Returns:
        An IP address without port and zone, or `UNKNOWN`.
    """
    nearest = _plain(peer)
    if not networks or not trusted(peer, networks):
        return nearest
    story, _ = _told(index_headers(headers))
    for node in reversed(story.nodes):
        address = _address(node)
        if address is None:
            break
        nearest = str(address)
        if not any(address in network for network in networks):
            break
    return nearest


def reached_by(headers: Sequence[Header], scheme: bytes, host: bytes) -> tuple[bytes, bytes]:
    """Return the scheme and host that the client itself used, as a trusted proxy reports them.

    Args:
        headers: The fields that a trusted proxy sent.
        scheme: ``http`` or ``https``, as the proxy used it.
        host: The Host value that the proxy sent.

    Returns:
        ``http`` or ``https``, and a Host value; without a report, as the proxy used them. An
        invalid Host value is ignored: a proxy may pass on its client's text, and the result is
        used in URLs.
    """
    index = index_headers(headers)
    story, _ = _told(index)
    proto = (_first(_joined(index, b"x-forwarded-proto")) or story.proto).lower()
    outer = _first(_joined(index, b"x-forwarded-host")) or story.host
    if proto not in (b"http", b"https"):
        proto = scheme
    return proto, host if read_host(outer) is None else outer


def told_hosts(index: HeaderIndex) -> list[bytes]:
    """Return every host that a trusted proxy reports as requested.

    `reached_by` may return and `forwarded` may pass on only these: each member of
    X-Forwarded-Host, and each ``host=`` of a Forwarded that is not rebuilt.

    Args:
        index: The fields that a trusted proxy sent.

    Returns:
        Values as received, none of them empty, but possibly not valid as Host values. For a list
        that is too long, one invalid value.
    """
    hosts = short_list(index.get(b"x-forwarded-host", ()))
    if hosts is None:
        return [b","]
    if b"forwarded" in index:
        story, _ = _told(index)
        hosts += [host for host in story.hosts if host]
    return hosts


# A client usually requests the same host.
@lru_cache(maxsize=1024)
def _own_fields(node: str, scheme: bytes, host: bytes) -> tuple[Header, ...]:
    return tuple(_fields(_element(node, host, scheme), node.encode(), scheme, host))


def _prefix_field(outer: bytes, prefix: bytes) -> HeaderList:
    """Return X-Forwarded-Prefix for a stripped prefix, after those that proxies have stripped.

    The values are joined to one path, because some servers read only the first member of a list,
    and others only the last.
    """
    if not prefix:
        return []
    outers = [path.rstrip(b"/") for path in list_members([outer])]
    # A path that begins with "//" would be the host of another site in a server's redirects.
    whole = all(_PREFIX.fullmatch(path) for path in outers)
    return [(b"X-Forwarded-Prefix", b"".join([*outers, prefix]) if whole else prefix)]


def _fields(elements: bytes, chain: bytes, proto: bytes, host: bytes) -> HeaderList:
    fields = [
        (b"Forwarded", elements),
        (b"X-Forwarded-For", chain),
        (b"X-Forwarded-Proto", proto),
    ]
    if host:
        fields.append((b"X-Forwarded-Host", host))
    return fields


def _told(index: HeaderIndex) -> tuple[_Story, bool]:
    """Return a trusted proxy's report, and whether its Forwarded agrees with it."""
    return _read(
        _nearest(index, b"x-forwarded-for"),
        _nearest(index, b"forwarded") if b"forwarded" in index else None,
    )


# Each request needs the result about three times in a row.
@lru_cache(maxsize=64)
def _read(chain: bytes, forwarded: bytes | None) -> tuple[_Story, bool]:
    nodes = [each.decode("latin-1") for each in list_members([chain])][-_MOST_NODES:]
    if forwarded is None:
        return _Story(nodes=nodes), False
    story = _parse(forwarded.decode("latin-1"))
    if story is None or not story.nodes:
        return _Story(nodes=nodes), False
    if nodes and [_plain(node) for node in nodes] != [_plain(node) for node in story.nodes]:
        return _Story(nodes=nodes), False
    return story, True


def _parse(value: str) -> _Story | None:
    """Parse a Forwarded value (RFC 7239 4); None if it is malformed or has too many pairs."""
    if value.count(";") > _MOST_PAIRS:
        return None
    elements: list[dict[str, str]] = [{}]
    hosts: list[bytes] = []
    at = 0
    while True:
        pair = _PAIR.match(value, at)
        if pair is None:
            return None
        name, token, quoted, end = pair.groups()
        if name:
            text = token if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            elements[-1].setdefault(name.lower(), text)
            if name.lower() == "host":
                # A repeated host is invalid, but is passed on nevertheless.
                hosts.append(text.encode("latin-1"))
        if not end:
            break
        if end == ",":
            elements.append({})
        at = pair.end()
    told = [element for element in elements if element]
    return _Story(
        nodes=[element.get("for", UNKNOWN) for element in told][-_MOST_NODES:],
        proto=_first_of(told, "proto"),
        host=_first_of(told, "host"),
        hosts=hosts,
    )


def _first_of(elements: Iterable[dict[str, str]], name: str) -> bytes:
    return next((each[name].encode("latin-1") for each in elements if name in each), b"")


def _joined(index: HeaderIndex, name: bytes) -> bytes:
    return b", ".join(value for value in index.get(name, ()) if value)


def _nearest(index: HeaderIndex, name: bytes) -> bytes:
    """Return the last members of a list, which the nearest proxies wrote, as one value.

    The list is split from the right, so that of thousands of members only a few are split off.
    """
    value = _joined(index, name)
    if len(value) > _MOST_BYTES:
        value = value[-_MOST_BYTES:].partition(b",")[2]
    # The factor of two allows for empty members.
    members = value.rsplit(b",", 2 * _MOST_NODES)
    if len(members) > 2 * _MOST_NODES:
        value = b",".join(members[1:]).strip(b" \t")
    return value


def _first(value: bytes) -> bytes:
    return value.partition(b",")[0].strip(b" \t")


def _element(node: str, host: bytes = b"", scheme: bytes = b"") -> bytes:
    element = b"for=" + _quoted(f"[{node}]".encode() if ":" in node else node.encode())
    if host:
        element += b";host=" + _quoted(host)
    if scheme:
        element += b";proto=" + _quoted(scheme)
    return element


def _quoted(value: bytes) -> bytes:
    """Write a value as a token if possible, else as a quoted string (RFC 9110 5.6.4)."""
    if _TOKEN.fullmatch(value):
        return value
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


# Several functions read each node of a chain.
@lru_cache(maxsize=1024)
def _address_of(node: str) -> Address | None:
    """Parse an address that may have a port, brackets or a zone."""
    if node.count(":") < 2 or node.startswith("["):
        found = _NODE.fullmatch(node)
        if found is None:
            return None
        node = found[1] or found[2] or ""
    try:
        address = ip_address(node.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _address(node: str) -> Address | None:
    return _address_of(node) if len(node) <= _LONGEST_NODE else None


def _plain(node: str) -> str:
    """Return only a node's address, or `UNKNOWN` without one."""
    address = _address(node)
    return UNKNOWN if address is None else str(address)
