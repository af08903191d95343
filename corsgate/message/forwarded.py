"""What an upstream is told about the client: Forwarded, X-Forwarded-*, Via."""

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
"""The peer's address where there is none, as on a Unix socket (RFC 7239 6.2)."""

MAX_HOPS = 16
"""How many proxies may have passed a request on.

It ends a loop in which the gate's own mark is lost, as where several processes share a port. Gates
and proxies in a row are far fewer."""

# Each node costs an address parsed, and a client may send thousands. Only the nearest are looked
# at: what stands further left was written by whoever the nearest trusted proxy was asked by.
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
_NODE = re.compile(r"\[([^\]]*)\](?::[^:]*)?|([^:\[\]]+)(?::[^:]*)?")


@attrs.frozen(kw_only=True)
class _Story:
    """What the proxies before the gate tell: the nodes passed, client first, and what it asked."""

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
) -> HeaderList:
    """Return the fields that tell an upstream who asked, and for what.

    From a peer that isn't trusted nothing is believed, so the answer depends on the other
    arguments alone and may be kept for a connection. A trusted proxy's X-Forwarded-For and
    Forwarded are appended to, its X-Forwarded-Proto and -Host are kept, and so is what else it
    says of the client (`corsgate.message.identity.is_proxys_word`). Where only one of Forwarded
    and X-Forwarded-For came, the other is made from it. Where they name different nodes,
    Forwarded is made anew from X-Forwarded-For: most proxies write only the latter and pass a
    client's own Forwarded through.

    Args:
        headers: The client's fields.
        peer: The IP address at the other end of the connection, or `UNKNOWN`.
        scheme: ``http`` or ``https``, by which the gate was reached.
        host: The request's Host value, empty where it has none.
        trusted: Whether the peer is a proxy that is believed.
        passed: Lower-cased names that pass whoever sent them, and so aren't returned.

    Returns:
        Fields to add once all that speaks of the client is dropped from the client's (RFC 7239 4
        and 7.4).
    """
    node = _plain(peer) if ":" in peer else peer  # only IPv6 has more than one spelling
    if not trusted:
        return list(_own_fields(node, scheme, host))
    index = index_headers(headers)
    kept = [
        header
        for header in headers
        if is_proxys_word(name := header[0].lower()) and name not in passed
    ]
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


def trusted(peer: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Return whether a peer is a proxy whose word is believed.

    Args:
        peer: An IP address, perhaps with a zone, or `UNKNOWN`, which is never trusted.
        networks: The listener's ``trusted_proxies``.

    Returns:
        True where one of the networks holds the address; an IPv4 address mapped into IPv6,
        as a dual-stack socket shows it, counts as IPv4.
    """
    address = _address(peer) if networks else None
    return address is not None and any(address in network for network in networks)


def client_address(
    headers: Sequence[Header], peer: str, networks: Sequence[IPv4Network | IPv6Network]
) -> str:
    """Return the nearest address that no trusted proxy has, for the log.

    X-Forwarded-For (Forwarded where it is missing) is walked from the right, past trusted
    proxies: what stands further left was written by somebody who isn't trusted. What is no
    address ends the walk, so nothing that a client made up gets into the log.

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
    """Return the scheme and host that the client itself used, by a trusted proxy's word.

    Args:
        headers: The fields that a trusted proxy sent.
        scheme: ``http`` or ``https``, by which the proxy reached the gate.
        host: The Host value that it sent.

    Returns:
        ``http`` or ``https``, and a Host value; what the proxy doesn't tell is as it was. What
        is no Host value isn't believed: a proxy may pass on what its client wrote, and this
        ends in URLs.
    """
    index = index_headers(headers)
    story, _ = _told(index)
    proto = (_first(_joined(index, b"x-forwarded-proto")) or story.proto).lower()
    outer = _first(_joined(index, b"x-forwarded-host")) or story.host
    if proto not in (b"http", b"https"):
        proto = scheme
    return proto, host if read_host(outer) is None else outer


def told_hosts(index: HeaderIndex) -> list[bytes]:
    """Return every host that a trusted proxy says it was asked for.

    These are all that `reached_by` may believe and `forwarded` may pass on: each member of
    X-Forwarded-Host, and each ``host=`` of a Forwarded that is not made anew.

    Args:
        index: The fields that a trusted proxy sent.

    Returns:
        Values as they came, which may be no Host values; none of them is empty. Of a list that is
        too long, one that is no Host value.
    """
    hosts = short_list(index.get(b"x-forwarded-host", ()))
    if hosts is None:
        return [b","]
    if b"forwarded" in index:
        story, _ = _told(index)
        hosts += [host for host in story.hosts if host]
    return hosts


def via(version: bytes = b"1.1", pseudonym: bytes = b"corsgate") -> Header:
    """Return the Via field that the gate adds to a request, after any that it came with.

    Args:
        version: The protocol version the request was received by: ``1.0``, ``1.1`` or ``2``.
        pseudonym: What this process is called; another one's is another, so that a request that
            comes back is known.

    Returns:
        A field of its own, which recipients join to those before it (RFC 9110 7.6.3). The
        pseudonym stands in the host's place, so that the gate's address isn't told.
    """
    return b"Via", version + b" " + pseudonym


def loop_of(values: Iterable[bytes], pseudonym: bytes) -> str:
    """Return why a request is taken to go round in circles; empty where it isn't.

    The values are counted and searched as they are: split into their members they could cost more.

    Args:
        values: Those of its Via fields.
        pseudonym: What this process writes there.

    Source: RFC 9110 7.6.3: Via is for "avoiding request loops".
    """
    hops = 0
    for value in values:
        if pseudonym in value:
            return "it has passed this gate already"
        hops += value.count(b",") + 1
    return f"it has passed more than {MAX_HOPS} proxies" if hops > MAX_HOPS else ""


# A client asks for the same host all the time.
@lru_cache(maxsize=1024)
def _own_fields(node: str, scheme: bytes, host: bytes) -> tuple[Header, ...]:
    return tuple(_fields(_element(node, host, scheme), node.encode(), scheme, host))


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
    """Return what a trusted proxy's fields tell, and whether its Forwarded tells that too."""
    return _read(
        _nearest(index, b"x-forwarded-for"),
        _nearest(index, b"forwarded") if b"forwarded" in index else None,
    )


# A request's are asked for some three times in a row.
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
    """Read a Forwarded value (RFC 7239 4); None where it is malformed, or has too many pairs."""
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
                # One that is there twice is against the rule, but is passed on all the same.
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
    """Return the last members of a list, which the nearest proxies wrote, in one value.

    They are cut off from the right, so that of a list of thousands no more is split.
    """
    value = _joined(index, name)
    if len(value) > _MOST_BYTES:
        value = value[-_MOST_BYTES:].partition(b",")[2]
    # As many may be empty.
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
    """Write a value as a token where it is one, else as a quoted string (RFC 9110 5.6.4)."""
    if _TOKEN.fullmatch(value):
        return value
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


# Each node of a chain is looked at by several functions.
@lru_cache(maxsize=1024)
def _address_of(node: str) -> Address | None:
    """Read an address that may have a port, brackets or a zone around it."""
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
    """Return a node's address alone, or `UNKNOWN` where it has none."""
    address = _address(node)
    return UNKNOWN if address is None else str(address)
