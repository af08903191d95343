"""Encode responses' fields as field blocks, and remember encoded fields (RFC 7541).

The library hpack needs about ten calls per field. But most responses have nearly the same fields,
so their encoded form can be reused.
"""

from __future__ import annotations

from typing import Final

from hpack import HeaderTuple
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.table import HeaderTable

from corsgate.message.headers import Header, HeaderList
from corsgate.message.request_id import MAX_ID_BYTES, REQUEST_ID_NAME
from corsgate.server.fields_memo import MAX_REMEMBERED_BYTES
from corsgate.server.http2.field_decoder import ENTRY_OVERHEAD, TABLE_BYTES

MAX_LITERALS: Final = 48
"""How many encoded response fields outside the table a connection remembers."""

_LITERAL_BYTES: Final = 4 * MAX_REMEMBERED_BYTES
# Fields that change all the time, and fields that differ for each resource.
_VOLATILE: Final = frozenset((b"age", b"content-length", b"content-range", b"date", b"expires"))
_OF_RESOURCES: Final = frozenset((b"content-disposition", b"etag", b"last-modified", b"location"))

_PLAIN, _NEVER_INDEXED, _INDEXED = 0x00, 0x10, 0x40
_HUFFMAN: Final = 0x80
_STATIC: Final = HeaderTable.STATIC_TABLE_MAPPING
_FIRST_DYNAMIC: Final = len(HeaderTable.STATIC_TABLE) + 1

# The Huffman code of each byte, in ones and zeros. The last code, for the end, is never sent.
_CODES: Final = tuple(
    f"{code:0{length}b}"
    for code, length in zip(REQUEST_CODES[:256], REQUEST_CODES_LENGTH[:256], strict=True)
)


