"""Make attrs validators from the rules for configuration values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import attrs

from corsgate.config.model import rules
from corsgate.errors import BadValue

_T = TypeVar("_T")
Validator: TypeAlias = Callable[[Any, "attrs.Attribute[_T]", _T], None]

MILLISECOND, HOUR, DAY = 0.001, 3600.0, 86400.0
KIB, MIB, PIB = 1024, 1024**2, 1024**5
MANY = 1_000_000


def rule(check: Callable[[_T], None]) -> Validator[_T]:
    """Make a validator from a check that raises BadValue."""
    return lambda _instance, _attribute, value: check(value)


def each(
    check: Callable[[_T], None],
) -> Callable[[Any, attrs.Attribute[Any], tuple[_T, ...] | None], None]:
    """Make a validator that checks each item of a tuple; None is valid."""

    def validate(_instance: object, _attribute: object, values: tuple[_T, ...] | None) -> None:
        for value in values or ():
            check(value)

    return validate


def at_least_one(
    _instance: object, attribute: attrs.Attribute[Any], values: tuple[object, ...]
) -> None:
    """Reject an empty tuple."""
    if not values:
        raise BadValue(f"there are no {attribute.name}", "give at least one")


def seconds(low: float, high: float) -> Validator[float]:
    """Make a validator of durations from `low` to `high`, in seconds."""
    return rule(lambda value: rules.check_seconds(value, low, high))


def size(low: int, high: int) -> Validator[int]:
    """Make a validator of sizes from `low` to `high`, in bytes."""
    return rule(lambda value: rules.check_bytes(value, low, high))


def count(low: int, high: int) -> Validator[int]:
    """Make a validator of numbers from `low` to `high`."""
    return rule(lambda value: rules.check_between(value, low, high))


def choice(choices: tuple[str, ...]) -> Validator[str]:
    """Make a validator that accepts only `choices`."""

    def check(text: str) -> None:
        rules.check_choice(text, choices)

    return rule(check)
