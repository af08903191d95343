"""Offers to switch protocols: which of them may be passed on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from corsgate.message.headers import short_list

# Behind a switch the gate sees bytes, no requests: routes, origins and credentials would hold
# for the first request only. So no switch to another form of HTTP, nor to TLS around it.
_STILL_HTTP = frozenset((b"h2", b"h2c", b"h3", b"http", b"https", b"spdy", b"tls"))

# What is written in another way some server might still take for one of them.
_PROTOCOL = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:/[!#$%&'*+.^_`|~0-9A-Za-z-]+)?")


def switchable(values: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the protocols of an Upgrade field that a tunnel may carry (RFC 9110 7.8).

    Args:
        values: The values of the Upgrade fields.

    Returns:
        Those that are well-formed and not HTTP in another form, in their order and spelling.
    """
    # A server may take up none of the offers, so a list past the bound is none.
    return tuple(offer for offer in short_list(values) or () if _may_switch(offer))


def _may_switch(offer: bytes) -> bool:
    found = _PROTOCOL.fullmatch(offer)
    return found is not None and found[1].lower() not in _STILL_HTTP
