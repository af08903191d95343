"""A connection's last request, whose fields the next one probably repeats byte for byte."""

from __future__ import annotations

import re

from corsgate.config.model.values import Limits
from corsgate.server.fields_memo import MAX_REMEMBERED_BYTES
from corsgate.server.http1.message_cuts import HEAD_END
from corsgate.server.http1.request_line import LINE_END
from corsgate.server.parsed_request import ParsedRequest

# A request line that the fields alone decide on: its target names no host. It leaves nothing of
# the target to be refused, and no white space to be lenient about.
_PLAIN_LINE = re.compile(rb"(?!CONNECT )[A-Z-]+ /[!\"$-~]* HTTP/1\.1")


class LastRequest:
    """The last request, if it was read whole by one read, has no body and is worth keeping.

    Args:
        limits: Bounds on the head.

    Attributes:
        request: The request, or None.
    """

    __slots__ = ("_fields", "_limits", "request")

    def __init__(self, limits: Limits) -> None:
        self.request: ParsedRequest | None = None
        self._limits = limits
        # Its bytes from the end of the request line on.
        self._fields = b""

    def remember(self, request: ParsedRequest, data: bytes) -> None:
        """Keep a request where its fields say all but the request line.

        Args:
            request: One without a body.
            data: The read that it came in, which ends with a head's end.
        """
        line_end = data.find(LINE_END)
        if (
            not request.keep_alive
            or request.version != "1.1"
            or request.length is not None
            or b"upgrade" in request.index
            or data.find(HEAD_END) != len(data) - len(HEAD_END)
            or len(data) > MAX_REMEMBERED_BYTES
            or not line_end > 0
            # An absolute-form target's host may be another one.
            or request.index.get(b"host") != [request.authority]
        ):
            self.forget()
            return
        self.request = request
        self._fields = data[line_end:]

    def forget(self) -> None:
        """Keep nothing."""
        self.request, self._fields = None, b""

    def head_with_its_fields(self, data: bytes) -> bytes | None:
        """Return the request line of a read as a head by itself, if the fields are the same.

        Args:
            data: The read.

        Returns:
            The line and the head's end; None where this is another request, or none that the
            fields alone decide on.
        """
        line_end = data.find(LINE_END)
        if (
            data[line_end:] != self._fields
            or _PLAIN_LINE.fullmatch(data, 0, line_end) is None
            or line_end > self._limits.max_target_bytes
            or len(data) > self._limits.max_head_bytes
        ):
            return None
        return data[:line_end] + HEAD_END
