"""The hint for the developer of a page whose origin was refused."""

from __future__ import annotations

from collections.abc import Sequence

from corsgate.cors.origin import MAX_ORIGIN_BYTES, take_apart
from corsgate.cors.policy import Policy
from corsgate.message.host import is_loopback_name

_LOOPBACK_HOSTS = (b"localhost", b"127.0.0.1", b"[::1]")
_OTHER_SCHEME = {b"http": b"https", b"https": b"http"}


def hint(policy: Policy | None, origins: Sequence[bytes]) -> str:
    """Return the text for a client that was refused because of its origin.

    It shows the client's own origin, but no allowed one, because the client need not know those.
    Only for a page on a loopback host does it also name near misses, which are loopback origins.

    Args:
        policy: The route's policy, or None.
        origins: The values of the request's Origin fields, with any bytes and length.

    Returns:
        One line of printable ASCII. The only input of the client in it is a valid serialized
        origin.
    """
    if len(origins) != 1:
        return "This request may not be made from another site."
    origin = origins[0]
    if origin == b"null" and not (policy is not None and policy.allows(origin)):
        return (
            "The origin null is not allowed here. Local files and sandboxed frames send it, and so"
            " do forms under Referrer-Policy: no-referrer and requests redirected from elsewhere."
        )
    parts = take_apart(origin) if len(origin) <= MAX_ORIGIN_BYTES else None
    if parts is None and origin != b"null":
        return "This origin is not allowed here."
    named = origin.decode("ascii")
    if policy is None:
        return f"The origin {named} is not allowed here."
    if parts is None or policy.allows(origin):
        return f"The origin {named} may not do this here."
    why = _near_miss(policy, *parts) if is_loopback_name(parts[1].strip(b"[]")) else ""
    return f"The origin {named} is not allowed here{why}."


def _near_miss(policy: Policy, scheme: bytes, host: bytes, port: bytes) -> str:
    """Return how a loopback origin differs from a similar allowed one; empty if there is none."""
    end = b":" + port if port else b""
    for other in _LOOPBACK_HOSTS:
        if other != host and policy.allows(scheme + b"://" + other + end):
            return f": {other.decode('ascii')} and {host.decode('ascii')} are different origins"
    swapped = _OTHER_SCHEME.get(scheme)
    if swapped is not None and policy.allows(swapped + b"://" + host + end):
        return f": it is {scheme.decode('ascii')}, but only {swapped.decode('ascii')} is allowed"
    if scheme + b"://" + host in policy.loopback:
        return ": the same host is allowed, but the port differs"
    return ""
