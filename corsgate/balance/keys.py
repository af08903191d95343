"""The keys of requests that are balanced by a hash."""

from __future__ import annotations

from collections.abc import Callable

from corsgate.message.cookies import cookie_values
from corsgate.message.headers import HeaderIndex

KeyReader = Callable[[HeaderIndex, bytes, str], bytes]
"""Returns a request's key, from its fields, its target and its client's address."""


def key_reader(hash_on: str) -> KeyReader:
    """Return the reader of the key that ``hash_on`` names.

    For a request without the field or cookie, the key is its client's address. Otherwise all such
    requests would go to one server.

    Args:
        hash_on: ``client``, ``target``, ``header:NAME`` or ``cookie:NAME``.
    """
    kind, _, name = hash_on.partition(":")
    wanted = name.encode("ascii")
    match kind:
        case "target":
            return lambda _index, target, _client: target
        case "header":
            lowered = wanted.lower()
            return lambda index, _target, client: (
                b", ".join(index.get(lowered, ())) or _address(client)
            )
        case "cookie":
            return lambda index, _target, client: (
                next(cookie_values(index.get(b"cookie", ()), wanted), b"") or _address(client)
            )
    return lambda _index, _target, client: _address(client)


def _address(client: str) -> bytes:
    return client.encode("utf-8", "replace")
