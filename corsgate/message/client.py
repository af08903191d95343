"""A request's client, and the gate's origin as the client's browser sees it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import attrs

from corsgate.message.forwarded import reached_by
from corsgate.message.headers import Header


@attrs.frozen(kw_only=True)
class Client:
    """A request's client, as its connection and trusted proxies describe it.

    Attributes:
        peer: The address at the other end of the connection; ``unknown`` for a Unix socket.
        trusted: Whether the peer is a proxy whose Forwarded is trusted.
        scheme: ``http`` or ``https``, as used by the peer.
        authority: The effective Host value, possibly empty.
        hosts_checked: Whether the listener serves only configured hosts or loopback names. If not,
            a page whose host name resolves to the gate (DNS rebinding) looks like the gate's own.
        request_id: The request's id from a trusted proxy; empty if there is none.
        address: The address behind trusted proxies, as the log shows it.
        key: The key by which the client's share of a resource is counted, as returned by
            `corsgate.server.admission.client_key`: the address behind trusted proxies.
            None for a client on a Unix socket, and for one whose address no proxy reports.
    """

    peer: str
    trusted: bool
    scheme: bytes
    authority: bytes
    key: str | None = None
    hosts_checked: bool = False
    request_id: str = ""
    address: str = attrs.field()

    @address.default
    def _peer(self) -> str:
        return self.peer


def gate_origin(client: Client, headers: Sequence[Header]) -> bytes:
    """Return the origin of the gate as the client's browser sees it.

    Args:
        client: The client.
        headers: The client's fields; from a trusted proxy they may override scheme and host.

    Returns:
        Scheme and authority, such as ``https://api.example.com``, in the form of an Origin:
        lower-cased and without a default port. Empty if the client sent no host.
    """
    scheme, authority = client.scheme, client.authority
    if client.trusted:
        scheme, authority = reached_by(headers, scheme, authority)
    return serialized_origin(scheme, authority)


@lru_cache(maxsize=1024)
def serialized_origin(scheme: bytes, authority: bytes) -> bytes:
    """Return an origin as browsers write it: lower-cased and without a default port.

    Args:
        scheme: ``http`` or ``https``.
        authority: A Host value, possibly empty.

    Returns:
        Scheme and authority; empty without an authority.

    Source: HTML ``#ascii-serialisation-of-an-origin``.
    """
    if not authority:
        return b""
    default = b":443" if scheme == b"https" else b":80"
    return b"%b://%b" % (scheme, authority.lower().removesuffix(default))
