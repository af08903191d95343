"""Which shortcuts the way of a request may take: all of them, unless a test forces some off."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Shortcuts:
    """What is left out where it would come to the same thing.

    With any of these off, the same bytes reach clients, servers and the log. A test compares that
    over thousands of requests.

    Attributes:
        same_bytes: A request with the bytes of the connection's last one isn't parsed again.
        same_fields: Of one with the same fields, only the request line is read.
        memo: What was worked out of the fields of a request serves the next one with the same.
        head_names: What the names of a head imply serves the next head with the same names.
        direct: A first attempt at a server runs without a coroutine.
        whole: A response that has come as a whole leaves in one write.
        counted: A body of known length is counted, not parsed.
        blocks: A decoded or encoded field block of HTTP/2 serves again while its table is the same,
            and the library h2 is shown only those streams that have more than one step each way.
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
"""What the daemon runs with."""
