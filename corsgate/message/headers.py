"""Header fields as an ordered list of byte pairs, and which of them end at this hop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from itertools import compress
from operator import itemgetter
from typing import Protocol, TypeAlias

Header: TypeAlias = tuple[bytes, bytes]
"""A field's name as received, and its value without surrounding white space."""

HeaderList: TypeAlias = list[Header]
"""The fields of one message in order, including repeated ones."""

HeaderIndex: TypeAlias = dict[bytes, list[bytes]]
"""The values of each field in order, by its lower-cased name."""

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
"""Fields that apply to a single connection and so are never forwarded (RFC 9110 7.6.1)."""


class NameSet(Protocol):
    """Lower-cased names of fields: a frozen set, or an object with another rule."""

    def __contains__(self, name: object, /) -> bool: ...

    def __hash__(self) -> int: ...


def index_headers(headers: Iterable[Header]) -> HeaderIndex:
    """Return the values of each field by its lower-cased name.

    Args:
        headers: The fields in order.

    Returns:
        A new dictionary, without names that do not occur.
    """
    index: HeaderIndex = {}
    for name, value in headers:
        lowered = name.lower()
        if lowered in index:
            index[lowered].append(value)
        else:
            index[lowered] = [value]
    return index


def list_members(values: Iterable[bytes]) -> list[bytes]:
    """Return the members of a comma-separated list that may be split over several fields.

    Empty members are left out, as recipients must (RFC 9110 5.6.1.2). Quoted strings are not
    recognized: this is for lists of tokens.

    Args:
        values: The values of all fields of one name, in order.

    Returns:
        The members in order, stripped of white space, in their original case.
    """
    return [
        member
        for value in values
        for member in (part.strip(b" \t") for part in value.split(b","))
        if member
    ]


MAX_LIST_BYTES = 2048
"""The longest list that is split, counting all its fields."""

MAX_LIST_MEMBERS = 64
"""The maximum number of its members, including empty ones."""


def short_list(
    values: Sequence[bytes],
    most_bytes: int = MAX_LIST_BYTES,
    most: int = MAX_LIST_MEMBERS,
) -> list[bytes] | None:
    """Return the members of a list like `list_members`, unless it is longer than any real one.

    Splitting a list costs a hundred times as much as receiving it, and HPACK can compress a field
    of 4 KiB to one byte. So the length is checked before splitting.

    Args:
        values: The values of all fields of one name, in order.
        most_bytes: The bound on their total length in bytes.
        most: The bound on the number of members, including empty ones.

    Returns:
        The members; None beyond one of the bounds. If security depends on the list, the message
        must then be rejected, since a part of the list is not enough.
    """
    return list_members(values) if is_short(values, most_bytes, most) else None


def is_short(
    values: Sequence[bytes], most_bytes: int = MAX_LIST_BYTES, most: int = MAX_LIST_MEMBERS
) -> bool:
    """Return whether `short_list` would return a list."""
    size = members = 0
    for value in values:
        size += len(value)
        if size > most_bytes:
            return False
        members += value.count(b",") + 1
        if members > most:
            return False
    return True


# Messages of one kind have the same field names. Heads with many fields are rare, and their names
# may differ each time.
_MOST_REMEMBERED = 40
_LONGEST_REMEMBERED = 1024
_MOST_MASKS = 16

# Common options of Connection. No fields have these names, except for some proxies' own.
_USUAL_OPTIONS = frozenset((b"keep-alive", b"Keep-Alive", b"close", b"Close"))

RESOURCE_FIELDS = frozenset((b"destination", b"if"))
"""Lower-cased names of the fields in which a WebDAV request names resources (RFC 4918 10)."""

# Fields that need a closer check in a request. Connection and Content-Length depend on the value.
_NOT_SIMPLE = frozenset((b"expect", b"transfer-encoding", b"upgrade"))


class HeadNames:
    """What the names of a head's fields imply, computed once for all heads with the same names.

    Attributes:
        lowered: The names in lower case, in order.
        names: The same as a set.
        distinct: Whether no name occurs twice.
        host_at: The index of the only Host field; -1 if there is none, or more than one.
        length_at: The index of the only Content-Length; -1 if there is none, or more than one.
        connection_at: The index of the only Connection; -1 if there is none, or more than one.
        harmless: Values of Connection that name none of the fields.
        remembered: Whether the next head with the same names gets this same object.
        simple_request: Whether a request with these names has one Host, no name twice, and a length
            if it has a body. Then only the values of Host, Content-Length and Connection matter.
        plain_response: Whether the only Content-Length defines the length of a response with these
            names, if it has a body. There is neither Transfer-Encoding nor Upgrade.
        resources: Whether a request with these names may name a resource besides its target, as in
            WebDAV's Destination and If (RFC 4918 10).
    """

    __slots__ = (
        "_masks",
        "connection_at",
        "distinct",
        "harmless",
        "host_at",
        "length_at",
        "lowered",
        "names",
        "plain_response",
        "remembered",
        "resources",
        "simple_request",
    )

    def __init__(self, spelled: Sequence[bytes], *, remembered: bool = False) -> None:
        self.remembered = remembered
        self.lowered = lowered = tuple([name.lower() for name in spelled])
        self.names = names = frozenset(lowered)
        self.distinct = len(names) == len(lowered)
        self.host_at = self._place(b"host")
        self.length_at = self._place(b"content-length")
        self.connection_at = self._place(b"connection")
        names_none = names.isdisjoint(option.lower() for option in _USUAL_OPTIONS)
        self.harmless = _USUAL_OPTIONS if names_none else frozenset()
        self.simple_request = self.distinct and self.host_at >= 0 and names.isdisjoint(_NOT_SIMPLE)
        self.plain_response = (
            self.length_at >= 0
            and b"transfer-encoding" not in names
            and b"upgrade" not in names
            and (self.connection_at >= 0 or b"connection" not in names)
        )
        self.resources = not names.isdisjoint(RESOURCE_FIELDS)
        self._masks: dict[NameSet, tuple[bool, ...]] = {}

    def mask(self, gone: NameSet) -> tuple[bool, ...]:
        """Return for each field whether it stays when the names in `gone` are removed."""
        mask = self._masks.get(gone)
        if mask is None:
            if len(self._masks) >= _MOST_MASKS:
                self._masks.clear()
            mask = self._masks[gone] = tuple([name not in gone for name in self.lowered])
        return mask

    def _place(self, name: bytes) -> int:
        return self.lowered.index(name) if self.lowered.count(name) == 1 else -1


