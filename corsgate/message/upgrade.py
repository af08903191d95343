"""Which offers to switch protocols may be forwarded."""

from __future__ import annotations

import re
from collections.abc import Sequence

from corsgate.message.headers import short_list

# After a switch the gate sees bytes, not requests: routes, origins and credentials would apply to
# the first request only. So it forwards no switch to another form of HTTP, or to TLS around it.
_STILL_HTTP = frozenset((b"h2", b"h2c", b"h3", b"http", b"https", b"spdy", b"tls"))

# Malformed offers are dropped: some server might still read one as a form of HTTP.
_PROTOCOL = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:/[!#$%&'*+.^_`|~0-9A-Za-z-]+)?")


def switchable(values: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the protocols of an Upgrade field that a tunnel may carry (RFC 9110 7.8).

    Args:
        values: The values of the Upgrade fields.

    Returns:
        The well-formed ones that are not another form of HTTP, in their order and spelling.
    """
    # A server may decline all offers, so a list beyond the bound is treated as empty.
    return tuple(offer for offer in short_list(values) or () if _may_switch(offer))


def _may_switch(offer: bytes) -> bool:
    found = _PROTOCOL.fullmatch(offer)
    return found is not None and found[1].lower() not in _STILL_HTTP
