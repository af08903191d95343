"""Rewrites heads that llhttp rejects but that can have only one meaning.

The result is well-formed, and llhttp reads it like any other head. So only one parser decides about
framing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import attrs

from corsgate.cors.names import TOKEN
from corsgate.errors import BadUpstreamResponse
from corsgate.message.framing import FRAMING_FIELDS, content_length
from corsgate.message.head import field_lines
from corsgate.message.headers import Header, HeaderList, list_members
from corsgate.upstream.repairs import Repair

_LEADING = re.compile(rb"(?:\r?\n)*")
_HEAD_END = re.compile(rb"\n\r?\n")
_TLS_ALERT = b"\x15\x03"
_START = b"HTTP/"

_STATUS_LINE = re.compile(
    rb"HTTP/(1\.[0-9]|2(?:\.0)?)([ \t]+)([1-9][0-9]{2})(?:([ \t]+)(.*))?", re.DOTALL
)
_CONTROL = re.compile(rb"[\x01-\x08\x0a-\x1f\x7f]")
_NOT_ALPHANUMERIC = re.compile(rb"[^0-9A-Za-z]")
_FRAMING_LETTERS = (b"contentlength", b"transferencoding")
_FRAMING_PARTS = (b"contentl", b"length", b"transfere", b"encoding")

MAX_LINES = 1000
"""The maximum number of field lines in a head or a trailer here. Each line takes microseconds to
check, during which nobody else is served."""


@attrs.frozen
class LenientHead:
    """A head that was rewritten.

    Attributes:
        head: The head as well-formed bytes, including the empty line.
        repairs: The repaired faults, and how often each occurred.
    """

    head: bytes = attrs.field(repr=False)
    repairs: Counter[Repair]


class KeptHeads:
    """The bytes of a response's heads, kept until a head is complete.

    The search for its end continues where it stopped, so small pieces cost no more than large ones.

    Args:
        raw: The bytes of the response received so far.
        at: The index in `raw` of the head that llhttp rejected.
    """

    def __init__(self, raw: bytes, at: int) -> None:
        self._data = bytearray(raw)
        self._at = self._searched = at
        self._empty_lines = False

    def add(self, data: bytes) -> None:
        """Add bytes of the response."""
        self._data += data

    def rest(self) -> bytes:
        """Return the bytes after the heads that `take` has returned."""
        return bytes(self._data[self._at :])

    def take(self) -> LenientHead | None:
        """Return the next head; None if its end was not received yet.

        Raises:
            BadUpstreamResponse: It is not a head, or it could have two meanings.
        """
        data, at = self._data, self._at
        lines = _LEADING.match(data, at)
        assert lines is not None, "it also matches the empty string"
        begin = lines.end()
        if begin > at:
            self._empty_lines = True
            self._at = begin
            self._searched = max(self._searched, begin)
        start = bytes(data[begin : begin + len(_START)])
        # Check the start at once: HTTP/0.9 has no head, whose end would never come.
        if data.startswith(_TLS_ALERT):
            # The alert that a TLS server sends for a plain HTTP request (RFC 8446 6).
            raise BadUpstreamResponse("it speaks TLS on this port: write https:// in servers")
        if not _START.startswith(start) and start != b"\r":
            raise BadUpstreamResponse("its status line does not begin with HTTP/1.1")
        end = _HEAD_END.search(data, max(begin, self._searched - 2))
        if end is None:
            self._searched = len(data)
            return None
        head = read_head(bytes(data[begin : end.end()]))
        self._at = self._searched = end.end()
        if self._empty_lines:
            self._empty_lines = False
            head.repairs[Repair.EMPTY_LINE] += 1
        return head


def read_head(raw: bytes) -> LenientHead:
    """Read the head of a response that llhttp rejects, and rewrite it.

    Args:
        raw: The bytes from the status line to the empty line. Lines may end with a bare LF
            (RFC 9112 2.2).

    Raises:
        BadUpstreamResponse: The head could have two meanings, or none.
    """
    repairs: Counter[Repair] = Counter()
    text = raw.replace(b"\r\n", b"\n")
    # A recipient may treat a bare CR as a space or as a line end, or a NUL as the end of the head
    # (RFC 9110 5.5, RFC 9112 2.2).
    if b"\r" in text or b"\0" in text:
        raise BadUpstreamResponse("its head has a bare CR or a NUL")
    if len(raw) - len(text) != text.count(b"\n"):
        repairs[Repair.BARE_LF] += 1
    line, *lines = text.split(b"\n")[:-2]
    version, status, reason = _read_status_line(line, repairs)
    fields = _with_plain_framing(read_fields(lines, repairs), version, repairs)
    start = b"HTTP/%b %b %b\r\n" % (version, status, reason)
    return LenientHead(b"%b%b\r\n" % (start, field_lines(fields) if fields else b""), repairs)


def _read_status_line(line: bytes, repairs: Counter[Repair]) -> tuple[bytes, bytes, bytes]:
    """Return the version, status and reason in a status line (RFC 9112 4)."""
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise BadUpstreamResponse("its status line is not well-formed")
    version, before, status, behind, reason = match.groups()
    reason = reason or b""
    if version not in (b"1.0", b"1.1"):
        # Treat a higher minor version as HTTP/1.1 (RFC 9110 2.5). A text head that claims to be
        # HTTP/2 can't be anything else either.
        repairs[Repair.VERSION] += 1
        version = b"1.1"
    if before != b" " or behind not in (b" ", None):
        repairs[Repair.STATUS_LINE] += 1
    if status > b"599":
        repairs[Repair.STATUS] += 1
    if status == b"101" and version == b"1.0":
        repairs[Repair.OLD_SWITCH] += 1
        version = b"1.1"
    return version, status, _without_controls(reason, repairs).strip(b" \t")


def read_fields(lines: Sequence[bytes], repairs: Counter[Repair]) -> HeaderList:
    """Return the fields in the lines of a head or trailer (RFC 9112 5).

    Args:
        lines: The lines without their line ends; they contain neither CR nor NUL.
        repairs: Repaired faults are added to it.

    Raises:
        BadUpstreamResponse: A line could have two meanings, or there are too many lines.
    """
    if len(lines) > MAX_LINES:
        raise BadUpstreamResponse("its head or trailer has too many lines")
    fields: list[tuple[bytes, list[bytes]]] = []
    is_field = False
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            # After a line that is not a field, a recipient may read this as a separate field. It
            # may also do so with a framing field that only looks folded.
            if not is_field or fields[-1][0].lower() in FRAMING_FIELDS or _may_frame(line):
                raise BadUpstreamResponse("it has a folded line of uncertain meaning")
            repairs[Repair.FOLDED] += 1
            fields[-1][1].append(line)
            continue
        spelled, colon, value = line.partition(b":")
        name = spelled.rstrip(b" \t")
        is_field = bool(colon) and TOKEN.fullmatch(name) is not None
        if is_field:
            if name != spelled:
                repairs[Repair.SPACED_NAME] += 1
            fields.append((name, [value]))
        elif _contains(spelled, _FRAMING_PARTS if colon else _FRAMING_LETTERS):
            # A part of the name is enough, since a single byte may have been damaged.
            raise BadUpstreamResponse("it has a line that resembles a framing field")
        else:
            repairs[Repair.BAD_LINE] += 1
    return [_field(name, parts, repairs) for name, parts in fields]


def _field(name: bytes, parts: list[bytes], repairs: Counter[Repair]) -> Header:
    """Return a field whose value may be folded over several lines."""
    # RFC 9112 5.2: a fold is replaced by spaces.
    value = b" ".join([part.strip(b" \t") for part in parts]).strip(b" \t")
    if _CONTROL.search(value) and name.lower() in FRAMING_FIELDS:
        raise BadUpstreamResponse("a framing field has control bytes")
    return name, _without_controls(value, repairs).strip(b" \t")


def _without_controls(value: bytes, repairs: Counter[Repair]) -> bytes:
    """Return a value with spaces instead of control bytes (RFC 9110 5.5)."""
    cleaned, count = _CONTROL.subn(b" ", value)
    if count:
        repairs[Repair.CONTROL] += count
    return cleaned


def _may_frame(line: bytes) -> bool:
    """Return whether a folded line, read as a field, would resemble a framing field."""
    name, colon, _ = line.partition(b":")
    return bool(colon) and _contains(name, _FRAMING_LETTERS)


def _contains(text: bytes, words: tuple[bytes, ...]) -> bool:
    """Return whether a text contains a word, ignoring case and all but letters and digits."""
    letters = _NOT_ALPHANUMERIC.sub(b"", text).lower()
    return any(word in letters for word in words)


def _with_plain_framing(fields: HeaderList, version: bytes, repairs: Counter[Repair]) -> HeaderList:
    """Return the fields with at most one framing field (RFC 9112 6.3)."""
    lengths = [value for name, value in fields if name.lower() == b"content-length"]
    codings = [value for name, value in fields if name.lower() == b"transfer-encoding"]
    length = _one_length(lengths, repairs) if lengths else None
    is_chunked = bool(codings) and _is_chunked(codings, repairs)
    if is_chunked and length is not None:
        if version != b"1.1":
            # HTTP/1.0 knows only the length, and browsers go by the version.
            raise BadUpstreamResponse("it has a Content-Length and, as HTTP/1.0, a transfer coding")
        repairs[Repair.LENGTH_WITH_CHUNKED] += 1
    kept = [field for field in fields if field[0].lower() not in FRAMING_FIELDS]
    if is_chunked:
        kept.append((b"Transfer-Encoding", b"chunked"))
    elif length is not None:
        kept.append((b"Content-Length", length))
    return kept


def _one_length(values: list[bytes], repairs: Counter[Repair]) -> bytes:
    """Return the single number in Content-Length fields."""
    members = [member.strip(b" \t") for value in values for member in value.split(b",")]
    length = members[0]
    # Equal numbers in different spellings are also rejected: some read a leading zero as octal.
    if content_length([length]) is None or members.count(length) < len(members):
        raise BadUpstreamResponse("its Content-Length is not one number")
    if len(members) > 1:
        repairs[Repair.REPEATED_LENGTH] += 1
    return length


def _is_chunked(values: list[bytes], repairs: Counter[Repair]) -> bool:
    """Return whether Transfer-Encoding fields mean chunked; False if they mean identity."""
    codings = [coding.lower() for coding in list_members(values)]
    chunked = codings.count(b"chunked")
    identity = codings.count(b"identity")
    # After chunked, identity would be the last coding, and the last one decides.
    if not codings or codings != [b"identity"] * identity + [b"chunked"] * chunked:
        raise BadUpstreamResponse("its transfer coding is not just chunked")
    if identity:
        repairs[Repair.IDENTITY] += 1
    if chunked > 1:
        repairs[Repair.REPEATED_CHUNKED] += 1
    return chunked > 0
