"""Values derived from a request's fields, kept for the next request with the same fields."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from corsgate.message.client import Client
from corsgate.message.head import RequestHead

MAX_REMEMBERED_BYTES = 2 * 1024
"""The largest head that a connection remembers. A browser's head has about 800 bytes. Larger ones
are parsed each time."""

MAX_KEPT = 16
"""How many decisions, and how many prepared heads, a connection keeps. Most connections need only
a few, one for each route and server."""

MAX_HEAD_BYTES = 4 * MAX_REMEMBERED_BYTES
"""The maximum total size of the prepared heads: two for a route, with room for added fields."""


IMPARTIAL_FIELDS = frozenset(
    (b"if-match", b"if-modified-since", b"if-none-match", b"if-range", b"if-unmodified-since")
)
"""Lower-cased names of fields whose values decide nothing in the gate. Only the heads for servers
contain them (RFC 9110 13.1)."""


class FieldsMemo:
    """Values that depend on a request's fields and its connection, but not on its target.

    Requests of one connection with identical fields share one memo. Anything else that a value
    depends on, such as the method or the route, must be in its key. If only `IMPARTIAL_FIELDS`
    differ, requests share everything except `heads`.

    Attributes:
        client: The client, its address for the log, and the object that determined them; None
            until it is needed.
        refused_host: A host named by a trusted proxy that isn't served, or empty; and the object
            that determined it. None until it is needed.
        log_members: The parts of the access log line that depend on the fields and the last method.
        rulings: The decisions of routes' policies, by kind of route and method.
        heads: The last heads sent to servers, by everything that they depend on besides method
            and target.
    """

    __slots__ = ("_bytes", "client", "heads", "log_members", "refused_host", "rulings")

    def __init__(self) -> None:
        self.client: tuple[Client, str, object] | None = None
        self.refused_host: tuple[bytes, object] | None = None
        self.log_members: Any = None
        self.rulings: dict[tuple[Hashable, bytes], Any] = {}
        self.heads: dict[Hashable, RequestHead] = {}
        self._bytes = 0

    def take_over(self, before: FieldsMemo) -> None:
        """Share everything except `heads` with a memo of fields that decide the same."""
        self.client, self.refused_host = before.client, before.refused_host
        self.log_members, self.rulings = before.log_members, before.rulings

    def keep_ruling(self, kind: Hashable, method: bytes, ruling: Any) -> None:
        """Keep the decision of a route's policy. Above the limit, forget all others."""
        if len(self.rulings) >= MAX_KEPT:
            self.rulings.clear()
        self.rulings[kind, method] = ruling

    def keep_head(self, key: Hashable, head: RequestHead) -> None:
        """Keep a prepared head, unless it is too large. Above a limit, forget all others."""
        size, heads = len(head.wire or head.lines or b""), self.heads
        if size > MAX_HEAD_BYTES:
            return
        if key in heads:
            before = heads.pop(key)
            self._bytes -= len(before.wire or before.lines or b"")
        if len(heads) >= MAX_KEPT or self._bytes + size > MAX_HEAD_BYTES:
            heads.clear()
            self._bytes = 0
        self._bytes += size
        heads[key] = head
