"""What belongs together where requests are shared out by a hash."""

from __future__ import annotations

from collections.abc import Callable

from corsgate.message.cookies import cookie_values
from corsgate.message.headers import HeaderIndex

KeyReader = Callable[[HeaderIndex, bytes, str], bytes]
"""Returns the key of a request: of its fields, its target and its client's address."""


def key_reader(hash_on: str) -> KeyReader:
    """Return what reads the key that ``hash_on`` names.

    A request that lacks the field or the cookie goes by its client's address: otherwise all of
    these would be one server's.

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
