"""The field that marks a request as this process's, to recognize one that comes back."""

from __future__ import annotations

from collections.abc import Iterable

from corsgate.message.headers import Header

MAX_HOPS = 16
"""The maximum number of proxies that may have forwarded a request.

It ends a loop in which the gate's own pseudonym is lost, as when several processes share a port.
Real chains of proxies are much shorter."""


def via(version: bytes = b"1.1", pseudonym: bytes = b"corsgate") -> Header:
    """Return the Via field that the gate adds to a request, after those of the request.

    Args:
        version: The protocol version of the received request: ``1.0``, ``1.1`` or ``2``.
        pseudonym: This process's name, which is unique, so that a request that returns is
            recognized.

    Returns:
        A separate field, which recipients join to those before it (RFC 9110 7.6.3). The pseudonym
        is used instead of the host, so that the gate's address is not revealed.
    """
    return b"Via", version + b" " + pseudonym


def loop_mark(pseudonym: bytes) -> Header:
    """Return the field that marks a request instead of Via.

    Args:
        pseudonym: This process's name.

    Source: RFC 8586 2. Unlike Via, the field affects only proxies.
    """
    return b"CDN-Loop", pseudonym


def loop_of(values: Iterable[bytes], pseudonym: bytes) -> str:
    """Return why a request seems to be in a loop; empty if it does not.

    The values are searched and counted without splitting them, which could be expensive.

    Args:
        values: The values of its Via fields, or of its CDN-Loop fields.
        pseudonym: The pseudonym of this process.

    Source: RFC 9110 7.6.3: Via is for "avoiding request loops".
    """
    hops = 0
    for value in values:
        if pseudonym in value:
            return "it has passed this gate already"
        hops += value.count(b",") + 1
    return f"it has passed more than {MAX_HOPS} proxies" if hops > MAX_HOPS else ""
