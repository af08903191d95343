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


@attrs.frozen(kw_only=True)
class _Between:
    """A validator of numbers between two bounds."""

    check: Callable[[Any, Any, Any], None]
    low: float
    high: float

    def __call__(self, _instance: object, _attribute: object, value: object) -> None:
        self.check(value, self.low, self.high)


def bounds_of(validator: object) -> tuple[float, float] | None:
    """Return the lowest and the highest number that a validator accepts; None if it has no bounds.

    Args:
        validator: The validator of an attrs field, which may be optional.
    """
    inner = getattr(validator, "validator", validator)
    return (inner.low, inner.high) if isinstance(inner, _Between) else None


def seconds(low: float, high: float) -> Validator[float]:
    """Make a validator of durations from `low` to `high`, in seconds."""
    return _Between(check=rules.check_seconds, low=low, high=high)


def size(low: int, high: int) -> Validator[int]:
    """Make a validator of sizes from `low` to `high`, in bytes."""
    return _Between(check=rules.check_bytes, low=low, high=high)


def count(low: int, high: int) -> Validator[int]:
    """Make a validator of numbers from `low` to `high`."""
    return _Between(check=rules.check_between, low=low, high=high)


def choice(choices: tuple[str, ...]) -> Validator[str]:
    """Make a validator that accepts only `choices`."""

    def check(text: str) -> None:
        rules.check_choice(text, choices)

    return rule(check)