_head_names = lru_cache(maxsize=256)(partial(HeadNames, remembered=True))
_name = itemgetter(0)


def head_names(headers: Iterable[Header]) -> HeadNames:
    """Return the `HeadNames` of a head's fields, from a cache if they are few and short."""
    return names_of(tuple(map(_name, headers)))


def forget_names(headers: Iterable[Header]) -> HeadNames:
    """Return the `HeadNames` of a head's fields, without the cache."""
    return HeadNames([name for name, _ in headers])


def names_of(spelled: tuple[bytes, ...]) -> HeadNames:
    """Return the `HeadNames` of fields, as `head_names` does.

    Args:
        spelled: The names of the fields in order.
    """
    if len(spelled) <= _MOST_REMEMBERED and len(b"".join(spelled)) <= _LONGEST_REMEMBERED:
        return _head_names(spelled)
    return HeadNames(spelled)


def as_cgi_reads(name: bytes) -> bytes:
    """Return one form of all the names that some server passes to programs as the same name.

    With CGI, WSGI or PHP a program can't tell ``X_A`` from ``X-A`` (RFC 3875 4.1.18). With some
    servers, such as lighttpd, it can't tell ``X.A`` either, nor any other sign of a token.

    Args:
        name: A field's name in lower case.
    """
    return name.translate(_HYPHENS)


def end_to_end(headers: Sequence[Header], gone: NameSet = HOP_BY_HOP) -> HeaderList:
    """Return the fields that may pass to the next hop.

    Args:
        headers: The fields in order.
        gone: The lower-cased names to leave out: `HOP_BY_HOP`, and possibly more.

    Returns:
        A new list without `gone` and without the fields that Connection names
        (RFC 9110 7.6.1).
    """
    return sift(headers, gone)[0]


def sift(headers: Sequence[Header], gone: NameSet) -> tuple[HeaderList, frozenset[bytes]]:
    """Return the result of `end_to_end`, and the lower-cased names of all fields.

    Args:
        headers: The fields in order.
        gone: The lower-cased names to leave out; hashable, since the result is cached by it.
    """
    names = head_names(headers)
    return passing(headers, names, gone), names.names


def passing(headers: Sequence[Header], names: HeadNames, gone: NameSet) -> HeaderList:
    """Return the result of `end_to_end`.

    Args:
        headers: The fields in order.
        names: The `HeadNames` of these fields.
        gone: The lower-cased names to leave out; hashable, and cached for a while.
    """
    kept = list(compress(headers, names.mask(gone)))
    return without_named(kept, headers, names) if b"connection" in names.names else kept


def without_named(kept: HeaderList, headers: Sequence[Header], names: HeadNames) -> HeaderList:
    """Return the fields of a head that its Connection doesn't name.

    Args:
        kept: The fields that may pass otherwise.
        headers: All fields of the head.
        names: The `HeadNames` of all fields, which include Connection.
    """
    at = names.connection_at
    if at >= 0 and headers[at][1] in names.harmless:
        return kept
    options = [value for name, value in headers if name.lower() == b"connection"]
    named = {option.lower() for option in list_members(options)}
    if named.isdisjoint(names.names):
        return kept
    return [header for header in kept if header[0].lower() not in named]


_SIGNS = b"!#$%&'*+.^_`|~"
_HYPHENS = bytes.maketrans(_SIGNS, b"-" * len(_SIGNS))

# Fields for routing, framing, authentication or caching must be known before the body (RFC 9110
# 6.5.1). But a recipient may treat a trailer like a field of the head.
_NO_TRAILERS = HOP_BY_HOP | frozenset(
    (
        b"age",
        b"authentication-info",
        b"authorization",
        b"cache-control",
        b"cdn-loop",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-type",
        b"cookie",
        b"date",
        b"expect",
        b"expires",
        b"forwarded",
        b"host",
        b"location",
        b"max-forwards",
        b"origin",
        b"pragma",
        b"range",
        b"referer",
        b"retry-after",
        b"set-cookie",
        b"vary",
        b"via",
        b"www-authenticate",
    )
)
_NO_TRAILER_PREFIXES = (b"access-control-", b"if-", b"proxy-", b"sec-", b"x-forwarded-")


def forwardable_trailers(trailers: Iterable[Header], gone: NameSet = frozenset()) -> HeaderList:
    """Return the trailer fields that may be forwarded (RFC 9110 6.5).

    Args:
        trailers: The fields after a body.
        gone: Further lower-cased names to leave out.

    Returns:
        Those that are harmless even if a recipient treats them like fields of the head.
    """
    return [
        (name, value)
        for name, value in trailers
        if (lowered := as_cgi_reads(name.lower())) not in _NO_TRAILERS
        and lowered not in gone
        and not lowered.startswith(_NO_TRAILER_PREFIXES)
    ]
