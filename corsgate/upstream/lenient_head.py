"""Heads that llhttp rejects, read where they can have only one meaning, and rewritten.

The result is well-formed, and llhttp reads it like any other head: no second parser judges framing.
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
"""How many lines of fields a head or a trailer may have here. To judge a line takes microseconds,
in which nobody else is served."""


@attrs.frozen
class LenientHead:
    """A head that was rewritten.

    Attributes:
        head: It as well-formed bytes, including the empty line.
        repairs: What was put right, and how often.
    """

    head: bytes = attrs.field(repr=False)
    repairs: Counter[Repair]


class KeptHeads:
    """The bytes of a response's heads, kept until a head is there as a whole.

    The search for its end goes on where it stopped, so bytes that drip in cost no more than others.

    Args:
        raw: What has come of the response.
        at: Where the head begins that llhttp rejected.
    """

    def __init__(self, raw: bytes, at: int) -> None:
        self._data = bytearray(raw)
        self._at = self._searched = at
        self._empty_lines = False

    def add(self, data: bytes) -> None:
        """Take more of the response."""
        self._data += data

    def rest(self) -> bytes:
        """Return what follows the heads that were taken."""
        return bytes(self._data[self._at :])

    def take(self) -> LenientHead | None:
        """Return the next head; None if its end has not come yet.

        Raises:
            BadUpstreamResponse: It is no head, or it could have two meanings.
        """
        data, at = self._data, self._at
        lines = _LEADING.match(data, at)
        assert lines is not None, "it matches nothing at all, too"
        begin = lines.end()
        if begin > at:
            self._empty_lines = True
            self._at = begin
            self._searched = max(self._searched, begin)
        start = bytes(data[begin : begin + len(_START)])
        # HTTP/0.9 has no head: to wait for its end would be to wait for ever.
        if data.startswith(_TLS_ALERT):
            # What a server of TLS says to a request that is none (RFC 8446 6).
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
        raw: From the status line to the empty line. Lines may end with a bare LF
            (RFC 9112 2.2).

    Raises:
        BadUpstreamResponse: It could have two meanings, or none.
    """
    repairs: Counter[Repair] = Counter()
    text = raw.replace(b"\r\n", b"\n")
    # A recipient may treat a bare CR as a blank or as a line end, and a NUL as the end of it all
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
    """Return the version, status and reason that a status line states (RFC 9112 4)."""
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise BadUpstreamResponse("its status line is not well-formed")
    version, before, status, behind, reason = match.groups()
    reason = reason or b""
    if version not in (b"1.0", b"1.1"):
        # What has a higher minor version is to be read as HTTP/1.1 (RFC 9110 2.5). What calls
        # itself HTTP/2, and is text, is nothing else either.
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
    """Return the fields that are stated by the lines of a head or trailer (RFC 9112 5).

    Args:
        lines: The lines without their ends; there is neither CR nor NUL in them.
        repairs: What is put right is added to it.

    Raises:
        BadUpstreamResponse: A line could be taken for two things, or there are too many.
    """
    if len(lines) > MAX_LINES:
        raise BadUpstreamResponse("its head or trailer has too many lines")
    fields: list[tuple[bytes, list[bytes]]] = []
    is_field = False
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            # Behind what is no field, a reader may take it for a field of its own; so it may a
            # framing field that only looks folded.
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
            # In part, too: a single byte may have been damaged.
            raise BadUpstreamResponse("it has a line that resembles a framing field")
        else:
            repairs[Repair.BAD_LINE] += 1
    return [_field(name, parts, repairs) for name, parts in fields]


def _field(name: bytes, parts: list[bytes], repairs: Counter[Repair]) -> Header:
    """Return a field whose value may have come in several lines."""
    # RFC 9112 5.2: a fold is replaced by blanks.
    value = b" ".join([part.strip(b" \t") for part in parts]).strip(b" \t")
    if _CONTROL.search(value) and name.lower() in FRAMING_FIELDS:
        raise BadUpstreamResponse("a framing field has control bytes")
    return name, _without_controls(value, repairs).strip(b" \t")


def _without_controls(value: bytes, repairs: Counter[Repair]) -> bytes:
    """Return a value with blanks in place of control bytes (RFC 9110 5.5)."""
    cleaned, count = _CONTROL.subn(b" ", value)
    if count:
        repairs[Repair.CONTROL] += count
    return cleaned


def _may_frame(line: bytes) -> bool:
    """Return whether a folded line, read as a field, would resemble a framing field."""
    name, colon, _ = line.partition(b":")
    return bool(colon) and _contains(name, _FRAMING_LETTERS)


def _contains(text: bytes, words: tuple[bytes, ...]) -> bool:
    """Return whether somebody could find one of some lower-cased words in a text."""
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
            # To HTTP/1.0 the length counts, and browsers go by the version.
            raise BadUpstreamResponse("it has a Content-Length and, as HTTP/1.0, a transfer coding")
        repairs[Repair.LENGTH_WITH_CHUNKED] += 1
    kept = [field for field in fields if field[0].lower() not in FRAMING_FIELDS]
    if is_chunked:
        kept.append((b"Transfer-Encoding", b"chunked"))
    elif length is not None:
        kept.append((b"Content-Length", length))
    return kept


def _one_length(values: list[bytes], repairs: Counter[Repair]) -> bytes:
    """Return the one number that Content-Length fields state."""
    members = [member.strip(b" \t") for value in values for member in value.split(b",")]
    length = members[0]
    # Differently written equals are refused, too: to some, a leading zero means octal.
    if content_length([length]) is None or members.count(length) < len(members):
        raise BadUpstreamResponse("its Content-Length is not one number")
    if len(members) > 1:
        repairs[Repair.REPEATED_LENGTH] += 1
    return length


def _is_chunked(values: list[bytes], repairs: Counter[Repair]) -> bool:
    """Return whether Transfer-Encoding fields mean chunks, rather than nothing."""
    codings = [coding.lower() for coding in list_members(values)]
    chunked = codings.count(b"chunked")
    identity = codings.count(b"identity")
    # Behind chunked, identity would make another coding the last one, which decides.
    if not codings or codings != [b"identity"] * identity + [b"chunked"] * chunked:
        raise BadUpstreamResponse("its transfer coding is not chunked alone")
    if identity:
        repairs[Repair.IDENTITY] += 1
    if chunked > 1:
        repairs[Repair.REPEATED_CHUNKED] += 1
    return chunked > 0
