"""Read single values of a TOML document."""

from __future__ import annotations

from collections.abc import Callable

from corsgate.config.model import units
from corsgate.config.model.rules import check_choice, show
from corsgate.config.toml.shape import Schema, shape
from corsgate.config.toml.variables import refuse_variable
from corsgate.errors import BadValue

DURATION: Schema = {"type": "string", "pattern": f"^{units.DURATION}$"}
"""The schema of durations."""

SIZE: Schema = {
    "anyOf": [
        {"type": "string", "pattern": f"^{units.SIZE}$"},
        {"type": "integer", "minimum": 0},
    ]
}
"""The schema of sizes."""


def type_of(raw: object) -> str:
    """Return a clause with the type of a value, but not the value, which may be a secret."""
    match raw:
        case bool():
            return "it is a boolean"
        case int():
            return "it is an integer"
        case float():
            return "it is a float"
        case str():
            return "it is text"
        case list():
            return "it is an array"
        case dict():
            return "it is a table"
    return "it is a date or time"


def _shown(raw: object) -> str:
    """Return a clause with the type of a value, and the value if it is a scalar."""
    match raw:
        case bool():
            shown = str(raw).lower()
        case str():
            shown = show(raw)
        case int() | float():
            shown = str(raw)[:40]
        case _:
            return type_of(raw)
    return f"{shown} {type_of(raw).removeprefix('it ')}"


@shape({"type": "string"})
def text(raw: object) -> str:
    """Return a value that must be a string."""
    if isinstance(raw, str):
        refuse_variable(raw)
        return raw
    raise BadValue(_shown(raw), "write text in quotes")


@shape({"type": "boolean"})
def boolean(raw: object) -> bool:
    """Return a value that must be ``true`` or ``false``."""
    if isinstance(raw, bool):
        return raw
    raise BadValue(_shown(raw), "write true or false")


@shape({"type": "integer"})
def integer(raw: object) -> int:
    """Return a value that must be a 64-bit integer, as in TOML."""
    if not isinstance(raw, int) or isinstance(raw, bool):
        raise BadValue(_shown(raw), "write a whole number, without quotes")
    if not -(2**63) <= raw < 2**63:
        raise BadValue("the number does not fit in 64 bits", "write a smaller one")
    return raw


@shape(DURATION)
def duration(raw: object) -> float:
    """Return a value that must be a duration, in seconds."""
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        raise BadValue(f"{str(raw)[:40]} has no unit", f'write "{str(raw)[:40]}s" for seconds')
    if isinstance(raw, str):
        return units.parse_duration(raw)
    raise BadValue(_shown(raw), 'write a duration, such as "5s"')


@shape(SIZE)
def size(raw: object) -> int:
    """Return a value that must be a size or a number of bytes, in bytes."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return integer(raw)
    if isinstance(raw, str):
        return units.parse_size(raw)
    raise BadValue(_shown(raw), 'write a size, such as "64KiB"')


def checked(check: Callable[[str], None]) -> Callable[[object], str]:
    """Make a reader of text that passes a check, such as one of `corsgate.config.model.rules`."""

    @shape({"type": "string"})
    def reader(raw: object) -> str:
        value = text(raw)
        check(value)
        return value

    return reader


def choice(choices: tuple[str, ...]) -> Callable[[object], str]:
    """Make a reader of text that must be one of `choices`."""

    @shape({"enum": list(choices)})
    def reader(raw: object) -> str:
        value = text(raw)
        check_choice(value, choices)
        return value

    return reader
