"""What has been worked out of a request's fields, kept for the next request with the same."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from corsgate.message.client import Client
from corsgate.message.head import RequestHead

MAX_REMEMBERED_BYTES = 2 * 1024
"""The largest head that a connection remembers for the next request. A browser's has some 800
bytes; one with more is parsed anew each time."""

MAX_KEPT = 16
"""How many decisions, and how many prepared heads, a connection keeps: one for each route and
server is much."""

MAX_HEAD_BYTES = 4 * MAX_REMEMBERED_BYTES
"""How large the prepared heads may be together: two for a route, with room for what is added."""


class FieldsMemo:
    """What follows from a request's fields and its connection, whatever its target is.

    Requests of one connection with the very same fields share one. All else that a value depends
    on, such as the method or the route, must be in its key.

    Attributes:
        client: Who asks, the address that the log shows, and what found that out; None until it
            is looked up.
        refused_host: A host that a trusted proxy names and that isn't served, empty where there
            is none, and what found that out; None until it is looked up.
        log_members: What the access log's line says of the fields, and of the last method.
        rulings: What a route's policy makes of the fields, by kind of route and method.
        heads: The heads that servers got last, by all that they depend on besides method and
            target.
    """

    __slots__ = ("_bytes", "client", "heads", "log_members", "refused_host", "rulings")

    def __init__(self) -> None:
        self.client: tuple[Client, str, object] | None = None
        self.refused_host: tuple[bytes, object] | None = None
        self.log_members: Any = None
        self.rulings: dict[tuple[Hashable, bytes], Any] = {}
        self.heads: dict[Hashable, RequestHead] = {}
        self._bytes = 0

    def keep_ruling(self, kind: Hashable, method: bytes, ruling: Any) -> None:
        """Keep what a route's policy makes of the fields; past the bound, forget all others."""
        if len(self.rulings) >= MAX_KEPT:
            self.rulings.clear()
        self.rulings[kind, method] = ruling

    def keep_head(self, key: Hashable, head: RequestHead) -> None:
        """Keep a prepared head, unless it is too large; past a bound, forget all others."""
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
