"""Who asks, as far as it is known, and by which origin their browser knows the gate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import attrs

from corsgate.message.forwarded import reached_by
from corsgate.message.headers import Header


@attrs.frozen(kw_only=True)
class Client:
    """Who asks, as far as it is known.

    Attributes:
        peer: The address at the other end of the connection, ``unknown`` for a Unix socket.
        trusted: Whether that is a proxy whose Forwarded is believed.
        scheme: ``http`` or ``https``, as the gate was reached.
        authority: The Host value that counts, perhaps empty.
        key: What the client is counted by where clients share something, as
            `corsgate.server.admission.client_key` returns it: the address behind trusted proxies.
            None for a client on a Unix socket, and for one whose address no proxy gives.
    """

    peer: str
    trusted: bool
    scheme: bytes
    authority: bytes
    key: str | None = None


def gate_origin(client: Client, headers: Sequence[Header]) -> bytes:
    """Return the origin that the client's browser knows the gate by.

    Args:
        client: Who asks.
        headers: The client's fields; a trusted proxy's word on what it was asked counts.

    Returns:
        Scheme and authority, such as ``https://api.example.com``, without a default port and
        lower-cased, as browsers spell an Origin; empty where the client named no host.
    """
    scheme, authority = client.scheme, client.authority
    if client.trusted:
        scheme, authority = reached_by(headers, scheme, authority)
    return _serialized(scheme, authority)


@lru_cache(maxsize=1024)
def _serialized(scheme: bytes, authority: bytes) -> bytes:
    if not authority:
        return b""
    default = b":443" if scheme == b"https" else b":80"
    return b"%b://%b" % (scheme, authority.lower().removesuffix(default))
