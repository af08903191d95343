"""Decode a client's field blocks, and remember repeated ones (RFC 7541).

The library hpack needs about ten calls per field, half of them for logging. But most fields of a
request are a single byte, the index of a field that the client has sent before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hpack import (
    HeaderTuple,
    HPACKDecodingError,
    HPACKError,
    InvalidTableIndexError,
    InvalidTableSizeError,
    OversizedHeaderListError,
)
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from corsgate.errors import ConnectionFault
from corsgate.message.headers import Header, HeaderList
from corsgate.server.fields_memo import MAX_REMEMBERED_BYTES
from corsgate.server.http2.frames import Code
from corsgate.server.parsed_request import ParsedRequest

ENTRY_OVERHEAD: Final = 32
"""The size of a field beyond its bytes (RFC 7541 4.1, RFC 9113 6.5.2)."""

TABLE_BYTES: Final = 4096
"""The maximum size of both tables, which is the initial value (RFC 9113 6.5.2)."""

MAX_BLOCKS: Final = 4
"""How many of a client's blocks are remembered. Pages often poll a few resources repeatedly."""

_STATIC: Final = HeaderTable.STATIC_TABLE
_FIRST_DYNAMIC: Final = len(_STATIC) + 1
# Integers with more continuation bytes than needed are rejected.
_SHIFTS: Final = (0, 7, 14, 21, 28)


class KeptBlock(list[Header]):
    """The fields of a remembered block.

    Attributes:
        request: The request made from the block alone; None if there is none yet.
    """

    __slots__ = ("request",)

    def __init__(self, fields: HeaderList) -> None:
        super().__init__(fields)
        self.request: ParsedRequest | None = None


class FieldDecoder:
    """Decodes a client's field blocks in place of hpack's `Decoder`, and passes h2 no fields.

    A block that neither changed the table nor contains a secret is remembered until the table
    changes. Until then the same bytes mean the same fields.

    Args:
        max_list_bytes: The maximum size of a block's fields, including the overhead of each.
        remembers: Whether to remember blocks.

    Attributes:
        fields: The fields of the last block.
        max_header_list_size: The same as `max_list_bytes`; h2 sets it to the acknowledged value.
        max_allowed_table_size: The maximum size to which the client may set its table.
        table: The fields that the client may refer to.
    """

    __slots__ = (
        "_kept",
        "_remembers",
        "fields",
        "max_allowed_table_size",
        "max_header_list_size",
        "table",
    )

    def __init__(self, max_list_bytes: int, *, remembers: bool = True) -> None:
        self.max_header_list_size = max_list_bytes
        self.max_allowed_table_size = TABLE_BYTES
        self.table = HeaderTable()
        self.fields: HeaderList = []
        self._remembers = remembers
        self._kept: dict[bytes, KeptBlock] = {}

    def decode(self, data: bytes, raw: bool = True) -> Iterable[HeaderTuple]:
        """Decode a block into `fields`.

        Args:
            data: The block.
            raw: Ignored, since fields are always bytes.

        Returns:
            No fields.

        Raises:
            ConnectionFault: The block is malformed or too large.
        """
        kept = self._kept.get(data)
        self.fields = self._read(data) if kept is None else kept
        return ()

    def forget(self) -> None:
        """Forget all remembered blocks."""
        self._kept.clear()

    def _read(self, data: bytes) -> HeaderList:
        try:
            return self._read_fields(data)
        except OversizedHeaderListError as error:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, f"{error}") from error
        except (HPACKError, IndexError) as error:
            # The tables of both sides now differ, so no later block could be decoded.
            raise ConnectionFault(Code.COMPRESSION_ERROR, f"{error}") from error

    def _read_fields(self, data: bytes) -> HeaderList:
        """Return a block's fields, and remember it if that is allowed.

        Raises:
            HPACKError: The block is malformed or too large.
            IndexError: The block is truncated, or refers to a field that is not in the table.
        """
        table = self.table
        entries, most = table.dynamic_entries, self.max_header_list_size
        fields: HeaderList = []
        at = size = 0
        same, keeps = True, self._remembers
        while at < len(data):
            first = data[at]
            if first >= 0x80:
                # RFC 7541 6.1: an index into a table, usually a single byte.
                index, at = (first & 127, at + 1) if first != 0xFF else _integer(data, at, 7)
                name, value = (
                    _STATIC[index - 1]
                    if index < _FIRST_DYNAMIC
                    else entries[index - _FIRST_DYNAMIC]
                )
                if not index:
                    raise InvalidTableIndexError("there is no field 0")
            elif first & 0xE0 == 0x20:
                # RFC 7541 6.3.
                at, same = self._resize(data, at, late=bool(fields)), False
                continue
            else:
                # RFC 7541 6.2.
                index, at = _integer(data, at, 6 if first & 0x40 else 4)
                if index >= _FIRST_DYNAMIC:
                    name = entries[index - _FIRST_DYNAMIC][0]
                elif index:
                    name = _STATIC[index - 1][0]
                else:
                    name, at = _string(data, at)
                value, at = _string(data, at)
                if first & 0x40:
                    table.add(name, value)
                    same = False
                elif first & 0x10:
                    keeps = False
            fields.append((name, value))
            size += len(name) + len(value) + ENTRY_OVERHEAD
            if size > most:
                raise OversizedHeaderListError(f"the fields take more than {most} bytes")
        if not same:
            self._kept.clear()
        elif keeps and data and max(len(data), size) <= MAX_REMEMBERED_BYTES:
            return self._keep(data, fields)
        return fields

    def _resize(self, data: bytes, at: int, *, late: bool) -> int:
        """Change the table's size; return the index of the next field in the block."""
        if late:
            raise HPACKDecodingError("the table's size changes after a field")
        size, at = _integer(data, at, 5)
        if size > self.max_allowed_table_size:
            raise InvalidTableSizeError(f"a table of {size} bytes is too large")
        self.table.maxsize = size
        return at

    def _keep(self, data: bytes, fields: HeaderList) -> KeptBlock:
        if len(self._kept) >= MAX_BLOCKS:
            self._kept.clear()
        kept = self._kept[data] = KeptBlock(fields)
        return kept


def _integer(data: bytes, at: int, bits: int) -> tuple[int, int]:
    """Return an integer with a prefix of `bits` bits, and the index after it (RFC 7541 5.1)."""
    most = (1 << bits) - 1
    number = data[at] & most
    at += 1
    if number < most:
        return number, at
    for shift in _SHIFTS:
        byte = data[at]
        at += 1
        number += (byte & 127) << shift
        if byte < 128:
            return number, at
    raise HPACKDecodingError("a number has too many bytes")


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    """Return a string, and the index after it (RFC 7541 5.2)."""
    compressed = data[at] & 0x80
    size, at = _integer(data, at, 7)
    text = data[at : at + size]
    if len(text) < size:
        raise HPACKDecodingError("a string is cut off")
    return (decode_huffman(text) if compressed else text), at + size