class FieldEncoder:
    """Encodes field blocks for a client, in place of hpack's `Encoder`.

    A field that is sent a second time is added to the table that the client keeps. After that, it
    takes a byte or two. Fields whose value changes each time are not added. Nothing is added once
    the table is full, so that encoded fields stay valid. `Set-Cookie` is neither added to the table
    nor remembered (RFC 7541 7.1.3).

    Args:
        remembers: Whether to reuse encoded fields.
    """

    __slots__ = (
        "_learns",
        "_left",
        "_literal_bytes",
        "_literals",
        "_remembers",
        "_resized",
        "_table",
        "_table_bytes",
        "_written",
    )

    def __init__(self, *, remembers: bool = True) -> None:
        # The fields in the table, the oldest first; an older one has a higher index.
        self._table: dict[Header, int] = {}
        self._table_bytes = TABLE_BYTES
        self._left = TABLE_BYTES
        self._resized = b""
        # The encoded form of each field: those of the table, and recent literals.
        self._written: _Written = _Written()
        self._literals = self._literal_bytes = 0
        # Whether the last block had a new field that the next block may add to the table.
        self._learns = False
        self._remembers = remembers

    @property
    def header_table_size(self) -> int:
        """The maximum size of the table, in bytes as defined by RFC 7541 4.1."""
        return self._table_bytes

    @header_table_size.setter
    def header_table_size(self, size: int) -> None:
        """Start over with an empty table of the size that the client requests (RFC 7541 4.2)."""
        if size == self._table_bytes:
            return
        self._table.clear()
        self._table_bytes = self._left = size
        self._resized = _integer(0, 5, 0x20) + (_integer(size, 5, 0x20) if size else b"")
        self.forget()

    def encode(self, fields: HeaderList, huffman: bool = True) -> bytes:
        """Return a field block.

        Args:
            fields: The fields, pseudo-header fields first, all other names in lower case.
            huffman: Ignored; the shorter form is used.
        """
        if self._remembers and not (self._learns or self._resized):
            try:
                return b"".join(map(self._written.__getitem__, fields))
            except KeyError:
                pass
        return self._encode(fields)

    def forget(self) -> None:
        """Forget the literals. The table is kept as long as the connection."""
        self._written = _Written()
        self._written.update({field: self._index(place) for field, place in self._table.items()})
        self._literals = self._literal_bytes = 0
        self._learns = False

    def _encode(self, fields: HeaderList) -> bytes:
        """Encode a block field by field, and add repeated fields to the table.

        A block without new fields, after another such block, changes nothing: `encode` joins the
        remembered forms of its fields.
        """
        parts, self._resized = [self._resized], b""
        learns = self._learns or not all(
            field in self._written or _is_own_id(*field) for field in fields
        )
        self._learns = grown = False
        for field in fields:
            name, value = field
            place = self._table.get(field)
            if place is not None:
                parts.append(self._index(place))
            elif isinstance(field, HeaderTuple) and not field.indexable:
                parts.append(_literal(name, value, _NEVER_INDEXED))
            elif _is_own_id(name, value):
                parts.append(_ID_STARTS[len(value)] + value)
            elif not learns or field not in self._written:
                text = _literal(name, value, _PLAIN)
                parts.append(text)
                if learns:
                    self._keep((name, value), text)
            elif self._joins(name, value):
                grown = True
                parts.append(_literal(name, value, _INDEXED))
            else:
                parts.append(_literal(name, value, _PLAIN))
        if grown:
            self._written.update(
                {field: self._index(place) for field, place in self._table.items()}
            )
        return b"".join(parts)

    def _joins(self, name: bytes, value: bytes) -> bool:
        """Add a field to the table if that is worth it; return whether it was added."""
        size = len(name) + len(value) + ENTRY_OVERHEAD
        field = name, value
        # Half of the table is reserved for fields that all resources share.
        left = self._left - (self._table_bytes // 2 if name in _OF_RESOURCES else 0)
        if name in _VOLATILE or size > left or len(self._written[field]) == 1:
            return False
        self._left -= size
        self._table[field] = len(self._table)
        self._literals -= 1
        self._literal_bytes -= size
        return True

    def _keep(self, field: Header, text: bytes) -> None:
        """Remember the encoded form of a field that isn't in the table."""
        size = len(field[0]) + len(field[1]) + ENTRY_OVERHEAD
        if size > MAX_REMEMBERED_BYTES:
            return
        if self._literals >= MAX_LITERALS or self._literal_bytes + size > _LITERAL_BYTES:
            self.forget()
        self._literals += 1
        self._literal_bytes += size
        self._written[field] = text
        self._learns |= field[0] not in _VOLATILE

    def _index(self, place: int) -> bytes:
        return _integer(_FIRST_DYNAMIC + len(self._table) - 1 - place, 7, 0x80)


class _Written(dict[Header, bytes]):
    """The encoded form of each field. A request id is used only once, so it is not looked up."""

    __slots__ = ()

    def __missing__(self, field: Header) -> bytes:
        name, value = field
        if name == REQUEST_ID_NAME and len(value) <= MAX_ID_BYTES:
            return _ID_STARTS[len(value)] + value
        raise KeyError(field)


def _is_own_id(name: bytes, value: bytes) -> bool:
    """Return whether a field is a request id, which is never remembered."""
    return name == REQUEST_ID_NAME and len(value) <= MAX_ID_BYTES


def _literal(name: bytes, value: bytes, kind: int) -> bytes:
    """Return the encoded form of a field that is not in the table (RFC 7541 6.1 and 6.2)."""
    index, values = _STATIC.get(name, (0, {}))
    if value in values and kind != _NEVER_INDEXED:
        return _integer(values[value], 7, 0x80)
    start = _integer(index, 6 if kind == _INDEXED else 4, kind)
    return start + _string(value) if index else start + _string(name) + _string(value)


def _string(text: bytes) -> bytes:
    """Return an encoded string, with Huffman coding if that is shorter (RFC 7541 5.2)."""
    bits = "".join([_CODES[byte] for byte in text])
    size = (len(bits) + 7) // 8
    if size >= len(text):
        return _integer(len(text), 7, 0) + text
    bits += "1" * (8 * size - len(bits))
    return _integer(size, 7, _HUFFMAN) + int(bits, 2).to_bytes(size)


def _integer(number: int, bits: int, flags: int) -> bytes:
    """Return an integer after flags, with a prefix of `bits` bits (RFC 7541 5.1)."""
    most = (1 << bits) - 1
    if number < most:
        return bytes((flags | number,))
    digits = [flags | most]
    number -= most
    while number >= 128:
        digits.append(number & 127 | 128)
        number >>= 7
    digits.append(number)
    return bytes(digits)


# The start of a field with a request id, by the length of the id. Ids are not Huffman-coded: that
# would save ten bytes of 32, and take longer than all other fields together.
_ID_STARTS: Final = tuple(
    _integer(0, 4, _PLAIN) + _string(REQUEST_ID_NAME) + _integer(length, 7, 0)
    for length in range(MAX_ID_BYTES + 1)
)
