"""The JSON that a login sends: any value of TOML, in which all text is secret."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import attrs

from corsgate.config.model import rules
from corsgate.config.model.secret import Secret
from corsgate.errors import BadValue

JsonValue: TypeAlias = "Secret | bool | int | float | JsonObject | tuple[JsonValue, ...]"
"""A value in the JSON of a login; an array is a tuple."""

Members: TypeAlias = tuple[tuple[str, JsonValue], ...]
"""The names and values of a JSON object, in the order of the file."""

MAX_DEPTH = 16
"""How many arrays and objects may contain each other, with the outermost object."""

MAX_BYTES = 64 * 1024
"""The largest JSON of a login, in bytes."""


@attrs.frozen
class JsonObject:
    """A JSON object within the JSON of a login.

    Attributes:
        members: Its members.
    """

    members: Members = attrs.field(repr=False)


def encoded(members: Members) -> bytes:
    """Return a JSON object as it is sent, with its secrets."""
    return json.dumps(_revealed(JsonObject(members))).encode("ascii")


def _revealed(value: JsonValue) -> object:
    match value:
        case Secret():
            return value.reveal()
        case JsonObject():
            return {name: _revealed(each) for name, each in value.members}
        case tuple():
            return [_revealed(each) for each in value]
    return value


def leaves(members: Members) -> tuple[tuple[tuple[str | int, ...], object], ...]:
    """Return the place and the value of everything in a JSON object that contains nothing else.

    Two objects with the same leaves are the same JSON. In Python, ``True``, ``1`` and ``1.0`` are
    equal, so each value comes with its type.

    Args:
        members: The members of the object.
    """
    return tuple(_leaves(JsonObject(members), ()))


def _leaves(
    value: JsonValue, place: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], object]]:
    inside: Any
    match value:
        case JsonObject(members) if members:
            inside = members
        case tuple() if value:
            inside = enumerate(value)
        case _:
            yield place, (type(value), value)
            return
    for step, each in inside:
        yield from _leaves(each, (*place, step))


def check_json(members: Members) -> None:
    """Reject what can't be the JSON of a login; never show a secret.

    Args:
        members: The members of the object.
    """
    _check(JsonObject(members), 1)
    check_size(members)


def check_size(members: Members) -> None:
    """Reject JSON that is too large."""
    size = len(encoded(members))
    if size > MAX_BYTES:
        raise BadValue(f"it is {size} bytes of JSON, more than {MAX_BYTES}", "shorten it")


def check_member(name: str) -> None:
    """Reject the name of a member or of a field of a form; names are not secret."""
    if not name:
        raise BadValue("its name is empty", "write a name")
    rules.check_plain(name)


def check_depth(depth: int) -> None:
    """Reject an array or object with too many others around it.

    Args:
        depth: Their number, including itself.
    """
    if depth > MAX_DEPTH:
        raise BadValue(f"it is nested more than {MAX_DEPTH} levels deep", "use fewer levels")


def check_float(value: float) -> None:
    """Reject a number that JSON does not have (RFC 8259 6)."""
    if not math.isfinite(value):
        raise BadValue(f"JSON has no number {value}", "write a finite number")


def _check(value: JsonValue, depth: int) -> None:
    match value:
        case Secret():
            rules.check_secret(value.reveal())
        case float():
            check_float(value)
        case JsonObject():
            check_depth(depth)
            for name, each in value.members:
                check_member(name)
                _check(each, depth + 1)
        case tuple():
            check_depth(depth)
            for each in value:
                _check(each, depth + 1)
