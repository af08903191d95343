"""Optimizations of the request path: all are on, unless a test turns some off."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Shortcuts:
    """Optimizations that don't change the result.

    With any of these off, the same bytes reach clients, servers and the log. A test compares them
    for thousands of requests.

    Attributes:
        same_bytes: A request with the same bytes as the last one on the connection isn't parsed
            again.
        same_fields: If only its fields are the same, only the request line is parsed.
        memo: Values derived from a request's fields are reused for the next request with the same
            fields.
        head_names: What follows from the names of a head's fields is reused for the next head with
            the same names.
        direct: The first attempt at a server runs without a coroutine.
        whole: A response that has arrived completely is sent in one write.
        counted: A body of known length is counted, not parsed.
        blocks: A decoded or encoded HTTP/2 field block is reused while the HPACK table is the same.
            The library h2 handles only streams with more than one step in either direction.
    """

    same_bytes: bool = True
    same_fields: bool = True
    memo: bool = True
    head_names: bool = True
    direct: bool = True
    whole: bool = True
    counted: bool = True
    blocks: bool = True


ALL = Shortcuts()
"""The setting of the daemon."""
