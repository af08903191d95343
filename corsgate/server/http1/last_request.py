"""A connection's last request, whose fields the next one probably repeats byte for byte."""

from __future__ import annotations

import re
from itertools import compress

from corsgate.config.model.values import Limits
from corsgate.cors.names import KNOWN_METHODS
from corsgate.message.head import RequestHead
from corsgate.server.fields_memo import IMPARTIAL_FIELDS, MAX_REMEMBERED_BYTES
from corsgate.server.parsed_request import ParsedRequest
from corsgate.shortcuts import Shortcuts

# Absolute-form targets and CONNECT depend on more than the fields. Lines that match below are
# always valid, and no lenient parser reads them differently. The most common method comes first.
_METHODS = b"|".join(
    sorted(KNOWN_METHODS - {b"CONNECT"}, key=lambda method: (method != b"GET", method))
)
PLAIN_LINE = re.compile(rb"(%b) (/[!\"$-~]*) HTTP/1\.1(?=\r\n)" % _METHODS)
"""A request line with a known method and a target in origin-form."""


class LastRequest:
    """The last request, if a single read contained all of it and it has no body.

    Args:
        limits: Bounds on the head.
        shortcuts: Which shortcuts to take.

    Attributes:
        request: The request, or None.
        data: All bytes of its read, in case the next read is the same; empty for none.
    """

    __slots__ = (
        "_before",
        "_fields",
        "_keeps_data",
        "_keeps_fields",
        "_keeps_memo",
        "_limits",
        "data",
        "request",
    )

    def __init__(self, limits: Limits, shortcuts: Shortcuts) -> None:
        self.request: ParsedRequest | None = None
        self.data = b""
        self._limits = limits
        self._keeps_memo = shortcuts.memo
        self._keeps_data = shortcuts.same_bytes and shortcuts.memo
        self._keeps_fields = shortcuts.same_fields
        # The request's bytes after the request line.
        self._fields = b""
        # The last request, while the next one is read because its fields differ.
        self._before: ParsedRequest | None = None

    def remember(self, request: ParsedRequest, data: bytes, line_end: int) -> None:
        """Keep a request if it has no body, and if the same bytes would mean the same again.

        Args:
            request: A request whose request line is plain.
            data: The bytes of the read, which contained nothing else.
            line_end: The index of the end of the request line.
        """
        if self._before is not None:
            self._decide_like(self._before, request)
            self._before = None
        index = request.index
        if (
            request.keep_alive
            and request.length is None
            and len(data) <= MAX_REMEMBERED_BYTES
            and b"upgrade" not in index
            and b"expect" not in index
        ):
            if self._keeps_fields:
                self._fields = data[line_end:]
            if self._keeps_data:
                self.data = data
            self.request = request

    def forget(self) -> None:
        """Forget the request."""
        self.request, self.data, self._fields, self._before = None, b"", b"", None

    def recall(self, data: bytes) -> ParsedRequest | None:
        """Return the request in a read if its fields, or all its bytes, equal the last one's.

        Args:
            data: The bytes of a read between two requests.

        Returns:
            The request; None if it differs, or if more than its fields decides how it is read.
            In that case the last request is forgotten.
        """
        last, fields = self.request, self._fields
        if last is None or data == self.data:
            return last
        line = None
        if fields and data.endswith(fields):
            line = PLAIN_LINE.match(data)
        size, limits = len(data), self._limits
        if (
            line is None
            or (line_end := line.end()) != size - len(fields)
            or line_end > limits.max_target_bytes
            or size > limits.max_head_bytes
        ):
            if not self.data or not data.startswith(self.data):
                # Keep it if the same bytes come first, followed by other requests.
                self.forget()
                self._before = last if self._keeps_memo else None
            return None
        method, target = line.groups()
        head = last.head
        request = ParsedRequest(
            RequestHead(method, target, head.headers, None, head.names),
            last.index,
            authority=last.authority,
            keep_alive=True,
            memo=last.memo if self._keeps_memo else None,
        )
        if self._keeps_data and size <= MAX_REMEMBERED_BYTES:
            self.request, self.data = request, data
        return request

    def _decide_like(self, before: ParsedRequest, request: ParsedRequest) -> None:
        """Share decisions with the request before, if no field that decides anything differs."""
        head, last = request.head, before.head
        names = head.names
        if names is None or names is not last.names:
            return
        decide = names.mask(IMPARTIAL_FIELDS)
        if [*compress(head.headers, decide)] == [*compress(last.headers, decide)]:
            request.memo.take_over(before.memo)
