"""The faults that are repaired in responses that are not well-formed."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias


class Repair(StrEnum):
    """A fault that leaves a response only one meaning; its value describes it in the log."""

    BARE_LF = "a head with bare LF line ends"
    EMPTY_LINE = "an empty line before the status line"
    STATUS_LINE = "superfluous whitespace in the status line"
    VERSION = "a version other than HTTP/1.0 and HTTP/1.1"
    STATUS = "a status above 599"
    OLD_SWITCH = "a status 101 in HTTP/1.0"
    CONTROL = "control bytes in its head or trailer"
    SPACED_NAME = "whitespace between a field's name and the colon"
    FOLDED = "a field folded over several lines"
    BAD_LINE = "a line without a colon or with an invalid name"
    REPEATED_LENGTH = "the same Content-Length more than once"
    LENGTH_WITH_CHUNKED = "Content-Length together with chunked"
    IDENTITY = "the transfer coding identity"
    REPEATED_CHUNKED = "the transfer coding chunked more than once"
    CHUNK_LINE = "a chunk size followed by whitespace or an invalid extension"
    CHUNK_LF = "chunk lines with bare LF line ends"
    UNSEALED = "a body that ends without TLS close_notify"


Repaired: TypeAlias = Callable[[Repair, int], None]
"""Called with a repair, and how often it occurred in one head or in a part of a body."""


def ignore_repair(repair: Repair, count: int) -> None:
    """Do nothing with a repair."""
